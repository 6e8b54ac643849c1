// The guest of a disk that moves: its load on whichever daemon has the disk, what it was answered, and whether what it reads is
// that. When its daemon dies it waits for the next one and looks at everything. Not a test itself.
import { messageOf } from '../../common/errors.ts';
import type { Prng } from '../sim/prng.ts';
import { ToldHistory } from './disk-events.ts';
import { ConnectionLost, NbdConnection, NbdFault } from './nbd-connection.ts';
import { RandomLoad } from './random-load.ts';

const REQUESTS = 60;
const STRAY_BYTES = 4096;
const RETRY_MS = 50;
const TRIES_MAX = 1_200;

export interface GuestParts {
  readonly prng: Prng;
  readonly image: string;
  readonly bytes: number;
  readonly violated: (what: string) => void;
}

export class MovingGuest {
  readonly #parts: GuestParts;
  readonly #history: ToldHistory;
  readonly #load: RandomLoad;
  #socket = '';
  #disk: NbdConnection | undefined;
  /** Its daemon died, or nothing is known of the disk: what it is has to be read before it is used. */
  #mustLook = true;
  #keeps: 'answered' | 'flushed' = 'answered';
  #losses = 0;
  #strays = 0;
  #flushes = 0;
  #isOver = false;

  constructor(parts: GuestParts) {
    this.#parts = parts;
    this.#history = new ToldHistory(parts.bytes);
    this.#load = new RandomLoad({
      prng: parts.prng,
      bytes: parts.bytes,
      tell: (event) => this.#history.tell(event),
      judge: (offset, read) => this.#judge(offset, read),
    });
  }

  get answered(): number {
    return this.#load.answered;
  }

  /** Goes on at another daemon, which has everything that was answered. */
  comeTo(socket: string): void {
    this.#disk = undefined;
    this.#socket = socket;
  }

  /** It asks for nothing more, and waits for nobody. */
  end(): void {
    this.#isOver = true;
    this.#disk?.close();
  }

  /** Its node has no power: it is gone, and with it what was not flushed. */
  losePower(): void {
    this.#keeps = 'flushed';
    this.#mustLook = true;
    this.#losses++;
  }

  /** Its load, up to its end or its daemon's. */
  async use(): Promise<void> {
    const disk = await this.#connected();
    this.#judgeEnd(await this.#load.run(disk, REQUESTS));
  }

  /** Stands still, with everything flushed. */
  async rest(): Promise<void> {
    for (let tries = 0; ; tries++) {
      const disk = await this.#connected();
      // The load counts its own from 1 up.
      const flush = -++this.#flushes;
      this.#history.tell({ kind: 'flush asked', flush });
      try {
        await disk.flush();
        this.#history.tell({ kind: 'flush answered', flush });
        return;
      } catch (error) {
        this.#judgeEnd(error);
        if (tries === TRIES_MAX || this.#isOver) throw error;
      }
    }
  }

  /** Writes though it should not; settles when that is answered, or never will be. A connection that it left ends then. */
  async stray(): Promise<void> {
    const disk = this.#disk;
    if (disk === undefined) return;
    const data = Buffer.alloc(STRAY_BYTES, 0x80 + (++this.#strays % 0x80));
    data.writeUInt32BE(this.#strays, 0);
    const offset = this.#parts.prng.integer(this.#parts.bytes / STRAY_BYTES) * STRAY_BYTES;
    this.#history.tell({ kind: 'asked', offset, data });
    try {
      await disk.write(offset, data, false);
      this.#history.tell({ kind: 'answered', offset, length: data.length, fua: false });
    } catch {
      // Refused or lost: it is there or not, and who reads it first decides.
      this.#mustLook = true;
    }
    if (this.#disk !== disk) disk.close();
  }

  /** Reads everything. */
  async look(): Promise<void> {
    this.#mustLook = true;
    await this.#connected();
  }

  #judge(offset: number, read: Uint8Array): void {
    const at = this.#history.disk.differsAt(offset, read);
    if (at >= 0) this.#parts.violated(`a read at ${at} is not what was written`);
  }

  #judgeEnd(end: unknown): void {
    if (end === undefined || this.#isOver) return;
    if (!(end instanceof ConnectionLost)) this.#parts.violated(`a request failed: ${messageOf(end)}`);
    this.#mustLook = true;
    this.#disk = undefined;
  }

  /** A connection to the daemon that has the disk, which was looked at. */
  async #connected(): Promise<NbdConnection> {
    for (let tries = 0; ; tries++) {
      try {
        if (this.#disk?.isLost === true) this.#judgeEnd(new ConnectionLost('it was lost meanwhile'));
        this.#disk ??= await NbdConnection.open(this.#socket, this.#parts.image);
        if (this.#mustLook) await this.#lookAt(this.#disk);
        return this.#disk;
      } catch (error) {
        this.#disk?.close();
        this.#disk = undefined;
        if (tries === TRIES_MAX || this.#isOver || error instanceof NbdFault) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #lookAt(disk: NbdConnection): Promise<void> {
    const losses = this.#losses;
    const read = await disk.readAll(this.#parts.bytes);
    // What a daemon said whose power has gone since is not what is there when it is back.
    if (losses !== this.#losses) throw new ConnectionLost('the power went');
    const at = this.#history.disk.restarted(read, this.#keeps);
    if (at >= 0) this.#parts.violated(`the disk at ${at} is nothing that it may be (S1)`);
    this.#mustLook = false;
    this.#keeps = 'answered';
  }
}
