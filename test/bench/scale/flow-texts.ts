// The flow tables of a thousand switches in the memory of one process: most entries stand in many of them, so each is kept once
// and a table holds numbers. What tells entries apart is their own bytes.

const TEXT = 'latin1';

/** Byte strings, each kept once under a number. */
class SharedTexts {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];

  number(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#texts.push(text);
    this.#numbers.set(text, this.#texts.length - 1);
    return this.#texts.length - 1;
  }

  text(number: number): string {
    return this.#texts[number] ?? '';
  }
}

const keys = new SharedTexts();
const bodies = new SharedTexts();

/** Where in a flow-mod what lies (OpenFlow 1.3.5, 7.3.4.1, 7.2.3.1). */
const MOD = { cookie: 8, tableId: 24, command: 25, hardTimeout: 28, priority: 30, match: 48, matchLength: 50 } as const;
const COMMAND = { add: 0, deleteStrict: 4 } as const;
/** Of an entry in a reply (7.3.5.2): what comes before its match. */
const ENTRY = { tableId: 2, priority: 12, hardTimeout: 16, cookie: 24, match: 48 } as const;
/** Of a body's text: cookie and timeout, then the instructions. */
const BODY_HEAD = 10;
/** Of a key's text: table and priority, then the match without its padding. */
const KEY_HEAD = 3;

/** One switch's table. */
export class FlowTexts {
  readonly #entries = new Map<number, number>();

  get size(): number {
    return this.#entries.size;
  }

  /** Carries a flow-mod out, which lies at `at` and is so long. */
  change(bytes: Buffer, at: number, length: number): void {
    const matchBytes = bytes.readUInt16BE(at + MOD.matchLength);
    const match = bytes.toString(TEXT, at + MOD.match, at + MOD.match + matchBytes);
    const head = bytes.toString(TEXT, at + MOD.priority, at + MOD.priority + 2);
    const key = keys.number(bytes.toString(TEXT, at + MOD.tableId, at + MOD.tableId + 1) + head + match);
    const command = bytes[at + MOD.command];
    if (command === COMMAND.deleteStrict) this.#entries.delete(key);
    else if (command === COMMAND.add) this.#entries.set(key, bodies.number(bodyOf(bytes, at, length, matchBytes)));
    else throw new Error(`the overlay does not send the command ${command}`);
  }

  /** Its entries as they stand in replies, in parts of at most so many bytes. */
  *parts(bytesMax: number): Generator<Buffer> {
    let [part, end] = [Buffer.alloc(bytesMax), 0];
    for (const [key, body] of this.#entries) {
      const entry = entryOf(keys.text(key), bodies.text(body));
      if (end + entry.length > bytesMax) {
        yield part.subarray(0, end);
        [part, end] = [Buffer.alloc(bytesMax), 0];
      }
      end += entry.copy(part, end);
    }
    yield part.subarray(0, end);
  }

  /** Takes so many entries away, as somebody at the switch might. */
  drop(count: number): void {
    for (const key of this.#entries.keys()) {
      if (count-- <= 0) break;
      this.#entries.delete(key);
    }
  }
}

function bodyOf(bytes: Buffer, at: number, length: number, matchBytes: number): string {
  const cookie = bytes.toString(TEXT, at + MOD.cookie, at + MOD.cookie + 8);
  const timeout = bytes.toString(TEXT, at + MOD.hardTimeout, at + MOD.hardTimeout + 2);
  return cookie + timeout + bytes.toString(TEXT, at + MOD.match + padded(matchBytes), at + length);
}

function entryOf(key: string, body: string): Buffer {
  const matchBytes = key.length - KEY_HEAD;
  const length = ENTRY.match + padded(matchBytes) + body.length - BODY_HEAD;
  const entry = Buffer.alloc(length);
  entry.writeUInt16BE(length, 0);
  entry.write(key.slice(0, 1), ENTRY.tableId, TEXT);
  entry.write(key.slice(1, KEY_HEAD), ENTRY.priority, TEXT);
  entry.write(key.slice(KEY_HEAD), ENTRY.match, TEXT);
  entry.write(body.slice(0, 8), ENTRY.cookie, TEXT);
  entry.write(body.slice(8, BODY_HEAD), ENTRY.hardTimeout, TEXT);
  entry.write(body.slice(BODY_HEAD), ENTRY.match + padded(matchBytes), TEXT);
  return entry;
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
