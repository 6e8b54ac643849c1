// The cluster as its rooms use it, with a catalogue that is compared with the stores whenever it asks for that: it was
// restarted and knows no store, which is nobody's business but this room's. Nor is it that a store is asked first whether it
// is what it was.
import { codeOf } from '../common/errors.ts';
import type { CallOptions } from '../common/rpc/client.ts';
import type { MethodName, Params, Progress, Result } from '../wire/contract.ts';
import type { catalogueContract } from '../wire/contracts/catalogue.ts';
import type { Endpoint } from '../wire/names.ts';
import type { Calls, Cluster, ControllerDaemons, NodeDaemons } from './cluster.ts';
import type { CatalogueWatch } from './images/catalogue-watch.ts';
import type { StoreWatch } from './images/store-watch.ts';
import type { MemberRecord } from './state.ts';

type Catalogue = typeof catalogueContract;

/** After these the node has the newest records when they are answered. */
const TOLD: readonly MethodName<Catalogue>[] = ['epoch.open', 'reader.open', 'reader.close', 'snapshot.carry'];

/**
 * Before these the store is asked how far it has come: what it lost must not be opened, nor closed as if it were the newest.
 * A migration asks both of its stores itself, beside its other questions (`migration-sequence.ts`): the way to the nodes and back
 * is no time of its own then.
 */
const ASKED: readonly MethodName<Catalogue>[] = ['epoch.open', 'epoch.close', 'epoch.abandon'];

export class WatchedCluster implements Cluster {
  readonly #cluster: Cluster;
  readonly controller: ControllerDaemons;

  constructor(cluster: Cluster, watch: Pick<CatalogueWatch, 'compareAll' | 'keep'>, stores: Pick<StoreWatch, 'check'>) {
    const { catalogue, sdnd } = cluster.controller;
    this.#cluster = cluster;
    this.controller = { catalogue: new ComparedCatalogue(catalogue, watch, stores), sdnd };
  }

  clients(node: string): NodeDaemons {
    return this.#cluster.clients(node);
  }

  endpoint(node: string): Endpoint {
    return this.#cluster.endpoint(node);
  }

  endpoints(): Endpoint[] {
    return this.#cluster.endpoints();
  }

  isUp(node: string): boolean {
    return this.#cluster.isUp(node);
  }

  nodeOf(cloud: string): MemberRecord {
    return this.#cluster.nodeOf(cloud);
  }

  upNodeOf(cloud: string): MemberRecord {
    return this.#cluster.upNodeOf(cloud);
  }
}

/** Repeats a call once, after a comparison, that was refused for want of one; tells who opens the newest records. */
class ComparedCatalogue implements Calls<Catalogue> {
  readonly #catalogue: Calls<Catalogue>;
  readonly #watch: Pick<CatalogueWatch, 'compareAll' | 'keep'>;
  readonly #stores: Pick<StoreWatch, 'check'>;

  constructor(
    catalogue: Calls<Catalogue>,
    watch: Pick<CatalogueWatch, 'compareAll' | 'keep'>,
    stores: Pick<StoreWatch, 'check'>,
  ) {
    this.#catalogue = catalogue;
    this.#watch = watch;
    this.#stores = stores;
  }

  async call<N extends MethodName<Catalogue>>(
    name: N,
    params: Params<Catalogue, N>,
    options?: CallOptions<Progress<Catalogue, N>>,
  ): Promise<Result<Catalogue, N>> {
    if (ASKED.includes(name) && 'node' in params) await this.#stores.check([params.node]);
    const result = await this.#compared(name, params, options);
    // Who opens an image knows what is pinned before it does, and who reads it; who is to be a recovery point, that it is.
    if (TOLD.includes(name) && 'node' in params) await this.#watch.keep(params.node);
    return result;
  }

  async #compared<N extends MethodName<Catalogue>>(
    name: N,
    params: Params<Catalogue, N>,
    options?: CallOptions<Progress<Catalogue, N>>,
  ): Promise<Result<Catalogue, N>> {
    try {
      return await this.#catalogue.call(name, params, options);
    } catch (error) {
      if (codeOf(error) !== 'STORE_UNHEARD') throw error;
    }
    await this.#watch.compareAll();
    return this.#catalogue.call(name, params, options);
  }
}
