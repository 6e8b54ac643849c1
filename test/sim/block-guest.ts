// The guest of a simulated image: reads, writes, zeroes and flushes at random, several at once, never two over the same
// range; checks each byte that it reads. Like a virtual machine it asks again at a daemon that was restarted, waits out a
// full disk, and dies with its node.
import type { NbdDevice } from '../../blockd/nbd/nbd-device.ts';
import { codeOf, messageOf } from '../../common/errors.ts';
import { isOfFailedDisk } from './block-calls.ts';
import { type Covered, DiskHistory } from './block-history.ts';
import type { BlockNode } from './block-node.ts';
import { drawRequest, isChange, meets, REQUEST_BYTES_MAX, type Request } from './block-requests.ts';
import type { World } from './world.ts';

const REQUESTS_MAX = 4;
const PAUSE_MS_MAX = 25;
const RETRY_MS = 60;

/** One guest with one disk. */
export class BlockGuest {
  readonly history: DiskHistory;
  /** Requests that were answered. */
  answered = 0;
  /** What the answer to a flush, or to each change, means of copies at this moment. */
  copiesMeantAt: () => 'nothing' | 'flush' | 'write' = () => 'nothing';
  /** Hears of each answer that meant copies. */
  copied: () => void = () => undefined;
  readonly #world: World;
  readonly #image: string;
  readonly #open = new Set<Request>();
  /** In which life of its node's daemon each was asked last: one that is on its way there is not asked beside itself. */
  readonly #askedIn = new Map<Request, number>();
  #node: BlockNode | undefined;
  #isPaused = true;
  #hasLostPower = false;
  /** Counts departures: answers from the node before are nobody's. */
  #life = 0;
  /** Counts resumptions: only the newest goes on asking. */
  #beat = 0;
  #quiet = Promise.withResolvers<void>();
  /** What was read last: it is judged in the step in which it is read. */
  readonly #room = new Uint8Array(REQUEST_BYTES_MAX);

  constructor(world: World, image: string, bytes: number) {
    this.#world = world;
    this.#image = image;
    this.history = new DiskHistory(bytes);
  }

  get node(): BlockNode | undefined {
    return this.#node;
  }

  /** Its node lost its power, and what was not flushed may be lost with it. */
  get hasLostPower(): boolean {
    return this.#hasLostPower;
  }

  /** Stands still at a node whose export is there; what it had asked for elsewhere was answered before. */
  comeTo(node: BlockNode): void {
    this.leave();
    this.#node = node;
    this.#attach(node);
  }

  /** Goes on with its memory at another node: what became of the one that it left is nothing to it. */
  arrive(node: BlockNode): void {
    this.#hasLostPower = false;
    this.comeTo(node);
    this.resume();
  }

