// What is done with a simulated disk besides moving it: it is cut and becomes larger under its guest or while it is closed,
// its layers are merged, and while it is closed it is read. Chance says what and when.
import { BlockCuts } from './block-cuts.ts';
import type { BlockGuest } from './block-guest.ts';
import type { BlockHead } from './block-head.ts';
import { BlockMerges } from './block-merges.ts';
import type { BlockMover } from './block-mover.ts';
import type { BlockNode } from './block-node.ts';
import { BlockPoints } from './block-points.ts';
import { BlockReaders } from './block-readers.ts';
import { BlockRecords } from './block-records.ts';
import { BlockSnapshots } from './block-snapshots.ts';
import type { World } from './world.ts';

const TELL_CHANCE = 0.2;
const MERGE_CHANCE = 0.3;

export interface ScriptParts {
  readonly world: World;
  readonly nodes: readonly BlockNode[];
  readonly guest: BlockGuest;
  readonly head: BlockHead;
  readonly mover: BlockMover;
  /** That the policy wants of each layer; 1 without any. */
  readonly copies: number;
  /** Whether some of its snapshots are kept for a while, and shown. */
  readonly isShown: boolean;
  /** Whether some of those are carried to another node as recovery points. */
  readonly hasPoints: boolean;
  readonly seed: number;
}

export class BlockScript {
  readonly cuts: BlockCuts;
  readonly merges: BlockMerges;
  readonly readers: BlockReaders;
  readonly snapshots: BlockSnapshots | undefined;
  readonly points: BlockPoints | undefined;
  readonly #parts: ScriptParts;
  readonly #records: BlockRecords;

  constructor(parts: ScriptParts) {
    const { world, nodes, head, mover, copies, isShown, hasPoints, seed } = parts;
    this.#parts = parts;
    const records = new BlockRecords(world, head, copies);
    this.#records = records;
    this.points = hasPoints ? new BlockPoints({ world, seed, nodes, head, records }) : undefined;
    const { points } = this;
    this.snapshots = isShown ? new BlockSnapshots({ world, nodes, head, records, points }) : undefined;
    const { snapshots } = this;
    this.cuts = new BlockCuts({ ...parts, snapshots });
    this.merges = new BlockMerges(world, nodes, head);
    this.readers = new BlockReaders({ ...parts, records: this.#records });
    mover.whileClosed = () => this.#whileClosed();
  }

  /** The next step; undefined when it is a move. */
  step(): Promise<void> | undefined {
    const { prng } = this.#parts.world;
    if (this.points !== undefined && prng.chance(0.7)) return this.cuts.snapshot();
    if (prng.chance(0.4)) return undefined;
    return prng.chance(0.5) ? this.cuts.snapshot() : this.cuts.grow();
  }

  /** At some moment. */
  look(): void {
    const { world, nodes } = this.#parts;
    this.snapshots?.look();
    this.points?.look();
    if (world.prng.chance(TELL_CHANCE)) this.#records.tell(nodes);
    if (world.prng.chance(MERGE_CHANCE)) void this.merges.look();
  }

  check(): void {
    this.readers.check();
  }

  /** Nothing fails any more, and the guest is quiet: layers are merged to the end, and what is closed is read at every node. */
  async end(): Promise<void> {
    const { guest, mover, world, nodes } = this.#parts;
    await this.merges.finish();
    if (this.snapshots !== undefined) {
      await this.snapshots.end();
      await this.merges.finish();
    }
    mover.whileClosed = () => this.readers.readAll();
    await mover.moveCold(world.prng.pick(nodes as [BlockNode, ...BlockNode[]]));
    await guest.pause();
  }

  async #whileClosed(): Promise<void> {
    const { prng } = this.#parts.world;
    if (prng.chance(0.25)) this.cuts.growClosed();
    if (prng.chance(0.8)) await this.readers.session();
    if (prng.chance(0.15)) this.cuts.growClosed();
  }
}
