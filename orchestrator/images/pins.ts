// Pins images and snapshots to places: only where all of it is, told to every store, and let go of everywhere else. Where it
// is asked for nevertheless its store holds the request back; blocks never pass through here.
import { isNewerMark } from '../../common/catalogue-mark.ts';
import { codeOf, messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { formatBytes } from '../../common/terminal/progress.ts';
import type { Pin } from '../../wire/contracts/catalogue.ts';
import type { SealedLayer } from '../../wire/contracts/layers.ts';
import type { CatalogueMark, LayerPin, ReportedLayer, StoreReport } from '../../wire/contracts/store-report.ts';
import type { Cluster } from '../cluster.ts';
import type { State } from '../state.ts';
import type { CatalogueWatch } from './catalogue-watch.ts';

const BLOCK_BYTES = 4096;

/** What is pinned: an image's or a snapshot's name. */
export interface PinSubject {
  readonly kind: 'image' | 'snapshot';
  readonly name: string;
}

/** A layer that must be at the place; without a digest it is as its writer has it there. */
type Needed = Pick<SealedLayer, 'layer' | 'entries'> & { readonly digest?: string };

/** What is asked of a store's copy of a layer, besides all its blocks. */
type Wanted = { readonly digest: string } | { readonly writer: string };

export interface PinsParts {
  readonly state: State;
  readonly cluster: Cluster;
  readonly watch: Pick<CatalogueWatch, 'look'>;
  readonly log: Log;
}

export class Pins {
  readonly #parts: PinsParts;
  /** By node: the pinned layers that it was seen to have let go of. */
  readonly #clean = new Map<string, string>();

  constructor(parts: PinsParts) {
    this.#parts = parts;
  }

  /**
   * Answers the pin, the other images that stand on a layer of it, and the nodes elsewhere that have still to let go.
   * @throws OperationError PIN_INCOMPLETE, PIN_CONFLICT, POINT_ELSEWHERE, CLOUD_UNKNOWN, NO_SNAPSHOT, NO_IMAGE, IMAGE_OPEN,
   * IMAGE_CHANGED
   */
  async pin(subject: PinSubject, to: string): Promise<{ pin: Pin; alsoHeld: string[]; stillAt: string[] }> {
    const { catalogue } = this.#parts.cluster.controller;
    const pin = this.#placeOf(to);
    const { writer, layers, ...seen } = await this.#neededFor(subject);
    const holder = await this.#holderOf(subject, pin, layers, writer);
    const { alsoHeld } = await catalogue.call('pin.set', { ...subject, pin, holder, ...seen });
    await this.#parts.watch.look();
    return { pin, alsoHeld, stillAt: await this.repeat() };
  }

  /** What waits elsewhere goes on. */
  async unpin(subject: PinSubject): Promise<void> {
    const holder = this.#parts.cluster.endpoints()[0]?.node ?? '';
    await this.#parts.cluster.controller.catalogue.call('pin.set', { ...subject, pin: null, holder });
    await this.#parts.watch.look();
  }

  /** Has stores let go of what is pinned elsewhere; answers the nodes that have not, or cannot be asked. */
  async repeat(): Promise<string[]> {
    const { cluster } = this.#parts;
    const { pins, mark } = await cluster.controller.catalogue.call('pin.list', {});
    const late = cluster.endpoints().flatMap(({ node }) => {
      const layers = pins.filter(({ nodes }) => !nodes.includes(node)).map(({ layer }) => layer);
      return layers.length === 0 || this.#clean.get(node) === layers.join() ? [] : [{ node, layers }];
    });
    if (late.length === 0) return [];
    const safe = await this.#safe(pins, mark);
    const left = await Promise.all(late.map((one) => this.#letGoAt(one.node, one.layers, safe)));
    return left.flat();
  }

  /** The pinned layers of which a node of the place has everything as it is now, and minds that it is pinned there. */
  async #safe(pins: readonly LayerPin[], mark: CatalogueMark): Promise<ReadonlySet<string>> {
    const wanted = await this.#wanted();
    const nodes = [...new Set(pins.flatMap((pin) => pin.nodes))].filter((node) => this.#parts.cluster.isUp(node));
    const whole = await Promise.all(
      nodes.map(async (node) => {
        const { layers, kept } = await this.#report(node);
        if (kept === null || isNewerMark(mark, kept)) return [];
        const own = pins.filter((pin) => pin.nodes.includes(node)).map(({ layer }) => layer);
        const isWhole = (one: ReportedLayer): boolean => one.missingBlocks === 0 && isAsWanted(one, node, wanted);
        return layers.filter((one) => own.includes(one.layer) && isWhole(one)).map(({ layer }) => layer);
      }),
    );
    return new Set(whole.flat());
  }

  /** What each layer has to be: as it is proven, or as its writer has it. A store of the place may have an older state. */
  async #wanted(): Promise<ReadonlyMap<string, Wanted>> {
    const { catalogue } = this.#parts.cluster.controller;
    const { heads } = await catalogue.call('image.list', {});
    const { snapshots } = await catalogue.call('snapshot.list', {});
    const sealed = [
      ...heads.flatMap(({ stack }) => stack.below),
      ...snapshots.flatMap(({ disks }) => disks.flatMap(({ layers }) => layers)),
    ];
    const wanted = new Map<string, Wanted>(sealed.map(({ layer, digest }) => [layer, { digest }]));
    for (const { stack, writer, last } of heads) {
      wanted.set(stack.layer, writer === null ? { digest: last.digest } : { writer });
    }
    return wanted;
  }

  async #letGoAt(node: string, layers: readonly string[], safe: ReadonlySet<string>): Promise<string[]> {
    if (!this.#parts.cluster.isUp(node)) return [node];
    try {
      if (!(await this.#letGo(node, layers, safe))) return [node];
      this.#clean.set(node, layers.join());
      return [];
    } catch (error) {
      this.#parts.log.info({ node, reason: messageOf(error) }, 'what is pinned elsewhere is still there');
      return [node];
    }
  }

  async #letGo(node: string, pinned: readonly string[], safe: ReadonlySet<string>): Promise<boolean> {
    const { layers } = await this.#report(node);
    let isClean = true;
    // Tops before what lies below them.
    const here = layers.filter(({ layer }) => pinned.includes(layer)).sort((a, b) => b.below.length - a.below.length);
    for (const { layer } of here) {
      isClean = safe.has(layer) && (await this.#drop(node, layer)) && isClean;
    }
    return isClean;
  }

  async #drop(node: string, layer: string): Promise<boolean> {
    try {
      await this.#parts.cluster.clients(node).blockd.call('layer.drop', { layer });
      return true;
    } catch (error) {
      if (codeOf(error) !== 'LAYER_IN_USE') throw error;
      return false;
    }
  }

  #report(node: string): Promise<StoreReport> {
    return this.#parts.cluster.clients(node).blockd.call('store.report', {});
  }

  /** A cloud's nodes, or the one node. */
  #placeOf(to: string): Pin {
    const { state, cluster } = this.#parts;
    const { cloud } = cluster.nodeOf(to);
    const members = state.all('members').filter((member) => member.cloud === to);
    const nodes = members.length > 0 ? members.map(({ node }) => node).sort() : [cluster.nodeOf(to).node];
    return { place: members.length > 0 ? cloud : to, nodes };
  }

  async #neededFor({ kind, name }: PinSubject): Promise<{ writer: string | null; layers: Needed[]; epoch?: number }> {
    const { catalogue } = this.#parts.cluster.controller;
    if (kind === 'image') {
      const { writer, stack, last, epoch } = await catalogue.call('image.head', { image: name });
      const { layer } = stack;
      const top: Needed =
        writer === null ? { layer, entries: last.entries, digest: last.digest } : { layer, entries: 1 };
      return { writer, epoch, layers: [top, ...stack.below] };
    }
    const { snapshots } = await catalogue.call('snapshot.list', {});
    const found = snapshots.find(({ snapshot }) => snapshot === name);
    if (found === undefined) throw new OperationError('NO_SNAPSHOT', `there is no snapshot ${name}`);
    return { writer: null, layers: found.disks.flatMap(({ layers }) => layers) };
  }

  /** A node of the place that has everything: a pin where less is would be the end of the rest. */
  async #holderOf(
    { kind, name }: PinSubject,
    { place, nodes }: Pin,
    layers: readonly Needed[],
    writer: string | null,
  ): Promise<string> {
    const { cluster } = this.#parts;
    if (writer !== null && !nodes.includes(writer)) {
      throw new OperationError('IMAGE_OPEN', `image ${name} is open at ${writer}, which is not at ${place}`, {
        remedy: `move its VM to ${place} first`,
      });
    }
    const reasons: string[] = [];
    for (const node of writer === null ? nodes : [writer]) {
      const lacks = cluster.isUp(node) ? whatLacks(await this.#report(node), layers) : 'gave no sign of life lately';
      if (lacks === '') return node;
      reasons.push(`${node} ${lacks}`);
    }
    throw new OperationError(
      'PIN_INCOMPLETE',
      `no node of ${place} has all of ${kind} ${name}: ${reasons.join('; ')}`,
      {
        remedy:
          `bring it there first: let its VM run there until it depends on no other node (supercloud vm show), ` +
          'or seed a snapshot',
      },
    );
  }
}

function isAsWanted({ layer, table }: ReportedLayer, node: string, wanted: ReadonlyMap<string, Wanted>): boolean {
  const as = wanted.get(layer);
  if (as === undefined) return false;
  return 'writer' in as ? as.writer === node : as.digest === table.digest;
}

/** In words what a store lacks of the layers; nothing when it has them all. */
function whatLacks({ layers }: StoreReport, needed: readonly Needed[]): string {
  let missingBlocks = 0;
  for (const { layer, entries, digest } of needed) {
    if (entries === 0) continue;
    const found = layers.find((one) => one.layer === layer);
    if (found === undefined) return `has nothing of layer ${layer}`;
    if (digest !== undefined && found.table.digest !== digest) return `has layer ${layer} in another state`;
    missingBlocks += found.missingBlocks;
  }
  return missingBlocks === 0 ? '' : `lacks ${formatBytes(missingBlocks * BLOCK_BYTES)} of it`;
}
