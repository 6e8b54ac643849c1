// Three nodes' stores and the streams between them, on one clock that only the test moves. Not a test itself.
import type { ImageShelf } from '../../../blockd/image/image-shelf.ts';
import { PeerSession } from '../../../blockd/peer/peer-session.ts';
import type { Dial, PeerStream, StreamEvents } from '../../../blockd/peer/peer-stream.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import type { CacheLimits } from '../../../blockd/upkeep/cache-cap.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';
import type { Stack } from '../../../wire/contracts/layers.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { layerName } from './layered-image.ts';
import { ManualClock } from './manual-clock.ts';
import { memoryStream } from './memory-stream.ts';
import { shelfOn } from './quiet-shelf.ts';

export const BYTES = 16 * BLOCK_BYTES;
const NODES = ['a', 'b', 'c'] as const;
export type Node = (typeof NODES)[number];
const CUT = { id: '00000000000000c1', images: [{ image: 'web', layer: layerName(2) }] };
const { signal } = new AbortController();

/** Three stores and the streams between them. */
export class Stores {
  readonly clock = new ManualClock();
  readonly #shelves = new Map<string, ImageShelf>();
  readonly #disks = new Map<string, CrashDisk>();
  /** Who cannot be reached. */
  readonly away = new Set<string>();
  readonly #ends = new Set<() => void>();
  /** Streams by what they are for: "b l00..1". */
  readonly dialled: string[] = [];

  readonly #cache: CacheLimits | undefined;

  private constructor(cache?: CacheLimits) {
    this.#cache = cache;
  }

  /** `cache`: what bounds each store's cache; without it nothing goes. */
  static async make(cache?: CacheLimits): Promise<Stores> {
    const stores = new Stores(cache);
    for (const node of NODES) {
      await stores.start(node, new CrashDisk());
    }
    return stores;
  }

  /** Starts a node's store on a disk, over whatever it was before. */
  async start(node: Node, disk: CrashDisk): Promise<void> {
    const shelf = await shelfOn(disk, node, {
      ...{ dial: this.#dialFrom(node), clock: this.clock },
      ...(this.#cache === undefined ? {} : { cache: this.#cache }),
    });
    await shelf.members.set(NODES.map((name) => ({ node: name, address: '127.0.0.1', cloud: `cloud-${name}` })));
    this.#shelves.set(node, shelf);
    this.#disks.set(node, disk);
  }

  disk(node: Node): CrashDisk {
    const disk = this.#disks.get(node);
    if (disk === undefined) throw new Error(`no disk of ${node}`);
    return disk;
  }

  at(node: Node): ImageShelf {
    const shelf = this.#shelves.get(node);
    if (shelf === undefined) throw new Error(`no store ${node}`);
    return shelf;
  }

  #dialFrom(from: Node): Dial {
    return (node, layer, events) => this.#dial(from, node, layer, events);
  }

  async #dial(from: Node, node: string, layer: string, events: StreamEvents): Promise<PeerStream> {
    this.dialled.push(`${node} ${layer}`);
    await Promise.resolve();
    const shelf = this.#shelves.get(node);
    if (shelf === undefined || this.away.has(node)) throw new Error('unreachable');
    const served = shelf.layers.served(layer);
    if (served === undefined) throw new Error('refused');
    const around = { ...served, peer: from, clock: this.clock };
    const stream = memoryStream(events, (called) => new PeerSession({ ...around, stream: called }));
    this.#ends.add(() => stream.close());
    return stream;
  }

  /** Ends all streams that are open. */
  breakStreams(): void {
    for (const end of this.#ends) end();
    this.#ends.clear();
  }

  /** Opens an image at a node; time passes meanwhile. */
  async open(
    node: Node,
    known: { image?: string; stack: Stack; epoch: number; last: Closing; from: Node },
  ): Promise<void> {
    const { image = 'web', stack, epoch, last } = known;
    const from = { node: known.from, address: '127.0.0.1' };
    const host = await this.at(node).ensure({ image, bytes: BYTES, stack, epoch });
    const opening = host.open({ epoch, last, from }, signal);
    await this.clock.advance(10_000);
    await opening;
  }

  async write(node: Node, block: number, fill: number): Promise<void> {
    await this.at(node)
      .get('web')
      .image.write(block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, fill), true);
  }

  async read(node: Node, block: number, image = 'web'): Promise<number> {
    return (
      (
        await this.at(node)
          .get(image)
          .image.readLater(block * BLOCK_BYTES, 1)
      )[0] ?? -1
    );
  }
}

/** The image's layers before it was cut. */
export const ALONE: Stack = { layer: layerName(1), generation: 1, below: [] };

/** The image made and open at node a. */
export async function openAtA(cache?: CacheLimits): Promise<Stores> {
  const stores = await Stores.make(cache);
  await stores.at('a').create('web', ALONE.layer, BYTES);
  const last = stores.at('a').get('web').image.closing();
  await stores.open('a', { stack: ALONE, epoch: 1, last, from: 'a' });
  return stores;
}

/** Cuts the image where it is open, and answers its stack. */
export async function cutAt(stores: Stores, node: Node): Promise<Stack> {
  const [made] = await stores.at(node).cuts.cut(CUT);
  if (made === undefined) throw new Error('nothing was cut');
  return { layer: layerName(2), generation: 2, below: [made.sealed] };
}
