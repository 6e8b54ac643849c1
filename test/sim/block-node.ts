// A simulated node with a real store: its shelf of images on a disk that can lose power, its calls, its streams to the
// other stores, and the exports that a guest may use.
import { isDeepStrictEqual } from 'node:util';
import { Converter } from '../../blockd/convert/converter.ts';
import { blockCalls } from '../../blockd/image/block-calls.ts';
import { ImageShelf } from '../../blockd/image/image-shelf.ts';
import type { ImageExport, Serve } from '../../blockd/image/served-image.ts';
import type { NbdDevice } from '../../blockd/nbd/nbd-device.ts';
import { PeerSession } from '../../blockd/peer/peer-session.ts';
import type { PeerStream, StreamEvents, StreamPurpose } from '../../blockd/peer/peer-stream.ts';
import { extentOf } from '../../blockd/store/active-extents.ts';
import type { ImageStore } from '../../blockd/store/image-store.ts';
import { layerPaths } from '../../blockd/store/layer-files.ts';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import type { Clock } from '../../common/clock.ts';
import { createLog } from '../../common/log.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import type { blockdContract } from '../../wire/contracts/blockd.ts';
import { CrashDisk } from '../crash/crash-disk.ts';
import type { Loss } from '../crash/inode.ts';
import { type DiskManner, TimedDisk } from './block-disk.ts';
import type { SimStreams } from './block-streams.ts';
import { SimProcess } from './process.ts';
import type { World } from './world.ts';

const log = createLog('sim', 'silent');
/** A daemon is up again so long after it died, unless its node has no power. */
const RESTART_MS = 100;
const LAYERS = '/state/layers';

interface Around {
  readonly world: World;
  readonly streams: SimStreams;
  readonly others: () => readonly BlockNode[];
  readonly checkpointBytes: number | undefined;
}

/** An export that nobody can write. */
export interface ShownDevice {
  readonly device: NbdDevice;
  readonly bytes: number;
}

/** One node's block daemon. */
export class BlockNode {
  readonly name: string;
  readonly process: SimProcess;
  readonly manner: DiskManner = { slowness: 1 };
  /** Its disk has failed once. */
  hasFailed = false;
  /** What has rotted here, whether or not it was made good. */
  readonly rotted = new Set<string>();
  /** By how much its clock is wrong. */
  clockErrorMs = 0;
  /** What a guest may use, by image. */
  readonly exports = new Map<string, NbdDevice>();
  /** What readers may use, by image. */
  readonly shown = new Map<string, ShownDevice>();
  /** Guests at exports, by image. */
  readonly attached = new Set<string>();
  readonly #world: World;
  readonly #around: Around;
  #disk = new CrashDisk();
  #looked:
    | { readonly disk: CrashDisk; readonly steps: number; readonly loss: Loss; readonly after: CrashDisk }
    | undefined;
  #shelf: ImageShelf | undefined;
  #isServing = false;
  #started: Promise<void> = new Promise(() => undefined);