  /** Asks for nothing new, and settles when all was answered (or never, if it dies before). */
  pause(): Promise<void> {
    this.#isPaused = true;
    this.#quiet = Promise.withResolvers();
    if (this.#open.size === 0) this.#quiet.resolve();
    return this.#quiet.promise;
  }

  /** Goes on where it was paused. */
  resume(): void {
    if (this.#node === undefined || !this.#isPaused) return;
    this.#isPaused = false;
    this.#tick(++this.#beat);
  }

  /** Dies with its node's power. */
  losePower(): void {
    this.leave();
    this.#hasLostPower = true;
  }

  /** Starts after that: the disk is from now on what it reads as. Nothing comes of it if the power fails again meanwhile. */
  async start(): Promise<void> {
    const read = await this.#readIn(this.#life);
    if (read === undefined) return;
    const at = this.history.restarted(read);
    if (at >= 0) this.#world.violate(`after a power cut the disk at ${at} is nothing that it may be (S1)`);
    this.#hasLostPower = false;
    this.resume();
  }

  /** It is gone from its node: moved away or stopped. */
  leave(): void {
    this.#node?.attached.delete(this.#image);
    this.#node = undefined;
    this.#isPaused = true;
    this.#life++;
    this.#open.clear();
    this.#askedIn.clear();
  }

  /** The daemon below was killed and is up again: what was open is asked again, as by a client that reconnects. */
  reconnect(): void {
    const node = this.#node;
    if (node === undefined) return;
    this.#attach(node);
    for (const request of this.#open) this.#ask(request, this.#life);
  }

  /** Reads the whole disk where it runs now, as after a start: no other request is open. */
  async readAll(): Promise<Uint8Array> {
    const read = await this.#readIn(this.#life);
    if (read === undefined) throw new Error('the guest is gone');
    return read;
  }

  /** Undefined when that life is over before everything was read. */
  async #readIn(life: number): Promise<Uint8Array | undefined> {
    const { bytes } = this.history;
    for (;;) {
      if (life !== this.#life) return undefined;
      const device = this.#device();
      const into = new Uint8Array(bytes);
      if (device === undefined || this.#node?.isFailing === true) await this.#after(RETRY_MS);
      else if (device.tryRead(0, into, true)) return into;
      else await this.#readable(device, bytes);
    }
  }

  #readable(device: NbdDevice, bytes: number): Promise<void> {
    return Promise.race([device.makeReadable(0, bytes).catch(() => this.#after(RETRY_MS)), this.#after(1_000)]);
  }

  #after(ms: number): Promise<void> {
    return new Promise((resolve) => this.#world.clock.after(ms, resolve));
  }

  #attach(node: BlockNode): void {
    node.attached.add(this.#image);
  }

  #device(): NbdDevice | undefined {
    const node = this.#node;
    return node === undefined || node.process.state !== 'up' ? undefined : node.exports.get(this.#image);
  }

  #tick(beat: number): void {
    if (beat !== this.#beat || this.#isPaused) return;
    if (this.#open.size < REQUESTS_MAX) this.#begin(this.#life);
    this.#world.clock.after(this.#world.prng.between(0, PAUSE_MS_MAX), () => this.#tick(beat));
  }

  #begin(life: number): void {
    const request = drawRequest(this.#world.prng, this.history.bytes);
    if (request === undefined || meets(request, this.#open)) return;
    this.#open.add(request);
    if (isChange(request.kind)) this.history.asked(request.offset, request.data);
    this.#ask(request, life);
  }

  #ask(request: Request, life: number): void {
    const node = this.#node;
    const device = this.#device();
    if (node === undefined || life !== this.#life) return;
    const again = (): void => {
      if (life === this.#life && this.#open.has(request)) this.#ask(request, life);
    };
    if (device === undefined) {
      // Frozen or starting: the client's connection waits.
      this.#world.clock.after(RETRY_MS, again);
      return;
    }
    const daemonLife = node.process.life;
    if (this.#askedIn.get(request) === daemonLife) return;
    this.#askedIn.set(request, daemonLife);
    const isCurrent = (): boolean => life === this.#life && daemonLife === node.process.life;
    this.#send(device, request, isCurrent).then(
      () => {
        if (isCurrent()) this.#finish(request);
      },
      (error: unknown) => {
        if (!isCurrent()) return;
        this.#askedIn.delete(request);
        if (codeOf(error) !== 'ENOSPC' && !isOfFailedDisk(node, error))
          this.#world.violate(`a request failed: ${messageOf(error)}`);
        this.#world.clock.after(RETRY_MS, again);
      },
    );
  }

  async #send(device: NbdDevice, request: Request, isCurrent: () => boolean): Promise<void> {
    const { kind, offset, length, data } = request;
    switch (kind) {
      case 'read': {
        const into = this.#room.subarray(0, length).fill(0);
        while (!device.tryRead(offset, into, false)) await device.makeReadable(offset, length);
        const at = isCurrent() ? this.history.differsAt(offset, into) : -1;
        if (at >= 0) this.#world.violate(`a read at ${at} is not what was written`);
        return;
      }
      case 'write':
        return device.write(offset, data, false);
      case 'fua':
        return device.write(offset, data, true);
      case 'zero':
        return device.zero(offset, length, false, false);
      case 'trim':
        return device.trim(offset, length, false);
      case 'flush': {
        const covered = this.history.cover();
        await device.flush();
        if (isCurrent()) this.#flushed(covered);
      }
    }
  }

  #flushed(covered: Covered): void {
    this.history.flushed(covered);
    if (this.copiesMeantAt() === 'nothing') return;
    this.history.flushedOnCopies(covered);
    this.copied();
  }

  #changed(offset: number, length: number, fua: boolean): void {
    this.history.answered(offset, length, fua);
    const meantAt = this.copiesMeantAt();
    if (meantAt === 'nothing' || (meantAt === 'flush' && !fua)) return;
    this.history.changedOnCopies(offset, length);
    this.copied();
  }

  #finish(request: Request): void {
    this.#open.delete(request);
    this.#askedIn.delete(request);
    this.answered++;
    const { kind, offset, length } = request;
    if (isChange(kind)) this.#changed(offset, length, kind === 'fua');
    if (this.#isPaused && this.#open.size === 0) this.#quiet.resolve();
  }
}
