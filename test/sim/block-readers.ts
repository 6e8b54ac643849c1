// The readers of a simulated disk while it is closed (TOCS 2017, 3.2.2): the catalogue opens it for them at some nodes, they
// read at random, and each read is what the disk was closed with. Who is not told of the end, since it is cut off, reads on
// and must see the same.
import { type Entry, openEpoch } from '../../blockd/catalogue/catalogue.ts';
import { closeReading, openReading } from '../../blockd/catalogue/catalogue-readers.ts';
import type { NbdDevice } from '../../blockd/nbd/nbd-device.ts';
import { codeOf, messageOf } from '../../common/errors.ts';
import { BlockCalls, endpoint, isOfFailedDisk } from './block-calls.ts';
import type { BlockGuest } from './block-guest.ts';
import type { BlockHead } from './block-head.ts';
import type { ClosedVersion } from './block-history.ts';
import type { BlockNode } from './block-node.ts';
import type { BlockRecords } from './block-records.ts';
import type { World } from './world.ts';

const SECTOR_BYTES = 512;
const BLOCK_BYTES = 4096;
const RANGE_SECTORS_MAX = 40;
const PAUSE_MS_MIN = 20;
const PAUSE_MS_MAX = 60;
const OPEN_TIMEOUT_MS = 20_000;
const READ_MS_MAX = 6_000;
const WAIT_MS = 1_000;
const WAITS_MAX = 20;
/** How often a reader hears of its end by what is said to every store alone. */
const UNTOLD_CHANCE = 0.4;

export interface ReadersParts {
  readonly world: World;
  readonly nodes: readonly BlockNode[];
  readonly guest: BlockGuest;
  readonly head: BlockHead;
  readonly records: BlockRecords;
}

export class BlockReaders {
  /** Reads that were answered, and how many of those to somebody that the catalogue did not know as a reader any more. */
  answered = 0;
  late = 0;
  readonly #parts: ReadersParts;
  readonly #calls: BlockCalls;
  /** As the catalogue has them, by node. */
  readonly #open = new Map<string, ClosedVersion>();
  /** By node: everything that was ever opened there. */
  readonly #opened = new Map<string, ClosedVersion[]>();
  /** By export: what it may be, by what was read of it. */
  readonly #mayBe = new WeakMap<NbdDevice, readonly ClosedVersion[]>();
  /** By export: for whom it was opened; one of an earlier opening may find the blocks of its version gone. */
  readonly #shownFor = new WeakMap<NbdDevice, ClosedVersion>();
  /** An entry never changes: what was refused on this one is refused. */
  #checked: Entry | undefined;

  constructor(parts: ReadersParts) {
    this.#parts = parts;
    this.#calls = new BlockCalls(parts.world, 'readers');
    for (const node of parts.nodes) this.#tick(node);
  }

