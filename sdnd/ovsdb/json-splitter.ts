// Cuts a stream into the JSON objects that follow each other in it without anything between (RFC 7047, 4: JSON-RPC over a
// stream). Bytes in, values out; looks at each byte once, keeps no more than the cap, and never goes on after rubbish.
import { type JsonObject, parseJson } from './json.ts';

/** Why the stream is no sequence of JSON objects of a bearable size. Stable: callers may switch on it. */
export type SplitCode = 'not-an-object' | 'too-long' | 'too-deep' | 'not-utf8' | 'not-json';

export type Split =
  | { readonly kind: 'message'; readonly message: JsonObject }
  /** The last there is: where the next message would begin cannot be known. */
  | { readonly kind: 'bad'; readonly code: SplitCode; readonly detail: string };

/** What a stream may hold. */
export interface SplitLimits {
  /** Of one message. */
  readonly bytesMax: number;
  /** Objects and lists within each other. */
  readonly depthMax: number;
}

/** The whole contents of a switch with 10,000 ports, some 1 KB each, come in one message; a schema in 9 levels. */
export const SPLIT_LIMITS: SplitLimits = { bytesMax: 16 * 1024 * 1024, depthMax: 64 };

const Byte = { tab: 9, lineFeed: 10, return: 13, space: 32, quote: 34, backslash: 92 } as const;
const OPEN = new Set([...'{['].map((letter) => letter.charCodeAt(0)));
const CLOSE = new Set([...'}]'].map((letter) => letter.charCodeAt(0)));
const OBJECT_OPENS = '{'.charCodeAt(0);
const SPACES: ReadonlySet<number> = new Set([Byte.tab, Byte.lineFeed, Byte.return, Byte.space]);

export class JsonSplitter {
  readonly #limits: SplitLimits;
  /** The message that has begun: what came of it so far. */
  #parts: Uint8Array[] = [];
  #keptBytes = 0;
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #isBad = false;

  constructor(limits: SplitLimits = SPLIT_LIMITS) {
    this.#limits = limits;
  }

  /** Bytes that are kept of a message that has not ended. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Takes the next bytes; answers with the messages that ended in them. */
  push(bytes: Uint8Array): Split[] {
    const found: Split[] = [];
    let from = 0;
    for (let at = 0; at < bytes.length && !this.#isBad; at++) {
      const byte = bytes[at] ?? 0;
      if (this.#depth === 0) {
        from = at;
        this.#begin(byte, found);
      } else if (this.#ends(byte, found)) {
        found.push(this.#message(bytes.subarray(from, at + 1)));
        from = at + 1;
      }
    }
    if (this.#depth > 0 && !this.#isBad) this.#keep(bytes.subarray(from), found);
    return found;
  }

  #begin(byte: number, found: Split[]): void {
    if (byte === OBJECT_OPENS) this.#depth = 1;
    else if (!SPACES.has(byte)) found.push(this.#bad('not-an-object', `a message begins with byte ${byte}`));
  }

  /** Whether the message ends with this byte. Brackets are only counted: whether they match, the parser says. */
  #ends(byte: number, found: Split[]): boolean {
    if (this.#isInString) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === Byte.backslash) this.#isEscaped = true;
      else if (byte === Byte.quote) this.#isInString = false;
      return false;
    }
    if (byte === Byte.quote) this.#isInString = true;
    else if (OPEN.has(byte)) this.#descend(found);
    else if (CLOSE.has(byte)) this.#depth--;
    return this.#depth === 0;
  }

  #descend(found: Split[]): void {
    this.#depth++;
    if (this.#depth <= this.#limits.depthMax) return;
    found.push(this.#bad('too-deep', `a message has more than ${this.#limits.depthMax} levels`));
  }

  #keep(part: Uint8Array, found: Split[]): void {
    this.#keptBytes += part.length;
    if (this.#keptBytes > this.#limits.bytesMax) found.push(this.#tooLong());
    // The caller's buffer may be used again.
    else this.#parts.push(part.slice());
  }

  #message(last: Uint8Array): Split {
    const whole = this.#parts.length === 0 ? last : joined([...this.#parts, last]);
    this.#parts = [];
    this.#keptBytes = 0;
    if (whole.length > this.#limits.bytesMax) return this.#tooLong();
    try {
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(whole);
      return { kind: 'message', message: parseJson(text) as JsonObject };
    } catch (error) {
      const isJson = error instanceof SyntaxError;
      return this.#bad(isJson ? 'not-json' : 'not-utf8', error instanceof Error ? error.message : String(error));
    }
  }

  #tooLong(): Split {
    return this.#bad('too-long', `a message has more than ${this.#limits.bytesMax} bytes`);
  }

  #bad(code: SplitCode, detail: string): Split {
    this.#isBad = true;
    this.#parts = [];
    this.#keptBytes = 0;
    return { kind: 'bad', code, detail };
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
