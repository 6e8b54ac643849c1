// A catalogue whose disk can be lost, and stores that say what they have, for its rebuild. Not a test itself.
import { catalogueCalls } from '../../../blockd/catalogue/catalogue-calls.ts';
import { StoreBook } from '../../../blockd/catalogue/store-book.ts';
import type { Handlers } from '../../../common/rpc/server.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';
import type { catalogueContract, Head } from '../../../wire/contracts/catalogue.ts';
import type { RebuildOrder, RebuildReport, RebuiltImage } from '../../../wire/contracts/rebuild.ts';
import type { KeptRecords, ReportedLayer } from '../../../wire/contracts/store-report.ts';
import { context } from './catalogue-entries.ts';
import { ModelStore } from './catalogue-model.ts';
import { layerName } from './layered-image.ts';
import { reportedLayer } from './reported-layer.ts';

/** By how much epochs go on above all that was seen. */
export const MARGIN = 4096;
export const TOP = layerName(1);

/** By node: what its store says of its layers. */
export type Layers = Record<string, ReportedLayer[]>;

/** A catalogue that can be lost, and the stores that are asked. */
export class Stand {
  store = new ModelStore();
  calls: Handlers<typeof catalogueContract> = catalogueCalls(this.store, new StoreBook());

  /** The catalogue's disk is gone. */
  lose(): void {
    this.store = new ModelStore();
    this.calls = catalogueCalls(this.store, new StoreBook());
  }

  /** Each store says these layers; every other of a, b and c is away. */
  async rebuild(layers: Layers, order: Partial<RebuildOrder> = {}): Promise<RebuildReport> {
    for (const [node, own] of Object.entries(layers)) {
      const report = { layers: own, unusable: [], members: ['a', 'b'], kept: order.kept?.mark ?? null };
      await this.calls['store.heard']({ node, report }, context);
    }
    const whole = {
      mode: 'execute',
      answered: Object.keys(layers),
      members: [],
      kept: null,
      migrations: [],
      accept: [],
    };
    return this.calls['catalogue.rebuild']({ ...whole, ...order } as RebuildOrder, context);
  }

  head(image = 'web'): Head {
    return this.store.get(image).head;
  }

  async records(): Promise<KeptRecords> {
    return this.calls['records.list']({}, context);
  }

  async grant(node: string, image = 'web'): Promise<Head> {
    return this.calls['epoch.open']({ image, node }, context);
  }
}

/** How an epoch of image `web` ended. */
export function closing(epoch: number, lastSequence: number, digest = 'ab'.repeat(16)): Closing {
  return { image: 'web', epoch, lastSequence, entries: 2, digest, generation: 1 };
}

/** A layer whose table is as it closed. */
export function closedLayer(last: Closing, change: Partial<ReportedLayer> = {}): ReportedLayer {
  const { lastSequence, entries, digest, epoch } = last;
  return reportedLayer({ layer: TOP, epoch, closing: last, table: { lastSequence, entries, digest }, ...change });
}

/** What became of one image. */
export function image({ images }: RebuildReport, name = 'web'): RebuiltImage {
  const found = images.find((one) => one.image === name);
  if (found === undefined) throw new Error(`no ${name} in ${JSON.stringify(images)}`);
  return found;
}