  /** The disk is closed, as it is from now on: some nodes read it for a while. */
  async session(nodes = this.#drawn()): Promise<void> {
    const { guest, world, head } = this.#parts;
    const version = guest.history.closed(guest.hasLostPower);
    await Promise.all(nodes.map((node) => this.#begin(node, version)));
    if (this.#open.size > 0) this.#refusesWriters();
    await this.#calls.after(world.prng.between(0, READ_MS_MAX));
    await Promise.all(nodes.map((node) => this.#end(node)));
    version.isOver = true;
    if (head.head.readers !== undefined) world.violate('a reader is left that was closed');
  }

  /** The same of the whole disk at every node, when nothing fails any more. */
  async readAll(): Promise<void> {
    const { guest, head, nodes, world } = this.#parts;
    const version = guest.history.closed(guest.hasLostPower);
    for (const node of nodes) {
      while (!(await this.#begin(node, version)));
      for (let offset = 0; offset < head.head.bytes; offset += BLOCK_BYTES) {
        if (!(await this.#read(node, offset, new Uint8Array(BLOCK_BYTES))))
          world.violate(`a reader at ${node.name} cannot read at ${offset}`);
      }
      await this.#end(node);
    }
  }

  /** What must hold at any time: who writes it is alone. */
  check(): void {
    const { world, nodes, head } = this.#parts;
    const { image, writer } = head.head;
    for (const node of nodes) {
      if (node.shown.has(image) && node.exports.has(image))
        world.violate(`${node.name} shows the disk to readers and to a writer`);
    }
    if (head.entry === this.#checked) return;
    this.#checked = head.entry;
    if (writer !== null && isGranted(() => openReading(head.entry, 'a')))
      world.violate('the disk is opened for reading while it is written');
  }

  #drawn(): BlockNode[] {
    const { world, nodes } = this.#parts;
    return nodes.filter(() => world.prng.chance(0.6));
  }

  async #begin(node: BlockNode, version: ClosedVersion): Promise<boolean> {
    const { head, records } = this.#parts;
    head.commit(openReading(head.entry, node.name));
    this.#opened.set(node.name, [...(this.#opened.get(node.name) ?? []), version]);
    this.#open.set(node.name, version);
    const { image, bytes, stack, epoch, last, holder } = head.head;
    const order = { image, bytes, stack, epoch: epoch + 1, last, from: endpoint({ name: holder }) };
    try {
      await records.keep(node);
      const context = this.#calls.waiting(OPEN_TIMEOUT_MS);
      await this.#calls.call(node, (calls) => calls['image.read'](order, context), OPEN_TIMEOUT_MS);
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      await this.#end(node);
      return false;
    }
    const shown = node.shown.get(image);
    if (shown === undefined || this.#open.get(node.name) !== version) return true;
    this.#mayBe.set(shown.device, [version]);
    this.#shownFor.set(shown.device, version);
    return true;
  }

  async #end(node: BlockNode): Promise<void> {
    const { head, records, world } = this.#parts;
    if (!this.#open.delete(node.name)) return;
    head.commit(closeReading(head.entry, node.name));
    if (!world.prng.chance(UNTOLD_CHANCE)) await records.keep(node).catch(() => undefined);
  }

  #refusesWriters(): void {
    const { head, nodes, world } = this.#parts;
    const opened = nodes.find(({ name }) => isGranted(() => openEpoch(head.entry, name)));
    if (opened !== undefined) world.violate(`${opened.name} gets an epoch while the disk is read`);
  }

  #tick(node: BlockNode): void {
    const { world, head } = this.#parts;
    const shown = node.shown.get(head.image);
    if (shown === undefined) {
      world.clock.after(PAUSE_MS_MIN, () => this.#tick(node));
      return;
    }
    const sectors = shown.bytes / SECTOR_BYTES;
    const first = world.prng.integer(sectors);
    const length = Math.min(1 + world.prng.integer(RANGE_SECTORS_MAX), sectors - first) * SECTOR_BYTES;
    const pauseMs = world.prng.between(PAUSE_MS_MIN, PAUSE_MS_MAX);
    void this.#read(node, first * SECTOR_BYTES, new Uint8Array(length)).then(() =>
      world.clock.after(pauseMs, () => this.#tick(node)),
    );
  }

  /** Whether it was answered. Never rejects; gives up what waits for very long. */
  async #read(node: BlockNode, offset: number, into: Uint8Array): Promise<boolean> {
    const { world, head } = this.#parts;
    const device = node.shown.get(head.image)?.device;
    const isThere = (): boolean => node.process.state === 'up' && node.shown.get(head.image)?.device === device;
    for (let waits = 0; waits < WAITS_MAX && device !== undefined && isThere(); waits++) {
      try {
        if (device.tryRead(offset, into, false)) {
          this.#judge(node, device, offset, into);
          return true;
        }
        await Promise.race([device.makeReadable(offset, into.length), this.#calls.after(WAIT_MS)]);
      } catch (error) {
        // A full disk has room again.
        const isItsOwn = this.#open.has(node.name) && this.#shownFor.get(device) === this.#open.get(node.name);
        if (isThere() && isItsOwn && codeOf(error) !== 'ENOSPC' && !isOfFailedDisk(node, error))
          world.violate(`a read of a reader failed: ${messageOf(error)}`);
        return false;
      }
    }
    return false;
  }

  #judge(node: BlockNode, device: NbdDevice, offset: number, read: Uint8Array): void {
    const { world, head } = this.#parts;
    this.answered++;
    if (!this.#open.has(node.name)) this.late++;
    const bytes = node.shown.get(head.image)?.bytes;
    const before = this.#mayBe.get(device) ?? this.#opened.get(node.name) ?? [];
    const left = before.filter((version) => version.bytes === bytes && version.mayBe(offset, read));
    this.#mayBe.set(device, left);
    const [only, ...others] = left;
    if (only === undefined) world.violate(`a reader at ${node.name} sees at ${offset} what was not closed so`);
    else if (others.length === 0) only.settle(offset, read);
  }
}

function isGranted(ask: () => unknown): boolean {
  try {
    ask();
    return true;
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return false;
  }
}
