// Lives of a real block daemon, each ended at a system call that its seed draws, or troubled by one that fails; the next one
// must serve everything that was promised. Not a test itself.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { NBD_ERROR } from '../../blockd/nbd/nbd-protocol.ts';
import type { Planted } from '../planted/planted.ts';
import { Prng } from '../sim/prng.ts';
import { ToldHistory } from './disk-events.ts';
import { ConnectionLost, NbdConnection, NbdFault } from './nbd-connection.ts';
import { RandomLoad } from './random-load.ts';
import { STORING_CALLS, type StoringCall } from './system-calls.ts';
import { type Injection, socketOf, TracedBlockd } from './traced-blockd.ts';

const MIB = 2 ** 20;
/** Two extents of the activity log. */
const IMAGE_BYTES = 6 * MIB;
const REQUESTS = 100;
/** Then another image begins, so that its making is cut too. */
const LIVES_PER_IMAGE = 12;
/** A journal longer than this gets a checkpoint, so that its files and renames are among what is cut. */
const SHORT_JOURNAL: Planted = {
  room: 'blockd/store/checkpointer.ts',
  find: 'const JOURNAL_BYTES_MIN = 8 * 2 ** 20;',
  replace: 'const JOURNAL_BYTES_MIN = 4096;',
};
const EFFECTS = ['signal=SIGKILL', 'signal=SIGKILL', 'signal=SIGKILL', 'error=EIO', 'error=ENOSPC'] as const;
/** How many calls a full disk refuses. */
const FULL_CALLS_MAX = 8;
const FLUSHES_AFTER_FAILURE = 3;

export interface KillsParts {
  readonly seed: number;
  readonly lives: number;
  readonly plants?: readonly Planted[];
  readonly violated: (what: string) => void;
}

/** What the lives were. */
export interface KillsTold {
  killed: number;
  failed: number;
  answered: number;
  retries: number;
  /** How many lives were struck at each call. */
  readonly calls: Map<string, number>;
}

/** In one line. */
export function sayKills({ killed, failed, answered, retries, calls }: KillsTold): string {
  const where = Array.from(calls, ([call, count]) => `${call} ${count}`).join(', ');
  return `${killed} killed, ${failed} with failed calls (${where}); ${answered} requests answered, ${retries} again for want of room`;
}

/** How often each call is made in a life in which nothing happens. */
type Counts = ReadonlyMap<string, number>;

