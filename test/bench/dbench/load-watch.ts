// One run of the load as the host sees it: from the moment dbench lets its clients go until so much was done. It keeps
// every figure that the guest told, with the host's time.
import { ConsoleWatch } from './console-watch.ts';
import { type Done, parseGuestLine } from './guest-lines.ts';
import { type Point, WorkCurve } from './work-curve.ts';

/** Lines of the console that are kept to explain a failure. */
const TAIL_LINES = 8;
/** The guest speaks every second, however slow its disk is: one that was silent for so long at the end is gone. */
const SILENCE_MS = 30_000;

/** What the load came to. Times in ms; requests and bytes from the start to the end. */
export interface LoadFigures {
  /** Whether all was done; else the end is where it was given up. */
  readonly isDone: boolean;
  readonly finishMs: number;
  readonly points: readonly Point[];
  /** The disk's requests by the guest's block layer. */
  readonly reads: number;
  readonly readBytes: number;
  readonly writes: number;
  readonly writeBytes: number;
  /** The longest of dbench's own operations. */
  readonly slowestMs: number;
}

export class LoadWatch {
  readonly #goalBytes: number;
  readonly #watch: ConsoleWatch;
  readonly #tail: string[] = [];
  readonly #told: { readonly atMs: number; readonly done: Done }[] = [];
  readonly #ready = Promise.withResolvers<void>();
  readonly #started = Promise.withResolvers<number>();
  readonly #finished = Promise.withResolvers<void>();
  #startMs: number | undefined;
  #failure: Error | undefined;
  #slowestMs = 0;

  /** Follows the consoles of every place where the guest will run. */
  constructor(consoles: readonly string[], goalBytes: number) {
    this.#goalBytes = goalBytes;
    // A failure that comes when nobody waits is heard by whoever waits next.
    for (const { promise } of [this.#ready, this.#started, this.#finished]) promise.catch(() => undefined);
    this.#watch = new ConsoleWatch(consoles, (line, atMs) => this.#hear(line, atMs));
  }

  #hear(text: string, atMs: number): void {
    this.#tail.push(text);
    if (this.#tail.length > TAIL_LINES) this.#tail.shift();
    const line = parseGuestLine(text);
    if (line.kind === 'ready') this.#ready.resolve();
    if (line.kind === 'start') {
      this.#startMs ??= atMs;
      this.#started.resolve(this.#startMs);
    }
    if (line.kind === 'failed') this.#fail(`the guest's load failed: ${line.reason}`);
    if (line.kind === 'second') this.#slowestMs = Math.max(this.#slowestMs, line.latencyMs);
    if (line.kind === 'done') this.#keep(line.done, atMs);
  }

  #keep(done: Done, atMs: number): void {
    this.#told.push({ atMs, done });
    if (this.#startMs !== undefined && done.bytes >= this.#goalBytes) this.#finished.resolve();
  }

  #fail(sentence: string): void {
    this.#failure ??= new Error(`${sentence}; its console:\n${this.#tail.join('\n')}`);
    this.#ready.reject(this.#failure);
    this.#started.reject(this.#failure);
    this.#finished.reject(this.#failure);
  }

  /** Resolves when the guest waits for the word to start. */
  ready(limitMs: number): Promise<void> {
    return this.#within(this.#ready.promise, limitMs, 'the guest was not ready');
  }

  /** `performance.now()` of the moment when the clients were let go. */
  started(limitMs: number): Promise<number> {
    return this.#within(this.#started.promise, limitMs, 'the load did not start');
  }

  async #within<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
    const timer = setTimeout(() => this.#fail(`${what} within ${limitMs / 1_000} s`), limitMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves when all was done, or so long after the start with what was done by then. */
  async finished(limitMs: number): Promise<void> {
    const startMs = await this.#started.promise;
    const giveUp = Promise.withResolvers<void>();
    const timer = setTimeout(giveUp.resolve, Math.max(0, startMs + limitMs - performance.now()));
    try {
      await Promise.race([this.#finished.promise, giveUp.promise]);
    } finally {
      clearTimeout(timer);
    }
    if (performance.now() - (this.#told.at(-1)?.atMs ?? 0) > SILENCE_MS) this.#fail('the guest fell silent');
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** How much was done so far. */
  get doneBytes(): number {
    return this.#told.at(-1)?.done.bytes ?? 0;
  }

  /** To be asked once it is finished. */
  figures(): LoadFigures {
    const startMs = this.#startMs ?? 0;
    const during = this.#told.filter(({ atMs }) => atMs >= startMs);
    const first = this.#told.findLast(({ atMs }) => atMs < startMs)?.done ?? during[0]?.done;
    const last = during.at(-1);
    if (first === undefined || last === undefined) throw new Error('the load has not been followed');
    const curve = new WorkCurve(during.map(({ atMs, done }) => [atMs - startMs, done.bytes] as const));
    const finishMs = curve.timeOf(this.#goalBytes);
    return {
      isDone: finishMs !== undefined,
      finishMs: finishMs ?? last.atMs - startMs,
      points: curve.points,
      reads: last.done.reads - first.reads,
      readBytes: last.done.readBytes - first.readBytes,
      writes: last.done.writes - first.writes,
      writeBytes: last.done.writeBytes - first.writeBytes,
      slowestMs: this.#slowestMs,
    };
  }

  stop(): void {
    this.#watch.stop();
  }
}
