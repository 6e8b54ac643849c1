// The client's side of an NBD negotiation (fixed newstyle): greeting in, NBD_OPT_GO out, and what the server tells of
// the export. A state machine over bytes; it opens nothing.
import {
  HANDSHAKE,
  INFO,
  INIT_MAGIC,
  OPTION,
  OPTION_HEADER_BYTES,
  OPTION_MAGIC,
  OPTION_REPLY,
  OPTION_REPLY_MAGIC,
} from '../nbd/nbd-protocol.ts';

const GREETING_BYTES = 18;
const OPTION_REPLY_HEADER_BYTES = 20;
/** Type, size, transmission flags. */
const INFO_EXPORT_BYTES = 12;
/** Strings have 4096 bytes at most ("Values"); whoever sends more is no server. */
const REPLY_DATA_BYTES_MAX = 8192;
const ERROR_BIT = 0x80000000;

/** What a server told of its export. `flags`: "Transmission flags". */
export interface ExportFacts {
  readonly bytes: number;
  readonly flags: number;
}

/** What became of the bytes: `used` of them are used up. */
export type ClientStep =
  | { readonly next: 'more'; readonly used: number }
  | { readonly next: 'export'; readonly used: number; readonly facts: ExportFacts }
  | { readonly next: 'failed'; readonly reason: string };

/** One connection's negotiation for the export of a name, or the server's default one where it knows no such name. */
export class NbdClientHandshake {
  readonly #send: (bytes: Buffer) => void;
  #name: string;
  #isGreeted = false;
  #facts: ExportFacts | undefined;

  constructor(name: string, send: (bytes: Buffer) => void) {
    this.#name = name;
    this.#send = send;
  }

  /** Takes whole messages off the input's front. */
  receive(input: Buffer): ClientStep {
    let used = 0;
    for (;;) {
      const rest = input.subarray(used);
      const step = this.#isGreeted ? this.#reply(rest) : this.#greeting(rest);
      if (step.next === 'failed') return step;
      used += step.used;
      if (step.next === 'export') return { ...step, used };
      if (step.used === 0) return { next: 'more', used };
    }
  }

  #greeting(input: Buffer): ClientStep {
    if (input.length < GREETING_BYTES) return MORE;
    const isNew = input.readBigUInt64BE(0) === INIT_MAGIC && input.readBigUInt64BE(8) === OPTION_MAGIC;
    const flags = isNew ? input.readUInt16BE(16) : 0;
    if ((flags & HANDSHAKE.FIXED_NEWSTYLE) === 0) return failed('the server does not speak fixed newstyle NBD');
    this.#isGreeted = true;
    const answer = Buffer.alloc(4);
    answer.writeUInt32BE(HANDSHAKE.FIXED_NEWSTYLE | (flags & HANDSHAKE.NO_ZEROES), 0);
    this.#send(answer);
    this.#go();
    return { next: 'more', used: GREETING_BYTES };
  }

  /** Data of NBD_OPT_GO: length u32, name, count u16 of information that is asked for beside the size. */
  #go(): void {
    const name = Buffer.from(this.#name, 'utf8');
    const option = Buffer.alloc(OPTION_HEADER_BYTES + 4 + name.length + 2);
    option.writeBigUInt64BE(OPTION_MAGIC, 0);
    option.writeUInt32BE(OPTION.GO, 8);
    option.writeUInt32BE(4 + name.length + 2, 12);
    option.writeUInt32BE(name.length, OPTION_HEADER_BYTES);
    name.copy(option, OPTION_HEADER_BYTES + 4);
    this.#send(option);
  }

  #reply(input: Buffer): ClientStep {
    if (input.length < OPTION_REPLY_HEADER_BYTES) return MORE;
    const length = input.readUInt32BE(16);
    const isGo = input.readBigUInt64BE(0) === OPTION_REPLY_MAGIC && input.readUInt32BE(8) === OPTION.GO;
    if (!isGo || length > REPLY_DATA_BYTES_MAX) return failed('the server answered with what is no reply to an option');
    const used = OPTION_REPLY_HEADER_BYTES + length;
    if (input.length < used) return MORE;
    return this.#take(input.readUInt32BE(12), input.subarray(OPTION_REPLY_HEADER_BYTES, used), used);
  }

  #take(type: number, data: Buffer, used: number): ClientStep {
    if (type === OPTION_REPLY.INFO) {
      if (data.length >= INFO_EXPORT_BYTES && data.readUInt16BE(0) === INFO.EXPORT) {
        this.#facts = { bytes: Number(data.readBigUInt64BE(2)), flags: data.readUInt16BE(10) };
      }
      return { next: 'more', used };
    }
    if (type === OPTION_REPLY.ACK) {
      if (this.#facts === undefined) return failed('the server told no size');
      return { next: 'export', used, facts: this.#facts };
    }
    if (type === OPTION_REPLY.ERR_UNKNOWN && this.#name !== '') {
      this.#name = '';
      this.#go();
      return { next: 'more', used };
    }
    if (type >= ERROR_BIT) return failed(`the server refused the export (0x${type.toString(16)}): ${data}`);
    return { next: 'more', used };
  }
}

const MORE: ClientStep = { next: 'more', used: 0 };
const failed = (reason: string): ClientStep => ({ next: 'failed', reason });
