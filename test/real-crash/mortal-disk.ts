// A disk in memory whose power can go at a step of its life. From then on it answers nothing, as a machine without power says
// nothing; once those who wait for it are killed they may be let go, and the disk comes back as the cut left it. Not a test
// itself.
import type { NbdDevice } from '../../blockd/nbd/nbd-device.ts';
import type { Prng } from '../sim/prng.ts';
import { afterCut, apply, type DiskStep } from './recorded-disk.ts';

/** `dead`: nothing is answered; `ending`: everything is, and nothing is kept. */
type Mode = 'alive' | 'dead' | 'ending';

export class MortalDisk implements NbdDevice {
  readonly bytes: number;
  readonly hasStatus = true;
  readonly #content: Buffer;
  readonly #durable: Buffer;
  #since: DiskStep[] = [];
  #mode: Mode = 'alive';
  #steps = 0;
  #restores = 0;
  #cutAt = Number.POSITIVE_INFINITY;
  #onCut: () => void = () => undefined;
  #letGo = Promise.withResolvers<void>();

  constructor(bytes: number) {
    this.bytes = bytes;
    this.#content = Buffer.alloc(bytes);
    this.#durable = Buffer.alloc(bytes);
  }

  /** Writes and flushes since it was made. */
  get steps(): number {
    return this.#steps;
  }

  /** How often its power came back. */
  get restores(): number {
    return this.#restores;
  }

  get hasPower(): boolean {
    return this.#mode === 'alive';
  }

  /** The power goes after so many further steps; `onCut` is told in that step. */
  cutAfter(steps: number, onCut: () => void): void {
    this.#cutAt = this.#steps + steps;
    this.#onCut = onCut;
  }

  /** It does not go after all. */
  keepPower(): void {
    this.#cutAt = Number.POSITIVE_INFINITY;
  }

  /** Whoever waits for it, and is killed, need wait no longer. */
  letGo(): void {
    this.#mode = 'ending';
    this.#letGo.resolve();
  }

  /** Power again; nobody uses it at this moment. */
  restore(prng: Prng): void {
    afterCut(this.#durable, this.#since, prng).copy(this.#content);
    this.#content.copy(this.#durable);
    this.#since = [];
    this.#letGo = Promise.withResolvers();
    this.#mode = 'alive';
    this.#restores++;
  }

  tryRead(offset: number, into: Uint8Array): boolean {
    return this.#mode !== 'dead' && this.readNow(offset, into);
  }

  tryBeginRead(): boolean {
    return this.#mode !== 'dead';
  }

  readNow(offset: number, into: Uint8Array): boolean {
    this.#content.copy(into, 0, offset, offset + into.length);
    return true;
  }

  makeReadable(): Promise<void> {
    return this.#letGo.promise;
  }

  write(offset: number, data: Uint8Array, fua: boolean): Promise<void> | undefined {
    return this.#step({ offset, data: Buffer.from(data), fua });
  }

  zero(offset: number, length: number, fua: boolean): Promise<void> | undefined {
    return this.#step({ offset, data: Buffer.alloc(length), fua });
  }

  trim(offset: number, length: number): Promise<void> | undefined {
    return this.#step({ offset, data: Buffer.alloc(length), fua: false });
  }

  cache(): undefined {
    // Everything is there.
  }

  flush(): Promise<void> | undefined {
    return this.#step('flush');
  }

  async untilStatus(): Promise<void> {
    // It is there.
  }

  statusOf(): number {
    return 0;
  }

  endOfStatus(_kind: string, _offset: number, end: number): number {
    return end;
  }

  #step(step: DiskStep): Promise<void> | undefined {
    if (this.#mode === 'ending') return undefined;
    if (this.#mode === 'dead') return this.#letGo.promise;
    this.#steps++;
    if (this.#steps > this.#cutAt) {
      this.#mode = 'dead';
      this.keepPower();
      if (step !== 'flush') this.#since.push({ ...step, fua: false });
      this.#onCut();
      return this.#letGo.promise;
    }
    if (step === 'flush') this.#settle();
    else this.#since.push(step);
    apply(this.#content, step);
    return undefined;
  }

  #settle(): void {
    for (const step of this.#since) apply(this.#durable, step);
    this.#since = [];
  }
}
