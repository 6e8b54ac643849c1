// Hears what a guest says on the consoles of all places where it runs, each line with the host's time at which it came.
// The guest's own clock stands still while the guest is stopped, and is never asked.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

/** A line is known no better than this: a fiftieth of a second's figure. */
const LOOK_INTERVAL_MS = 20;
const READ_BYTES = 65_536;

interface Heard {
  offset: number;
  partial: string;
  readonly decoder: StringDecoder;
}

/** Follows files that may come later and be replaced by empty ones; what is in them at the start is left out. */
export class ConsoleWatch {
  readonly #files: Map<string, Heard>;
  readonly #hear: (line: string, atMs: number) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #buffer = Buffer.alloc(READ_BYTES);

  /** `hear` gets each whole line and `performance.now()` of the look that found it. */
  constructor(files: readonly string[], hear: (line: string, atMs: number) => void) {
    this.#files = new Map(
      files.map((file) => [file, { offset: sizeOf(file), partial: '', decoder: new StringDecoder('utf8') }]),
    );
    this.#hear = hear;
    this.#timer = setInterval(() => this.look(), LOOK_INTERVAL_MS);
  }

  /** Looks now. */
  look(): void {
    const atMs = performance.now();
    for (const [file, heard] of this.#files) {
      for (const line of this.#newLines(file, heard)) this.#hear(line, atMs);
    }
  }

  #newLines(file: string, heard: Heard): string[] {
    const descriptor = openOrNothing(file);
    if (descriptor === undefined) return [];
    try {
      if (fstatSync(descriptor).size < heard.offset) heard.offset = 0;
      let text = heard.partial;
      for (;;) {
        const count = readSync(descriptor, this.#buffer, 0, READ_BYTES, heard.offset);
        if (count === 0) break;
        heard.offset += count;
        text += heard.decoder.write(this.#buffer.subarray(0, count));
      }
      const lines = text.split('\n');
      heard.partial = lines.pop() ?? '';
      return lines;
    } finally {
      closeSync(descriptor);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function openOrNothing(file: string): number | undefined {
  try {
    return openSync(file, 'r');
  } catch {
    // It comes when the machine starts.
    return undefined;
  }
}

function sizeOf(file: string): number {
  const descriptor = openOrNothing(file);
  if (descriptor === undefined) return 0;
  try {
    return fstatSync(descriptor).size;
  } finally {
    closeSync(descriptor);
  }
}
