// Progress for a person: what is being done, how far, how fast, how long still. One line that rewrites itself on a
// terminal, a line every few seconds in a log. Never more than a few lines a second.
import { styleText } from 'node:util';

/** A log (CI) gets a line this often; a terminal is rewritten five times a second. */
const LOG_INTERVAL_MS = 5_000;
const TERMINAL_INTERVAL_MS = 200;

/** How far something is; without bytes only the text is shown. */
export interface ProgressValue {
  readonly doneBytes?: number;
  readonly totalBytes?: number;
  readonly detail?: string;
}

/** Bytes for people: decimal units, as links and disks are sold. */
export function formatBytes(bytes: number): string {
  // The limits are where rounding would give a unit a thousand of it.
  if (bytes < 999.5) return `${Math.round(bytes)} B`;
  if (bytes < 999_950) return `${(bytes / 1_000).toFixed(1)} kB`;
  if (bytes < 999_950_000) return `${(bytes / 1_000_000).toFixed(1)} MB`;
  return `${(bytes / 1_000_000_000).toFixed(2)} GB`;
}

/** A duration for people. */
export function formatMs(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 119_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Shows steps one after the other on a stream (standard error unless said otherwise). */
export class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  #title = '';
  #startedMs = 0;
  #shownMs = 0;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  /** Begins a step; the one before it must have ended. */
  begin(title: string): void {
    this.#title = title;
    this.#startedMs = performance.now();
    this.#shownMs = 0;
    if (this.#stream.isTTY) this.#write('');
  }

  /** Tells how far the step is. */
  update(value: ProgressValue): void {
    const nowMs = performance.now();
    const interval = this.#stream.isTTY ? TERMINAL_INTERVAL_MS : LOG_INTERVAL_MS;
    if (nowMs - Math.max(this.#shownMs, this.#startedMs) < interval) return;
    this.#shownMs = nowMs;
    this.#write(this.#describe(value, nowMs));
  }

  /** A sentence of its own; the step goes on below it. */
  note(text: string): void {
    this.#stream.write(`${this.#stream.isTTY ? '\r\x1b[2K' : ''}${text}\n`);
    this.#shownMs = 0;
  }

  #describe({ doneBytes, totalBytes, detail }: ProgressValue, nowMs: number): string {
    const parts = detail === undefined || detail === '' ? [] : [detail];
    if (doneBytes !== undefined) {
      const rate = (doneBytes * 1_000) / Math.max(1, nowMs - this.#startedMs);
      const left = totalBytes === undefined ? Number.POSITIVE_INFINITY : totalBytes - doneBytes;
      const of = totalBytes === undefined ? '' : ` of ${formatBytes(totalBytes)}`;
      parts.push(`${formatBytes(doneBytes)}${of}`, `${formatBytes(rate)}/s`);
      if (rate > 0 && Number.isFinite(left)) parts.push(`${formatMs((left * 1_000) / rate)} left`);
    }
    return parts.length > 0 ? parts.join(', ') : `${formatMs(nowMs - this.#startedMs)} so far`;
  }

  #write(detail: string): void {
    const text = detail === '' ? this.#title : `${this.#title}: ${detail}`;
    if (this.#stream.isTTY) this.#stream.write(`\r\x1b[2K${text.slice(0, Math.max(20, this.#stream.columns - 1))}`);
    else this.#stream.write(`${text}\n`);
  }

  /** The step is done, with a word on how it went. */
  end(result = ''): void {
    const took = formatMs(performance.now() - this.#startedMs);
    const clear = this.#stream.isTTY ? '\r\x1b[2K' : '';
    const words = result === '' ? took : `${result}, ${took}`;
    this.#stream.write(`${clear}${styleText('green', 'ok')} ${this.#title} (${words})\n`);
  }

  /** The step did not end well; the error itself is told by whoever handles it. */
  fail(): void {
    const clear = this.#stream.isTTY ? '\r\x1b[2K' : '';
    this.#stream.write(`${clear}${styleText('red', 'failed')} ${this.#title}\n`);
  }

  /** Runs a step between begin and end. */
  async during<T>(title: string, work: () => Promise<T>): Promise<T> {
    this.begin(title);
    try {
      const result = await work();
      this.end();
      return result;
    } catch (error) {
      this.fail();
      throw error;
    }
  }
}