/** Runs the lives one after the other and says what they were. */
export async function runKills(parts: KillsParts): Promise<KillsTold> {
  let counts: Counts = new Map();
  const told: KillsTold = { killed: 0, failed: 0, answered: 0, retries: 0, calls: new Map() };
  const prng = new Prng(parts.seed);
  const root = await mkdtemp(join(tmpdir(), 'kills-'));
  try {
    for (let done = 0; done < parts.lives; done += LIVES_PER_IMAGE) {
      const directory = await mkdtemp(join(root, 'image-'));
      const image = new KilledImage(directory, parts, prng, told, counts);
      try {
        counts = await image.live(Math.min(LIVES_PER_IMAGE, parts.lives - done));
      } finally {
        await image.end();
        await rm(directory, { recursive: true, force: true });
      }
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
  return told;
}

/** One image and the daemons that served it one after the other. */
class KilledImage {
  readonly #directory: string;
  readonly #parts: KillsParts;
  readonly #prng: Prng;
  readonly #told: KillsTold;
  readonly #history = new ToldHistory(IMAGE_BYTES);
  readonly #load: RandomLoad;
  #life: TracedBlockd | undefined;
  #where = '';
  /** What the next start has to have: what was answered, or after a failure of the disk what was flushed. */
  #keeps: 'answered' | 'flushed' = 'answered';
  #counts: Counts;

  constructor(directory: string, parts: KillsParts, prng: Prng, told: KillsTold, counts: Counts) {
    this.#counts = counts;
    this.#directory = directory;
    this.#parts = parts;
    this.#prng = prng;
    this.#told = told;
    this.#load = new RandomLoad({
      prng,
      bytes: IMAGE_BYTES,
      tell: (event) => this.#history.tell(event),
      judge: (offset, read) => this.#judgeRead(offset, read),
    });
  }

  /** So many lives that are struck, then one that ends in order, in which the calls are counted for the next image. */
  async live(lives: number): Promise<Counts> {
    if (this.#counts.size === 0) await this.#one(undefined);
    for (let life = 1; life <= lives; life++) await this.#one(this.#draw());
    await this.#one(undefined);
    this.#told.answered += this.#load.answered;
    this.#told.retries += this.#load.retries;
    return this.#counts;
  }

  async end(): Promise<void> {
    await this.#life?.stop('SIGKILL');
  }

  #draw(): Injection {
    const effect = this.#prng.pick(EFFECTS);
    // `write` is also how threads wake one another, which cannot fail.
    const known = STORING_CALLS.map((call) => ({ call, count: this.#counts.get(call.replace('?', '')) ?? 0 }));
    const isKill = effect === 'signal=SIGKILL';
    const mayBe = known.filter(({ call, count }) => count > 0 && (isKill || call !== 'write'));
    const [first = { call: 'pwrite64' as StoringCall, count: 1 }, ...others] = mayBe;
    const { call, count } = this.#prng.pick([first, ...others]);
    const nth = 1 + this.#prng.integer(count);
    const last = effect === 'error=ENOSPC' ? nth + this.#prng.integer(FULL_CALLS_MAX) : nth;
    return { call, effect, when: last === nth ? `${nth}` : `${nth}..${last}` };
  }

  async #one(injection: Injection | undefined): Promise<void> {
    const { call, effect, when } = injection ?? {};
    this.#where = injection === undefined ? 'in peace' : `${effect} at ${call} ${when}`;
    const life = await TracedBlockd.start({
      data: join(this.#directory, 'data'),
      image: `web:${IMAGE_BYTES}`,
      trace: join(this.#directory, 'trace'),
      compiled: join(dirname(this.#directory), 'compiled'),
      injection,
      plants: [SHORT_JOURNAL, ...(this.#parts.plants ?? [])],
    });
    this.#life = life;
    const end = life.isRunning ? await this.#use() : undefined;
    if (end instanceof ConnectionLost) await life.ended();
    const wasStruck = !life.isRunning;
    await life.stop(injection === undefined ? 'SIGTERM' : 'SIGKILL');
    await this.#judgeEnd(life, injection, wasStruck, end);
  }

  /** Reads what there is, then puts its load on it; answers how that ended. */
  async #use(): Promise<unknown> {
    try {
      const disk = await NbdConnection.open(socketOf(join(this.#directory, 'data'), 'web'), 'web');
      const at = this.#history.disk.restarted(await disk.readAll(IMAGE_BYTES), this.#keeps);
      if (at >= 0) this.#violate(`the image at ${at} is nothing that it may be (S1)`);
      this.#keeps = 'answered';
      const end = await this.#load.run(disk, REQUESTS);
      if (end instanceof NbdFault) await this.#judgeFault(disk, end);
      disk.close();
      return end;
    } catch (error) {
      return error;
    }
  }

  /** A failed flush is final: nothing is retried into success. */
  async #judgeFault(disk: NbdConnection, fault: NbdFault): Promise<void> {
    this.#keeps = 'flushed';
    if (fault.error !== NBD_ERROR.EIO) this.#violate(`a request was answered ${fault.error}`);
    let failures = 0;
    for (let tries = 0; tries < FLUSHES_AFTER_FAILURE; tries++) {
      await disk.flush().catch(() => failures++);
    }
    const isFinal = failures > 0 || this.#load.hasFailedFlush;
    if (isFinal && failures < FLUSHES_AFTER_FAILURE) this.#violate('a flush that failed was retried into success (S2)');
  }

  async #judgeEnd(
    life: TracedBlockd,
    injection: Injection | undefined,
    wasStruck: boolean,
    end: unknown,
  ): Promise<void> {
    const { counts, hasFailed } = await life.seen();
    if (injection === undefined) {
      this.#counts = counts;
      if (end !== undefined || wasStruck || life.end.code !== 0)
        this.#violate(`it ended with ${say(end)}: ${life.said}`);
      return;
    }
    const isKill = injection.effect === 'signal=SIGKILL';
    if (isKill && wasStruck) this.#told.killed++;
    if (!isKill && hasFailed) this.#told.failed++;
    if (isKill ? wasStruck : hasFailed) this.#count(injection.call.replace('?', ''));
    const isFinal = injection.effect === 'error=EIO' || injection.call === 'fdatasync' || injection.call === 'fsync';
    if (!isKill && hasFailed && isFinal) this.#keeps = 'flushed';
    const isOwnEnd = wasStruck && life.end.signal !== 'SIGKILL';
    if (isOwnEnd && (isKill || life.end.code !== 1)) this.#violate(`it ended with ${say(life.end)}: ${life.said}`);
  }

  #count(call: string): void {
    this.#told.calls.set(call, (this.#told.calls.get(call) ?? 0) + 1);
  }

  #judgeRead(offset: number, read: Uint8Array): void {
    const at = this.#history.disk.differsAt(offset, read);
    if (at >= 0) this.#violate(`a read at ${at} is not what was written`);
  }

  #violate(what: string): void {
    this.#parts.violated(`${this.#where}: ${what}`);
  }
}

function say(end: unknown): string {
  return end instanceof Error ? end.message : JSON.stringify(end);
}
