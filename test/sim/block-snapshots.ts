// Snapshots of a simulated disk that the catalogue keeps for a while: each store whose layers are there shows them, they are
// read at random, and each read is what the disk was at the cut, at every node the same, while their layers are copied,
// merged and let go.
import type { NbdDevice } from '../../blockd/nbd/nbd-device.ts';
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Snapshot } from '../../wire/contracts/catalogue.ts';
import { BlockCalls, isOfFailedDisk } from './block-calls.ts';
import type { BlockHead } from './block-head.ts';
import type { ClosedVersion } from './block-history.ts';
import type { BlockNode, ShownDevice } from './block-node.ts';
import type { BlockPoints } from './block-points.ts';
import type { BlockRecords } from './block-records.ts';
import type { World } from './world.ts';

const SECTOR_BYTES = 512;
const BLOCK_BYTES = 4096;
const RANGE_SECTORS_MAX = 80;
const PAUSE_MS_MIN = 150;
const PAUSE_MS_MAX = 600;
const WAIT_MS = 1_000;
/** Two streams after one another may be silent for 15 s each before others are asked (`FetchLane`). */
const WAITS_MAX = 40;
/** Of the cuts; the others' layers may be merged at once. */
const KEEP_CHANCE = 0.7;
const KEPT_MAX = 3;
const FORGET_CHANCE = 0.02;
/** At the end, until what is here is shown. */
const SHOWN_MS_MAX = 30_000;
const LOOK_MS = 500;
/** What passes: a disk has room again, and an export that ended comes again. */
const PASSING = ['ENOSPC', 'EXPORT_ENDED'];

export interface SnapshotsParts {
  readonly world: World;
  readonly nodes: readonly BlockNode[];
  readonly head: BlockHead;
  readonly records: BlockRecords;
  /** Some of them are carried to another node; undefined when none is. */
  readonly points: BlockPoints | undefined;
}

export class BlockSnapshots {
  /** Reads that were answered, and how many of those by a store that had heard of no end yet. */
  answered = 0;
  late = 0;
  readonly #parts: SnapshotsParts;
  readonly #calls: BlockCalls;
  /** By export: everything that was ever kept. */
  readonly #versions = new Map<string, ClosedVersion>();
  #isOver = false;

  constructor(parts: SnapshotsParts) {
    this.#parts = parts;
    this.#calls = new BlockCalls(parts.world, 'snapshots');
    for (const node of parts.nodes) this.#tick(node);
  }

  /** Whether the snapshot that is taken next is kept. */
  wants(): boolean {
    const { world, head } = this.#parts;
    return head.snapshots.length < KEPT_MAX && world.prng.chance(KEEP_CHANCE);
  }

  /** In the step in which it is committed. */
  keep(snapshot: Snapshot, version: ClosedVersion): void {
    this.#versions.set(this.#nameOf(snapshot), version);
    this.#parts.head.keep(snapshot);
    this.#parts.points?.keep(snapshot, version);
  }

  /** At some moment. */
  look(): void {
    const { world, head } = this.#parts;
    if (this.#isOver) return;
    for (const { snapshot } of head.snapshots) if (world.prng.chance(FORGET_CHANCE)) head.forget(snapshot);
  }

  /** Nothing fails any more: each is shown where the disk is and reads as it was at every node, and is gone once forgotten. */
  async end(): Promise<void> {
    const { head, nodes, world } = this.#parts;
    this.#isOver = true;
    for (const node of nodes) await this.#hears(node);
    const kept = head.snapshots;
    for (const snapshot of kept) for (const node of nodes) await this.#readAll(node, this.#nameOf(snapshot));
    for (const { snapshot } of kept) head.forget(snapshot);
    for (const node of nodes) {
      await this.#hears(node);
      const left = kept.map((snapshot) => this.#nameOf(snapshot)).filter((name) => node.shown.has(name));
      if (left.length > 0) world.violate(`${node.name} shows ${left.join(', ')}, which nobody keeps`);
    }
  }

  async #hears(node: BlockNode): Promise<void> {
    for (let isTold = false; !isTold; ) {
      isTold = await this.#parts.records.keep(node).then(
        () => true,
        (error: unknown) => {
          if (codeOf(error) === undefined) throw error;
          return false;
        },
      );
    }
  }

