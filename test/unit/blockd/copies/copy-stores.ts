// Three stores in three clouds with streams between them that a test may hold, cut and refuse, and disks that may be lost.
// Not a test itself.
import { blockCalls } from '../../../../blockd/image/block-calls.ts';
import type { Image } from '../../../../blockd/image/image.ts';
import type { ImageShelf } from '../../../../blockd/image/image-shelf.ts';
import { PeerSession } from '../../../../blockd/peer/peer-session.ts';
import type { Dial, PeerStream, StreamEvents } from '../../../../blockd/peer/peer-stream.ts';
import { DEFAULT_SETTINGS } from '../../../../blockd/propagation/default-settings.ts';
import { openLayer } from '../../../../blockd/store/image-files.ts';
import { BLOCK_BYTES } from '../../../../blockd/table/block-version.ts';
import { DATA, HERE } from '../../../../blockd/table/version-run.ts';
import type { CacheLimits } from '../../../../blockd/upkeep/cache-cap.ts';
import type { CallContext, Handlers } from '../../../../common/rpc/server.ts';
import type { blockdContract, Closing } from '../../../../wire/contracts/blockd.ts';
import type { Stack } from '../../../../wire/contracts/layers.ts';
import type { PropagationPolicy } from '../../../../wire/contracts/propagation.ts';
import { CrashDisk } from '../../../crash/crash-disk.ts';
import type { Loss } from '../../../crash/inode.ts';
import { ManualClock } from '../manual-clock.ts';
import { shelfOn } from '../quiet-shelf.ts';

export const BLOCKS = 16;
export const BYTES = BLOCKS * BLOCK_BYTES;
export const LAYER = 'l0000000000000001';
export const ALONE: Stack = { layer: LAYER, generation: 1, below: [] };
export const SYNC = { mode: 'sync', copies: 2, scope: 'world', whenDegraded: 'wait' } as const;
export const GO_ON = { ...SYNC, whenDegraded: 'continue' } as const;
export const NODES = ['a', 'b', 'c'] as const;
export type Node = (typeof NODES)[number];

interface Stand {
  readonly disk: CrashDisk;
  readonly shelf: ImageShelf;
  readonly calls: Handlers<typeof blockdContract>;
}

interface Pipe {
  readonly from: string;
  readonly to: string;
  readonly waiting: Uint8Array[];
  readonly deliver: (bytes: Uint8Array) => void;
  close(): void;
}

const context = (node: Node): CallContext<never> => ({
  peer: { node, role: 'controller' },
  progress: () => undefined,
  signal: new AbortController().signal,
});

/** The stores of nodes a, b and c; each is its own cloud. */
export class CopyStores {
  readonly clock = new ManualClock();
  readonly #stands = new Map<Node, Stand>();
  /** Who cannot be dialled (nobody can by himself), and whose streams are silent. */
  readonly away = new Set<string>();
  /** What a node says to another waits: "b a". */
  readonly held = new Set<string>();
  #pipes: Pipe[] = [];
  /** Changes what a node says on a stream of copies, and on one of blocks. */
  tamper: (bytes: Uint8Array, from: string) => Uint8Array = (bytes) => bytes;
  tamperBlocks: (bytes: Uint8Array, from: string) => Uint8Array = (bytes) => bytes;
  /** After each piece that a store has heard. */
  heard: () => void = () => undefined;

  static async make(nodes: readonly Node[] = NODES): Promise<CopyStores> {
    const stores = new CopyStores();
    for (const node of nodes) await stores.start(node, new CrashDisk());
    for (const node of nodes) {
      const members = nodes.map((name) => ({ node: name, address: '127.0.0.1', cloud: `cloud-${name}` }));
      await stores.calls(node)['members.set']({ members }, context(node));
    }
    return stores;
  }

