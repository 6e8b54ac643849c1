// Recovery points of a simulated disk: some of the snapshots that are kept are carried to another node. From its answer on that
// node alone has all of it, whenever the others are lost: what lies on its disk then is started by itself, merges what it was
// to merge, and reads as the disk was at the cut.
import type { ImageShelf } from '../../blockd/image/image-shelf.ts';
import { StillImage } from '../../blockd/image/still-image.ts';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Leaving, Snapshot } from '../../wire/contracts/catalogue.ts';
import type { CrashDisk } from '../crash/crash-disk.ts';
import type { Loss } from '../crash/inode.ts';
import { isSettled, ManualClock } from '../unit/blockd/manual-clock.ts';
import { shelfOn } from '../unit/blockd/quiet-shelf.ts';
import { BlockCalls, endpoint, RETRY_MS } from './block-calls.ts';
import type { BlockHead } from './block-head.ts';
import type { ClosedVersion } from './block-history.ts';
import type { BlockNode } from './block-node.ts';
import type { BlockRecords } from './block-records.ts';
import { Prng } from './prng.ts';
import type { World } from './world.ts';

/** Makes the draws others than those of the world. */
const POINT_SEED = 2 ** 43;
const CARRY_CHANCE = 0.8;
/** That those before it are forgotten when one arrives: their layers are merged then. */
const REPLACE_CHANCE = 0.8;
const LOOK_CHANCE = 0.3;
/** Of a seeding. */
const SEED_MS = 20_000;
const RATE_BYTES_PER_SECOND = 10_000_000;
/** Of the lost world, until what can be merged is merged. */
const ALONE_MS = 60_000;
const STEP_MS = 1_000;

export interface PointsParts {
  readonly world: World;
  readonly seed: number;
  readonly nodes: readonly BlockNode[];
  readonly head: BlockHead;
  readonly records: BlockRecords;
}

/** A snapshot that has arrived. */
interface Arrived {
  readonly node: BlockNode;
  readonly version: ClosedVersion;
}

/** A node's disk as it was when everything else was lost, and what the catalogue said then. */
interface Moment {
  readonly when: string;
  readonly node: string;
  readonly disk: CrashDisk;
  readonly snapshot: Snapshot;
  readonly leaving: readonly Leaving[];
  readonly version: ClosedVersion;
}

export class BlockPoints {
  /** Points that arrived, and moments that were judged. */
  arrived = 0;
  looks = 0;
  readonly #parts: PointsParts;
  readonly #draw: Prng;
  readonly #calls: BlockCalls;
  readonly #arrived = new Map<string, Arrived>();
  readonly #moments: Moment[] = [];

  constructor(parts: PointsParts) {
    this.#parts = parts;
    this.#draw = new Prng(parts.seed + POINT_SEED);
    this.#calls = new BlockCalls(parts.world, 'points');
  }

  /** Of a snapshot that was just committed: it is carried somewhere, or not. */
  keep(snapshot: Snapshot, version: ClosedVersion): void {
    const { nodes, head, world } = this.#parts;
    const others = nodes.filter(({ name }) => name !== head.writer);
    if (!this.#draw.chance(CARRY_CHANCE)) return;
    const node = this.#draw.pick(others as [BlockNode, ...BlockNode[]]);
    this.#carry(snapshot.snapshot, node, version).catch((error: unknown) =>
      world.violate(`a recovery point was refused: ${messageOf(error)}`),
    );
  }

  async #carry(name: string, node: BlockNode, version: ClosedVersion): Promise<void> {
    const { world, head, records } = this.#parts;
    head.carry(name, node.name);
    for (let snapshot = head.find(name); snapshot !== undefined; snapshot = head.find(name)) {
      try {
        await records.keep(node);
        await this.#seed(snapshot, node);
        if (head.find(name) === undefined) return;
        world.point(`${name} has arrived at ${node.name}`);
        this.#arrived.set(name, { node, version });
        this.arrived++;
        this.#take(name, 'when it arrives');
        if (this.#draw.chance(REPLACE_CHANCE)) this.#forgetBut(name);
        return;
      } catch (error) {
        // What was lost, late, refused or cannot be had now is ordered again.
        if (codeOf(error) === undefined) throw error;
        if (codeOf(error) === 'IMAGE_UNUSABLE') node.kill();
      }
      await this.#calls.after(RETRY_MS);
    }
  }

