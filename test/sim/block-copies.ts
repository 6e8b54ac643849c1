// What the copies of a simulated disk are held to (SOUNDNESS A13; promise S1): after each answer that meant copies, and at
// every moment from then on, each block is on as many nodes' disks as the policy says, as it was flushed or newer, whatever
// a power cut would leave of them.
import { openLayer } from '../../blockd/store/image-files.ts';
import type { ImageStore } from '../../blockd/store/image-store.ts';
import { listLayers } from '../../blockd/store/layer-files.ts';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import { DATA, HERE } from '../../blockd/table/version-run.ts';
import type { PropagationPolicy } from '../../wire/contracts/propagation.ts';
import type { CrashDisk } from '../crash/crash-disk.ts';
import type { Loss } from '../crash/inode.ts';
import type { BlockGuest } from './block-guest.ts';
import type { CopiedContents } from './block-history.ts';
import type { BlockNode } from './block-node.ts';
import type { World } from './world.ts';

const LAYERS = '/state/layers';
/** Of the moments that could be looked at: each look recovers three disks. */
const ANSWER_CHANCE = 0.3;
const LOOK_CHANCE = 0.5;

export type CopyPolicy = Extract<PropagationPolicy, { mode: 'sync' | 'sync-write' }>;

/** Which disk, and under which policy. */
export interface CopiedDisk {
  readonly image: string;
  readonly layer: string;
  readonly policy: CopyPolicy;
}

/** What the disks would have if the power of all nodes failed at one moment. */
interface Moment {
  readonly when: string;
  readonly contents: CopiedContents;
  readonly disks: readonly CrashDisk[];
}

const NEVER_WRITTEN = new Uint8Array(BLOCK_BYTES);

/** By block; nothing of blocks that are not there, or cannot be read. */
type Contents = readonly (Uint8Array | undefined)[];

/** The judge of one disk's copies. */
export class BlockCopies {
  /** Moments that were judged. */
  looks = 0;
  readonly #world: World;
  readonly #nodes: readonly BlockNode[];
  readonly #guest: BlockGuest;
  readonly #disk: CopiedDisk;
  readonly #moments: Moment[] = [];
  /** What was recovered from each. */
  readonly #recovered = new WeakMap<CrashDisk, readonly Contents[]>();
  #isMeant = false;
  #counted = 1;
  #isOver = false;

  constructor(world: World, nodes: readonly BlockNode[], guest: BlockGuest, disk: CopiedDisk) {
    this.#world = world;
    this.#nodes = nodes;
    this.#guest = guest;
    this.#disk = disk;
    guest.copiesMeantAt = () => this.#meantAt();
    guest.copied = () => {
      this.#isMeant = true;
      if (world.prng.chance(ANSWER_CHANCE)) this.#take('after an answer');
    };
  }

  /** Every store keeps the catalogue's records, which say how many copies there are to be. */
  async begin(): Promise<void> {
    const { layer, policy } = this.#disk;
    const mark = { incarnation: 1, serial: 1 };
    const records = { mark, pins: [], copies: [{ layer, copies: policy.copies }], records: [] };
    await Promise.all(this.#nodes.map((node) => node.started.then(() => node.shelf.layers.records.keep(records))));
  }

  /** At some moment. */
  look(): void {
    if (this.#isMeant && this.#world.prng.chance(LOOK_CHANCE)) this.#take('at some moment');
  }

  /** From now on there may be fewer. */
  end(): void {
    this.#isOver = true;
  }

  /** Settles when every moment that was taken was judged. */
  async judged(): Promise<void> {
    for (const moment of this.#moments.splice(0)) await this.#judge(moment);
  }

  /** What an answer means that the guest gets now: nothing while the copies form, or when it is said that there are fewer. */
  #meantAt(): 'nothing' | 'flush' | 'write' {
    const { image, policy } = this.#disk;
    const host = this.#guest.node?.shelf.find(image);
    const shown = host?.copies.show().copies;
    if (host === undefined || shown === undefined) return 'nothing';
    this.#countsAsMany(host.image.meant?.count ?? 1);
    if (shown.forming || shown.degraded) return 'nothing';
    return policy.mode === 'sync' ? 'flush' : 'write';
  }

  /** Also at the next writer, however the image came there. */
  #countsAsMany(copies: number): void {
    if (copies < this.#counted && !this.#isOver)
      this.#world.violate(`answers mean ${copies} copies and meant ${this.#counted} before (S1)`);
    this.#counted = copies;
  }

  #take(when: string): void {
    if (this.#isOver) return;
    const { prng, clock } = this.#world;
    const pick = (losses: readonly Loss[]): Loss =>
      losses[prng.chance(0.5) ? 0 : prng.integer(losses.length)] ?? { kind: 'lose-all' };
    this.looks++;
    this.#moments.push({
      when: `${when} (${clock.nowMs.toFixed(0)} ms)`,
      contents: this.#guest.history.onCopies(),
      disks: this.#nodes.map((node) => node.diskAfter(pick)),
    });
  }

  async #judge({ when, contents, disks }: Moment): Promise<void> {
    const { policy } = this.#disk;
    const blocks = contents.bytes / BLOCK_BYTES;
    const counts = new Array<number>(blocks).fill(0);
    for (const disk of disks) {
      const shown = await this.#shownBy(disk);
      for (let block = 0; block < blocks; block++) {
        const isCopy = (read: Uint8Array | undefined): boolean =>
          read !== undefined && contents.hasCopy(block * BLOCK_BYTES, read);
        if (shown.some((one) => isCopy(block < one.length ? one[block] : NEVER_WRITTEN)))
          counts[block] = (counts[block] ?? 0) + 1;
      }
    }
    const block = counts.findIndex((count) => count < policy.copies);
    if (block < 0) return;
    this.#isOver = true;
    this.#world.violate(`${when} block ${block} is on ${counts[block]} disks of ${policy.copies} (S1)`);
  }

  async #shownBy(disk: CrashDisk): Promise<readonly Contents[]> {
    const shown = this.#recovered.get(disk) ?? (await readAll(disk));
    this.#recovered.set(disk, shown);
    return shown;
  }
}

/** What each layer of a disk shows over those below it. */
async function readAll(disk: CrashDisk): Promise<Contents[]> {
  const layers = new Map<string, ImageStore>();
  for (const layer of await listLayers(disk, LAYERS)) {
    const store = await openLayer(disk, LAYERS, layer);
    if (store !== undefined) layers.set(layer, store);
  }
  return [...layers.values()].map((top) => contentsOver(layers, top));
}

function contentsOver(layers: ReadonlyMap<string, ImageStore>, top: ImageStore): Contents {
  const stack = [top.layer, ...top.state.below.map(({ layer }) => layer)].map((layer) => layers.get(layer));
  const room = new Uint8Array(top.blocks * BLOCK_BYTES);
  return Array.from({ length: top.blocks }, (_, block) =>
    readBlock(stack, block, room.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES)),
  );
}

/** Nothing where a layer is not here, or the block is not or cannot be read. */
function readBlock(
  stack: readonly (ImageStore | undefined)[],
  block: number,
  into: Uint8Array,
): Uint8Array | undefined {
  for (const store of stack) {
    if (store === undefined) return undefined;
    const content = block < store.blocks ? store.table.contentOf(block) : 0;
    if (content === HERE) return into;
    if (content === DATA) return undefined;
    if (content !== 0) return store.file.read(into, block * BLOCK_BYTES) ? into : undefined;
  }
  return into;
}