  /** Starts a node's store on a disk, over whatever it was before; with a cap on what it only caches if that is said. */
  async start(node: Node, disk: CrashDisk, cache?: CacheLimits): Promise<void> {
    const limits = cache === undefined ? {} : { cache };
    const shelf = await shelfOn(disk, node, { dial: this.#dialOf(node), clock: this.clock, ...limits });
    this.#stands.set(node, { disk, shelf, calls: blockCalls(shelf) });
    this.away.delete(node);
  }

  /** The node's power fails; its streams end. */
  kill(node: Node): CrashDisk {
    const { disk } = this.#at(node);
    this.away.add(node);
    disk.cutAfter(0);
    for (const pipe of [...this.#pipes]) if (pipe.from === node || pipe.to === node) pipe.close();
    return disk;
  }

  /** All streams end. */
  cutStreams(): void {
    for (const pipe of [...this.#pipes]) pipe.close();
  }

  hold(from: Node, to: Node): void {
    this.held.add(`${from} ${to}`);
  }

  async release(from: Node, to: Node): Promise<void> {
    this.held.delete(`${from} ${to}`);
    for (const pipe of this.#pipes.filter((one) => one.from === from && one.to === to)) {
      for (const bytes of pipe.waiting.splice(0)) pipe.deliver(bytes);
    }
    await this.calm();
  }

  /** Everything that needs no time has happened. */
  async calm(): Promise<void> {
    for (let turn = 0; turn < 10; turn++) await this.clock.advance(0);
  }

  shelf(node: Node): ImageShelf {
    return this.#at(node).shelf;
  }

  disk(node: Node): CrashDisk {
    return this.#at(node).disk;
  }

  calls(node: Node): Stand['calls'] {
    return this.#at(node).calls;
  }

  image(node: Node): Image {
    return this.shelf(node).get('web').image;
  }

  /** The image, made and written at a; under the policy, and with its copies there if they can be. */
  async openAtA(policy: PropagationPolicy): Promise<Image> {
    await this.calls('a')['image.create']({ image: 'web', layer: LAYER, bytes: BYTES }, context('a'));
    const last = this.image('a').closing();
    await this.open('a', ALONE, 1, last, policy);
    await this.clock.advance(1_000);
    return this.image('a');
  }

  async open(node: Node, stack: Stack, epoch: number, last: Closing, policy?: PropagationPolicy): Promise<void> {
    const from = { node: 'a', address: '127.0.0.1' };
    const propagation = policy === undefined ? {} : { propagation: { ...DEFAULT_SETTINGS, policy } };
    const opening = { image: 'web', bytes: BYTES, stack, epoch, last, from, ...propagation };
    const opened = Promise.resolve(this.calls(node)['image.open'](opening, context(node)));
    await this.clock.advance(1_000);
    await opened;
  }

  async setPolicy(policy: PropagationPolicy): Promise<void> {
    await this.calls('a')['propagation.set']({ image: 'web', settings: { ...DEFAULT_SETTINGS, policy } }, context('a'));
    await this.calm();
  }

  #at(node: Node): Stand {
    const stand = this.#stands.get(node);
    if (stand === undefined) throw new Error(`no store ${node}`);
    return stand;
  }

  #dialOf(source: Node): Dial {
    return async (node, layer, events, purpose = 'blocks') => {
      await Promise.resolve();
      const stand = this.#stands.get(node as Node);
      if (stand === undefined || node === source || this.away.has(node) || this.away.has(source))
        throw new Error('unreachable');
      let far: StreamEvents | undefined;
      const isCopy = purpose === 'copies';
      const close = (): void => {
        if (!this.#pipes.includes(there)) return;
        this.#pipes = this.#pipes.filter((pipe) => pipe !== there && pipe !== back);
        far?.closed();
        events.closed();
      };
      const there = this.#pipe(source, node, isCopy, (bytes) => far?.received(bytes), close);
      const back = this.#pipe(node, source, isCopy, (bytes) => events.received(bytes), close);
      far = isCopy
        ? stand.shelf.kept.accept(this.#end(back), source)
        : this.#served(stand, layer, source, this.#end(back));
      return this.#end(there);
    };
  }

  #served({ shelf }: Stand, layer: string, peer: string, stream: PeerStream): StreamEvents {
    const served = shelf.layers.served(layer);
    if (served === undefined) throw new Error('refused');
    return new PeerSession({ ...served, peer, clock: this.clock, stream });
  }

  #pipe(from: string, to: string, isCopy: boolean, deliver: Pipe['deliver'], close: () => void): Pipe {
    const tampered = (bytes: Uint8Array): void => {
      deliver(isCopy ? this.tamper(bytes, from) : this.tamperBlocks(bytes, from));
      this.heard();
    };
    const pipe = { from, to, waiting: [], deliver: tampered, close };
    this.#pipes.push(pipe);
    return pipe;
  }

  #end(pipe: Pipe): PeerStream {
    return {
      write: (bytes) => {
        if (!this.#pipes.includes(pipe)) return true;
        if (this.held.has(`${pipe.from} ${pipe.to}`)) pipe.waiting.push(Uint8Array.from(bytes));
        else pipe.deliver(Uint8Array.from(bytes));
        return true;
      },
      close: () => pipe.close(),
    };
  }
}

/**
 * What the disk of a store has of the image, the newest of its layers first, after its power failed: the first byte of each
 * block, -1 where it is not to be had.
 */
export async function contentAfter(disk: CrashDisk, loss: Loss, ...layers: string[]): Promise<number[]> {
  const content = Array.from({ length: BLOCKS }, () => 0);
  const after = disk.afterCut(loss);
  for (const layer of layers.length === 0 ? [LAYER] : layers.toReversed()) {
    const store = await openLayer(after, '/state/layers', layer);
    for (let block = 0; store !== undefined && block < BLOCKS; block++) {
      const has = store.table.contentOf(block);
      const into = Buffer.alloc(BLOCK_BYTES);
      if (has === HERE) content[block] = 0;
      else if (has === DATA) content[block] = -1;
      else if (has !== 0) content[block] = store.file.read(into, block * BLOCK_BYTES) ? (into[0] ?? -1) : -1;
    }
  }
  return content;
}

/** A block full of one byte. */
export function blockOf(fill: number): Buffer {
  return Buffer.alloc(BLOCK_BYTES, fill);
}

/** The power failed, and nothing that was not synced is there. */
export const LOST = { kind: 'lose-all' } as const;

/** A block of the image at a is written, and waits for nothing. */
export async function written(stores: CopyStores, block: number, fill: number): Promise<void> {
  await stores.image('a').write(block * BLOCK_BYTES, blockOf(fill), false);
}

/** A flush of the image at a, which waits as its policy says. */
export function flushed(stores: CopyStores): Promise<void> {
  return Promise.resolve(stores.image('a').flush());
}
