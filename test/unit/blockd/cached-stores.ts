// Stores of one layer at several nodes, with streams in memory between them that may be cut or held up, and the cap of each.
// Not a test itself.

import { LayerBlocks } from '../../../blockd/layers/layer-blocks.ts';
import { Followers } from '../../../blockd/peer/followers.ts';
import { type AskKeep, keepQuestion } from '../../../blockd/peer/keep-question.ts';
import { PeerBlocks } from '../../../blockd/peer/peer-blocks.ts';
import { PeerSession } from '../../../blockd/peer/peer-session.ts';
import type { Dial, PeerStream, StreamEvents } from '../../../blockd/peer/peer-stream.ts';
import { Traffic } from '../../../blockd/peer/traffic.ts';
import { createLayer } from '../../../blockd/store/image-files.ts';
import type { ImageStore } from '../../../blockd/store/image-store.ts';
import { checksumOf } from '../../../blockd/table/block-checksum.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import type { CacheLimits } from '../../../blockd/upkeep/cache-cap.ts';
import { CacheCap } from '../../../blockd/upkeep/cache-cap.ts';
import { createLog } from '../../../common/log.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { ManualClock } from './manual-clock.ts';
import { memoryStream } from './memory-stream.ts';

export const LAYER = 'l00000000000000aa';
/** Three regions of 4 MiB. */
const BLOCKS = 3 * 1024;
export const DATA_PATH = `/layers/${LAYER}.data`;
const log = createLog('test', 'silent');
const ROOMY = { freeBytes: 900, totalBytes: 1000 };

/** One node. */
export interface CachedNode {
  readonly name: string;
  readonly disk: CrashDisk;
  readonly store: ImageStore;
  readonly layer: LayerBlocks;
}

/** A block of one byte repeated. */
export function filled(fill: number): Buffer {
  return Buffer.alloc(BLOCK_BYTES, fill);
}

/** The nodes and what lies between them. */
export class CachedStores {
  readonly clock = new ManualClock();
  readonly #blocks: number;
  readonly nodes = new Map<string, CachedNode>();
  readonly unreachable = new Set<string>();
  /** What was asked of whom, and what was said. */
  readonly asked: { readonly node: string; readonly blocks: number }[] = [];
  /** Awaited before each answer to a question about copies arrives. */
  delay: (node: string) => Promise<void> = async () => undefined;
  /** Whether the store's layer may be let go of. */
  isCached = true;
  /** How many others must keep what goes. */
  keepers = 1;
  /** Known where copies are let go of. */
  epoch = 0;
  room = ROOMY;

  constructor(blocks = BLOCKS) {
    this.#blocks = blocks;
  }

  async #dial(asker: string, node: string, events: StreamEvents): Promise<PeerStream> {
    await Promise.resolve();
    if (this.unreachable.has(node)) throw new Error('unreachable');
    const { store } = this.node(node);
    const { clock } = this;
    const around = { followers: new Followers(clock), peer: asker, traffic: new Traffic(), clock };
    return memoryStream(
      events,
      (stream) => new PeerSession({ store, ...around, stream }),
      (bytes, deliver) => {
        const copy = Buffer.from(bytes);
        void this.delay(node).then(() => deliver(copy));
      },
    );
  }

  /** What a node asks of the others. */
  askOf(asker: string): AskKeep {
    const dial: Dial = (node, _layer, events) => this.#dial(asker, node, events);
    const ask = keepQuestion({ dial, clock: this.clock });
    return async (node, question) => {
      this.asked.push({ node, blocks: question.runs.reduce((sum, { count }) => sum + count, 0) });
      return ask(node, question);
    };
  }

  node(name: string): CachedNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }

  /** A node whose store has the blocks, durably, each full of its own number. */
  async add(name: string, blocks: readonly number[], sequence = 1): Promise<CachedNode> {
    const disk = new CrashDisk();
    const fresh = { image: 'web', layer: LAYER, bytes: this.#blocks * BLOCK_BYTES, isOrigin: true };
    const store = await createLayer(disk, '/layers', fresh);
    for (const block of blocks) put(store, block, sequence);
    await store.flush();
    const { clock } = this;
    const dial: Dial = (node, _layer, events) => this.#dial(name, node, events);
    const source = new PeerBlocks({ dial, clock, log, traffic: () => new Traffic() });
    const members = (): string[] => [...this.nodes.keys()];
    const layer = new LayerBlocks({ store, source, clock, node: name, members });
    const node = { name, disk, store, layer };
    this.nodes.set(name, node);
    return node;
  }

  /** These were whole copies once. */
  async counted(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.node(name).store.commit({ state: { copiedUpTo: 1 } });
  }

  cap(name: string, capBlocks: number | undefined): CacheCap {
    const limits: CacheLimits = {
      capBytes: capBlocks === undefined ? undefined : capBlocks * BLOCK_BYTES,
      room: async () => this.room,
    };
    const { clock } = this;
    const members = (): string[] => [...this.nodes.keys()].filter((one) => one !== name);
    const layers = (): LayerBlocks[] => (this.isCached ? [this.node(name).layer] : []);
    const ask = this.askOf(name);
    const keepers = (): number => this.keepers;
    const epochOf = (): number => this.epoch;
    return new CacheCap({ limits, layers, node: name, members, keepers, epochOf, ask, clock, log });
  }
}

/** The block is written in a version that all stores know. */
export function put(store: ImageStore, block: number, sequence = 1): void {
  const data = filled(block % 256);
  store.file.install(data, block * BLOCK_BYTES);
  store.table.write(block, Uint32Array.of(checksumOf(data)), { epoch: 1, sequence });
}

/** The blocks that a store has. */
export function held({ store }: CachedNode): number[] {
  const blocks: number[] = [];
  for (let from = 0; ; ) {
    const run = store.table.nextHeld(from, store.blocks, store.blocks);
    if (run === undefined) return blocks;
    for (let block = run.first; block < run.first + run.count; block++) blocks.push(block);
    from = run.first + run.count;
  }
}

/** What the data file has of a block, whatever the table says. */
export async function onDisk({ disk }: CachedNode, block: number): Promise<Buffer> {
  const file = await disk.open(DATA_PATH, 'read');
  const data = Buffer.alloc(BLOCK_BYTES);
  await file.read(data, block * BLOCK_BYTES);
  return data;
}