  /** As under `async`: the newest that has arrived is enough. */
  #forgetBut(name: string): void {
    const { head } = this.#parts;
    for (const { snapshot } of head.snapshots) if (snapshot < name) head.forget(snapshot);
  }

  #seed({ disks }: Snapshot, node: BlockNode): Promise<unknown> {
    const from = { node: this.#parts.head.writer };
    const order = {
      layers: disks[0]?.layers ?? [],
      from: endpoint({ name: from.node }),
      rateBytesPerSecond: RATE_BYTES_PER_SECOND,
      isPoint: true,
    };
    return this.#calls.call(
      node,
      (calls) => calls['layer.seed'](order, { ...this.#calls.waiting(SEED_MS), progress: () => undefined }),
      SEED_MS,
    );
  }

  /** At some moment. */
  look(): void {
    for (const name of this.#arrived.keys()) {
      if (this.#parts.head.find(name) === undefined) this.#arrived.delete(name);
      else if (this.#draw.chance(LOOK_CHANCE)) this.#take(name, 'at some moment');
    }
  }

  #take(name: string, when: string): void {
    const { head, world } = this.#parts;
    const snapshot = head.find(name);
    const arrived = this.#arrived.get(name);
    if (snapshot === undefined || arrived === undefined) return;
    const { node, version } = arrived;
    const pick = (losses: readonly Loss[]): Loss => losses[this.#draw.integer(losses.length)] ?? { kind: 'lose-all' };
    this.looks++;
    this.#moments.push({
      ...{ when: `${when} (${world.clock.nowMs.toFixed(0)} ms)`, node: node.name, snapshot, version },
      disk: node.diskAfter(pick),
      leaving: head.leaving.filter(({ nodes }) => nodes.includes(node.name)),
    });
  }

  /** Settles when every moment that was taken was judged. */
  async judged(): Promise<void> {
    for (const moment of this.#moments.splice(0)) {
      const wrong = await this.#wrongIn(moment).catch((error: unknown) => messageOf(error));
      if (wrong === '') continue;
      const { when, node, snapshot } = moment;
      this.#parts.world.violate(
        `${when} recovery point ${snapshot.snapshot} cannot be had of ${node} alone: ${wrong} (S1)`,
      );
    }
  }

  async #wrongIn({ node, disk, snapshot, leaving, version }: Moment): Promise<string> {
    const clock = new ManualClock();
    const shelf = await shelfOn(disk, node, { clock });
    try {
      const [still] = snapshot.disks;
      if (still === undefined) return 'it is of no disk';
      await mergeAlone(shelf, clock, snapshot, leaving);
      const { image, bytes, layers } = still;
      const read = new StillImage({ image, bytes, layers }, shelf.layers);
      const block = new Uint8Array(BLOCK_BYTES);
      for (let offset = 0; offset < bytes; offset += BLOCK_BYTES) {
        read.read(offset, block);
        if (!version.mayBe(offset, block)) return `at ${offset} it is what the disk was not at its cut`;
      }
      return '';
    } finally {
      await shelf.close();
    }
  }
}

/** What the catalogue had ordered of the snapshot's layers and the node had not done. */
async function mergeAlone(
  shelf: ImageShelf,
  clock: ManualClock,
  { disks }: Snapshot,
  leaving: readonly Leaving[],
): Promise<void> {
  const orders = leaving.flatMap(({ merge }) => merge ?? []).sort((one, other) => one.serial - other.serial);
  for (const { from, into, merged, target } of orders) {
    const newest = disks[0]?.layers.find(({ layer }) => layer === target);
    if (newest === undefined) continue;
    const order = { merge: { from, into, merged }, newest, source: '' };
    const endMs = clock.nowMs() + ALONE_MS;
    // What is refused, or goes on, is ordered again, and nothing that stands on it before that.
    for (let isDone = false; !isDone; ) {
      if (clock.nowMs() >= endMs) return;
      const answer = shelf.merges.merge(order).catch(() => false);
      do await clock.advance(STEP_MS);
      while (!(await isSettled(answer)));
      isDone = await answer;
    }
  }
}