  constructor(name: string, around: Around) {
    const { world } = around;
    this.name = name;
    this.#world = world;
    this.#around = around;
    this.process = new SimProcess(`blockd ${name}`, name, world.clock, () => this.#boot());
    this.process.start();
  }

  /** Settles when the daemon has found its images again. */
  get started(): Promise<void> {
    return this.#started;
  }

  get shelf(): ImageShelf {
    if (this.#shelf === undefined) throw new Error(`node ${this.name} was never started`);
    return this.#shelf;
  }

  get calls(): Handlers<typeof blockdContract> {
    return blockCalls(this.shelf);
  }

  set isFull(isFull: boolean) {
    this.#disk.isFull = isFull;
  }

  /** Whether its disk had no room for the recovery of some layer and has it now: the daemon is to be restarted then. */
  get wantsRestart(): boolean {
    if (this.#disk.isFull || !this.#isServing || this.process.state !== 'up') return false;
    try {
      this.shelf.layers.refuseAnyUnusable();
      return false;
    } catch {
      return true;
    }
  }

  /** The daemon is killed, and started again by its node. */
  kill(): void {
    if (this.process.isDown) return;
    this.#die(true);
    this.#world.clock.after(RESTART_MS, () => this.process.start());
  }

  /** The node loses its power: what was not synced may be gone. `powerOn` starts it again. */
  cutPower(): void {
    this.#die(false);
    const losses = this.#disk.losses();
    const loss = losses[this.#world.prng.integer(losses.length)] ?? { kind: 'lose-all' };
    this.#disk = this.#disk.afterCut(loss);
  }

  /** What its disk would have if its power failed now: the same one again while its disk has not changed. */
  diskAfter(pick: (losses: readonly Loss[]) => Loss): CrashDisk {
    const disk = this.#disk;
    const { steps } = disk;
    const loss = pick(disk.losses());
    const last = this.#looked;
    if (last?.disk === disk && last.steps === steps && isDeepStrictEqual(last.loss, loss)) return last.after;
    const after = disk.afterCut(loss);
    this.#looked = { disk, steps, loss, after };
    return after;
  }

  /** Its disk takes no sync any more until the node is started anew. */
  failSyncs(): void {
    this.hasFailed = true;
    this.#disk.failsSync = () => true;
  }

  get isFailing(): boolean {
    return this.#disk.failsSync('');
  }

  /** A byte of a layer's data turns into another one. `content`: what lies there, by its layer, block and version. */
  rot(layer: string, offset: number, content: string): void {
    this.rotted.add(content);
    this.#disk.rot(layerPaths(LAYERS, layer).data, offset);
  }

  powerOn(): void {
    this.process.start();
  }

  #die(hasPower: boolean): void {
    this.#makeGood();
    this.process.crash();
    this.exports.clear();
    this.shown.clear();
    this.attached.clear();
    this.#around.streams.died(this.process, hasPower);
  }

  /** What rotted before its extent was written, and was not found, would be taken for torn (docs/DISK.md): it is not tried. */
  #makeGood(): void {
    for (const { store } of this.shelf.layers.all) {
      const { data } = layerPaths(LAYERS, store.layer);
      for (let block = 0; block < store.blocks; block++)
        if (mayBeTorn(store, block)) this.#disk.unrot(data, block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
    }
  }

  #boot(): void {
    this.#world.point(`${this.name} starts`);
    const disk = new TimedDisk(this.#disk, this.process, this.#world.prng, this.manner);
    const { life } = this.process;
    const serve: Serve = (device, name, bytes, isReadOnly = false) => {
      // What a daemon that died had still to do opens no socket of the next one's.
      if (this.process.life !== life || this.process.isDown) return new Promise(() => undefined);
      return isReadOnly ? this.#show(device, name, bytes) : this.#serve(device, name);
    };
    this.#shelf = new ImageShelf({
      disk,
      clock: this.#clock(),
      log,
      node: this.name,
      state: '/state',
      dial: (node, image, events, purpose) => this.#dial(node, image, events, purpose),
      serve,
      converter: new Converter({ disk, serve }),

      checkpointBytes: this.#around.checkpointBytes,
      // Everything that is only cached goes, as soon as another node keeps it.
      cache: { capBytes: 0, lookMs: 300, room: async () => ({ freeBytes: 1, totalBytes: 1 }) },
    });
    this.#isServing = false;
    this.#started = this.#shelf.start().then(() => {
      this.#isServing = true;
    });
  }

  async #serve(device: NbdDevice, name: string): Promise<ImageExport> {
    const { attached, exports } = this;
    exports.set(name, device);
    return {
      path: `/${name}.sock`,
      get connections() {
        return attached.has(name) ? 1 : 0;
      },
      close: async () => {
        if (exports.get(name) === device) exports.delete(name);
      },
    };
  }

  async #show(device: NbdDevice, name: string, bytes: number): Promise<ImageExport> {
    const { shown } = this;
    shown.set(name, { device, bytes });
    return {
      path: `/${name}.sock`,
      connections: 1,
      close: async () => {
        if (shown.get(name)?.device === device) shown.delete(name);
      },
    };
  }

  #dial(node: string, layer: string, events: StreamEvents, purpose: StreamPurpose = 'blocks'): Promise<PeerStream> {
    const other = this.#around.others().find(({ name }) => name === node);
    if (other === undefined) return Promise.reject(new Error(`there is no node ${node}`));
    const accept = (stream: PeerStream): StreamEvents | undefined =>
      purpose === 'copies' ? other.#keep(this.name, stream) : other.#accept(this.name, layer, stream);
    return this.#around.streams.dial(this.process, other.process, events, accept);
  }

  #keep(source: string, stream: PeerStream): StreamEvents | undefined {
    return this.#isServing ? this.shelf.kept.accept(stream, source) : undefined;
  }

  /** As a daemon that listens only once it has found its images again. */
  #accept(peer: string, layer: string, stream: PeerStream): StreamEvents | undefined {
    const served = this.#isServing ? this.shelf.layers.served(layer) : undefined;
    if (served === undefined) return undefined;
    const session = new PeerSession({ ...served, peer, clock: this.#clock(), stream });
    return {
      received: (chunk) => session.received(chunk),
      drained: () => session.drained(),
      closed: () => session.closed(),
    };
  }

  /** Timers of this life. */
  #clock(): Clock {
    const { clock } = this.#world;
    return {
      nowMs: () => clock.nowMs,
      wallMs: () => clock.nowMs + this.clockErrorMs,
      setTimer: (delayMs, fire) => {
        let isCancelled = false;
        this.process.after(delayMs, () => {
          if (!isCancelled) fire();
        });
        return {
          cancel: () => {
            isCancelled = true;
          },
        };
      },
    };
  }
}

/** Whether a block that differs after an unclean stop is taken for one that was torn. */
export function mayBeTorn({ active, state }: ImageStore, block: number): boolean {
  return state.role !== 'sealed' && active.isActive(extentOf(block));
}