  async #readAll(node: BlockNode, name: string): Promise<void> {
    const { world, head } = this.#parts;
    for (let waited = 0; !node.shown.has(name); waited += LOOK_MS) {
      // Elsewhere its layers may never have been, and where a newer point has arrived at last, the older ones are forgotten.
      if (node.name !== head.writer || !this.#isKept(name)) return;
      if (waited > SHOWN_MS_MAX) return world.violate(`${node.name} does not show ${name}`);
      await this.#calls.after(LOOK_MS);
    }
    const { bytes = 0 } = this.#versions.get(name) ?? {};
    for (let offset = 0; offset < bytes; offset += BLOCK_BYTES) {
      // An export ends and comes again while its layers are merged.
      for (let waited = 0; !(await this.#read(node, name, offset, new Uint8Array(BLOCK_BYTES))); waited += LOOK_MS) {
        if (!this.#isKept(name)) return;
        if (waited > SHOWN_MS_MAX) return world.violate(`${name} cannot be read at ${node.name} at ${offset}`);
        await this.#calls.after(LOOK_MS);
      }
    }
  }

  #tick(node: BlockNode): void {
    const { prng, clock } = this.#parts.world;
    const pauseMs = prng.between(PAUSE_MS_MIN, PAUSE_MS_MAX);
    const again = (): unknown => clock.after(pauseMs, () => this.#tick(node));
    const [name, bytes] = this.#drawn(node);
    if (bytes === 0) return void again();
    const sectors = bytes / SECTOR_BYTES;
    const first = prng.integer(sectors);
    const length = Math.min(1 + prng.integer(RANGE_SECTORS_MAX), sectors - first) * SECTOR_BYTES;
    void this.#read(node, name, first * SECTOR_BYTES, new Uint8Array(length)).then(again);
  }

  /** Some snapshot that is shown there; none has no bytes. */
  #drawn(node: BlockNode): [name: string, bytes: number] {
    const shown = [...node.shown].filter(([name]) => this.#versions.has(name));
    const first: [string, ShownDevice] | undefined = shown[0];
    if (first === undefined) return ['', 0];
    const [name, { bytes }] = this.#parts.world.prng.pick([first, ...shown.slice(1)]);
    return [name, bytes];
  }

  /** Whether it was answered. Never rejects; gives up what waits for very long. */
  async #read(node: BlockNode, name: string, offset: number, into: Uint8Array): Promise<boolean> {
    const { world } = this.#parts;
    const device = node.shown.get(name)?.device;
    for (let waits = 0; waits < WAITS_MAX && isThere(node, name, device); waits++) {
      try {
        if (device.tryRead(offset, into, false)) {
          this.#judge(node, name, offset, into);
          return true;
        }
        await Promise.race([device.makeReadable(offset, into.length), this.#calls.after(WAIT_MS)]);
      } catch (error) {
        // Of one that was forgotten, and whose layers were merged since, blocks may be nowhere.
        const isPassing = isOfFailedDisk(node, error) || PASSING.includes(codeOf(error) ?? '');
        if (isThere(node, name, device) && this.#isKept(name) && !isPassing)
          world.violate(`a read of ${name} at ${node.name} failed: ${messageOf(error)}`);
        return false;
      }
    }
    return false;
  }

  #judge(node: BlockNode, name: string, offset: number, read: Uint8Array): void {
    const { world } = this.#parts;
    const version = this.#versions.get(name);
    this.answered++;
    if (!this.#isKept(name)) this.late++;
    if (version?.bytes !== node.shown.get(name)?.bytes || version?.mayBe(offset, read) !== true)
      world.violate(`${name} at ${node.name} is at ${offset} what the disk was not at its cut (S8)`);
    else version.settle(offset, read);
  }

  #isKept(name: string): boolean {
    return this.#parts.head.snapshots.some((snapshot) => this.#nameOf(snapshot) === name);
  }

  #nameOf({ snapshot }: Snapshot): string {
    return `${this.#parts.head.image}@${snapshot}`;
  }
}

function isThere(node: BlockNode, name: string, device: NbdDevice | undefined): device is NbdDevice {
  return device !== undefined && node.process.state === 'up' && node.shown.get(name)?.device === device;
}
