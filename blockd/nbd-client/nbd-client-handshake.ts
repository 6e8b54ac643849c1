// The client's side of an NBD negotiation (fixed newstyle): greeting in, NBD_OPT_GO out, and what the server tells of
// the export. A state machine over bytes; it opens nothing.
import {
  HANDSHAKE,
  INFO,
  INIT_MAGIC,
  OPTION,
  OPTION_MAGIC,
  OPTION_REPLY,
  OPTION_REPLY_MAGIC,
} from '../nbd/nbd-protocol.ts';
import { allocationQuery, optionOf, textOf } from './client-options.ts';

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
  /** BLOCK_STATUS is answered, with `base:allocation` alone. */
  readonly hasStatus: boolean;
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
  /** The option whose reply comes next. */
  #asked: number = OPTION.GO;
  #facts: Omit<ExportFacts, 'hasStatus'> | undefined;
  readonly #withStatus: boolean;
  #isStructured = false;
  #hasStatus = false;

  /** `withStatus`: the status of its bytes is asked for too; then replies to reads would be structured ones. */
  constructor(name: string, send: (bytes: Buffer) => void, withStatus = false) {
    this.#name = name;
    this.#send = send;
    this.#withStatus = withStatus;
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
    if (this.#withStatus) this.#ask(OPTION.STRUCTURED_REPLY, Buffer.alloc(0));
    else this.#go();
    return { next: 'more', used: GREETING_BYTES };
  }

  #ask(option: number, data: Buffer): void {
    this.#asked = option;
    this.#send(optionOf(option, data));
  }

  #askStatus(): void {
    this.#hasStatus = false;
    this.#ask(OPTION.SET_META_CONTEXT, allocationQuery(this.#name));
  }

  /** Data of NBD_OPT_GO: length u32, name, count u16 of information that is asked for beside the size. */
  #go(): void {
    this.#ask(OPTION.GO, Buffer.concat([textOf(this.#name), Buffer.alloc(2)]));
  }

  #reply(input: Buffer): ClientStep {
    if (input.length < OPTION_REPLY_HEADER_BYTES) return MORE;
    const length = input.readUInt32BE(16);
    const isAnswer = input.readBigUInt64BE(0) === OPTION_REPLY_MAGIC && input.readUInt32BE(8) === this.#asked;
    if (!isAnswer || length > REPLY_DATA_BYTES_MAX)
      return failed('the server answered with what is no reply to an option');
    const used = OPTION_REPLY_HEADER_BYTES + length;
    if (input.length < used) return MORE;
    return this.#take(input.readUInt32BE(12), input.subarray(OPTION_REPLY_HEADER_BYTES, used), used);
  }

  #take(type: number, data: Buffer, used: number): ClientStep {
    if (this.#asked === OPTION.GO) return this.#takeOfExport(type, data, used);
    if (type === OPTION_REPLY.META_CONTEXT) {
      this.#hasStatus = true;
    } else if (type === OPTION_REPLY.ERR_UNKNOWN && this.#name !== '') {
      this.#name = '';
      this.#askStatus();
    } else if (this.#asked === OPTION.STRUCTURED_REPLY && type === OPTION_REPLY.ACK) {
      this.#isStructured = true;
      this.#askStatus();
    } else if (type === OPTION_REPLY.ACK || type >= ERROR_BIT) {
      // What it cannot tell, it can do without.
      this.#go();
    }
    return { next: 'more', used };
  }

  #takeOfExport(type: number, data: Buffer, used: number): ClientStep {
    if (type === OPTION_REPLY.INFO) {
      if (data.length >= INFO_EXPORT_BYTES && data.readUInt16BE(0) === INFO.EXPORT) {
        this.#facts = { bytes: Number(data.readBigUInt64BE(2)), flags: data.readUInt16BE(10) };
      }
      return { next: 'more', used };
    }
    if (type === OPTION_REPLY.ACK) {
      if (this.#facts === undefined) return failed('the server told no size');
      return { next: 'export', used, facts: { ...this.#facts, hasStatus: this.#hasStatus } };
    }
    if (type === OPTION_REPLY.ERR_UNKNOWN && this.#name !== '') {
      this.#name = '';
      if (this.#isStructured) this.#askStatus();
      else this.#go();
      return { next: 'more', used };
    }
    if (type >= ERROR_BIT) return failed(`the server refused the export (0x${type.toString(16)}): ${data}`);
    return { next: 'more', used };
  }
}

const MORE: ClientStep = { next: 'more', used: 0 };
const failed = (reason: string): ClientStep => ({ next: 'failed', reason });
