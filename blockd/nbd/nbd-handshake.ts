// The negotiation of one NBD connection (fixed newstyle): options in, answers out, until the client goes to an export
// or leaves. A state machine over bytes; it opens nothing and serves no data.
import { contextsListed, contextsSelected, type MetaContext, readMetaQuery } from './meta-contexts.ts';
import {
  BLOCK_SIZE,
  CLIENT_FLAGS_KNOWN,
  exportFlags,
  HANDSHAKE,
  INFO,
  INIT_MAGIC,
  OPTION,
  OPTION_DATA_BYTES_MAX,
  OPTION_HEADER_BYTES,
  OPTION_MAGIC,
  OPTION_REPLY,
  OPTION_SKIP_BYTES_MAX,
  optionReply,
} from './nbd-protocol.ts';
import type { Agreement } from './nbd-request.ts';

const CLIENT_FLAGS_BYTES = 4;
/** NBD_OPT_EXPORT_NAME ends with these where the client did not ask to leave them out. */
const ZEROES_BYTES = 124;
/** A client that has not reached an export after so many options never will. */
const OPTIONS_MAX = 64;

/** Why an option is refused, for whoever reads what the server says ("Option reply types"). */
const WHY: ReadonlyMap<number, string> = new Map([
  [OPTION_REPLY.ERR_UNSUP, 'this option is not known here'],
  [OPTION_REPLY.ERR_POLICY, 'there is no TLS on a unix socket'],
  [OPTION_REPLY.ERR_INVALID, 'the data of this option is not what the protocol says'],
  [OPTION_REPLY.ERR_TLS_REQD, 'TLS must begin first'],
  [OPTION_REPLY.ERR_UNKNOWN, 'no export of this name is here'],
  [OPTION_REPLY.ERR_TOO_BIG, `the data of an option may have ${OPTION_DATA_BYTES_MAX} bytes`],
]);

/** What a handshake did with the bytes it got. */
export interface HandshakeStep {
  /** Bytes of the input that are used up. */
  readonly used: number;
  /**
   * `more`: feed it again when more came. `export`: the rest is requests. `drop`: end the connection after sending.
   * `tls`: after sending, everything else is said inside TLS, and then fed again.
   */
  readonly next: 'more' | 'export' | 'drop' | 'tls';
}

/** One export, whose name clients may give or leave empty. */
export interface ExportDescription {
  readonly name: string;
  readonly bytes: number;
  /** Clients may not change it. */
  readonly isReadOnly?: boolean;
}

/** "TLS support": `none` is NOTLS, `required` FORCEDTLS before its upgrade and `inside` after it. */
type Secrecy = 'none' | 'required' | 'inside';

/** One connection's negotiation. */
export class NbdHandshake {
  readonly #exports: readonly ExportDescription[];
  readonly #send: (bytes: Buffer) => void;
  #secrecy: Secrecy;
  #clientFlags: number | undefined;
  #skipBytes = 0;
  #options = 0;
  #isStructured = false;
  #contexts: readonly MetaContext[] = [];
  #refusal = '';
  /** The export that the contexts were chosen for, and the one that the client went to. */
  #contextsOf: ExportDescription | undefined;
  #chosen: ExportDescription | undefined;

  /**
   * Sends the greeting. The empty name is that of the only export, where there is only one. `demandsTls`: none is told of,
   * nor reached, but inside TLS.
   */
  constructor(exports: readonly ExportDescription[], send: (bytes: Buffer) => void, demandsTls = false) {
    this.#exports = exports;
    this.#secrecy = demandsTls ? 'required' : 'none';
    this.#send = send;
    const greeting = Buffer.alloc(18);
    greeting.writeBigUInt64BE(INIT_MAGIC, 0);
    greeting.writeBigUInt64BE(OPTION_MAGIC, 8);
    greeting.writeUInt16BE(HANDSHAKE.FIXED_NEWSTYLE | HANDSHAKE.NO_ZEROES, 16);
    send(greeting);
  }

  /** Why the connection is to be dropped; empty when the client wants its end. */
  get refusal(): string {
    return this.#refusal;
  }

  /** Where the client went. */
  get chosen(): ExportDescription | undefined {
    return this.#chosen;
  }

  /** What the options came to; contexts count for the export that they were chosen for. */
  get agreement(): Agreement {
    const { bytes = 0, isReadOnly = false } = this.#chosen ?? {};
    const contexts = this.#contextsOf === this.#chosen ? this.#contexts : [];
    return { bytes, isReadOnly, isStructured: this.#isStructured, contexts };
  }

  /** Takes whole messages off the input's front. */
  receive(input: Buffer): HandshakeStep {
    let used = 0;
    for (;;) {
      const step = this.#message(input.subarray(used));
      used += step.used;
      if (step.next !== 'more' || step.used === 0) return { used, next: step.next };
    }
  }

  #message(input: Buffer): HandshakeStep {
    if (this.#clientFlags === undefined) return this.#clientHello(input);
    if (this.#skipBytes > 0) return this.#skip(input);
    return this.#option(input);
  }

  #clientHello(input: Buffer): HandshakeStep {
    if (input.length < CLIENT_FLAGS_BYTES) return MORE;
    this.#clientFlags = input.readUInt32BE(0);
    const unknown = this.#clientFlags & ~CLIENT_FLAGS_KNOWN;
    const next = unknown === 0 ? 'more' : this.#refuse(`it begins with the flags 0x${(unknown >>> 0).toString(16)}`);
    return { used: CLIENT_FLAGS_BYTES, next };
  }

  #skip(input: Buffer): HandshakeStep {
    const used = Math.min(this.#skipBytes, input.length);
    this.#skipBytes -= used;
    return { used, next: 'more' };
  }

  #option(input: Buffer): HandshakeStep {
    if (input.length < OPTION_HEADER_BYTES) return MORE;
    const option = input.readUInt32BE(8);
    const length = input.readUInt32BE(12);
    if (input.readBigUInt64BE(0) !== OPTION_MAGIC) return this.#drop('what it sends is no option of the protocol');
    if (this.#options >= OPTIONS_MAX) return this.#drop(`it sends more than ${OPTIONS_MAX} options`);
    if (length > OPTION_DATA_BYTES_MAX) return this.#tooBig(option, length);
    const used = OPTION_HEADER_BYTES + length;
    if (input.length < used) return MORE;
    this.#options++;
    return { used, next: this.#answer(option, input.subarray(OPTION_HEADER_BYTES, used)) };
  }

  #tooBig(option: number, length: number): HandshakeStep {
    if (length > OPTION_SKIP_BYTES_MAX || option === OPTION.EXPORT_NAME)
      return this.#drop(`it sends an option of ${length} bytes`);
    this.#options++;
    if (option === OPTION.SET_META_CONTEXT) this.#contexts = [];
    this.#reply(option, this.#isTooEarly(option) ? OPTION_REPLY.ERR_TLS_REQD : OPTION_REPLY.ERR_TOO_BIG);
    this.#skipBytes = length;
    return { used: OPTION_HEADER_BYTES, next: 'more' };
  }

  #isTooEarly(option: number): boolean {
    return this.#secrecy === 'required' && option !== OPTION.STARTTLS && option !== OPTION.ABORT;
  }

  #answer(option: number, data: Buffer): HandshakeStep['next'] {
    // EXPORT_NAME has no answer that is an error.
    if (this.#isTooEarly(option))
      return option === OPTION.EXPORT_NAME
        ? this.#refuse('it asks for an export without TLS')
        : this.#reply(option, OPTION_REPLY.ERR_TLS_REQD);
    switch (option) {
      case OPTION.EXPORT_NAME:
        return this.#exportName(data.toString('utf8'));
      case OPTION.ABORT:
        this.#reply(option, OPTION_REPLY.ACK);
        return 'drop';
      case OPTION.LIST:
        return this.#list(data);
      case OPTION.INFO:
      case OPTION.GO:
        return this.#go(option, data);
      case OPTION.STARTTLS:
        return this.#startTls(data);
      case OPTION.STRUCTURED_REPLY:
        return this.#structured(data);
      case OPTION.LIST_META_CONTEXT:
        return this.#listContexts(data);
      case OPTION.SET_META_CONTEXT:
        return this.#setContexts(data);
      default:
        return this.#reply(option, OPTION_REPLY.ERR_UNSUP);
    }
  }

  /** Nothing was agreed on before that could last: every option but this one was refused. */
  #startTls(data: Buffer): HandshakeStep['next'] {
    const option = OPTION.STARTTLS;
    if (data.length > 0 || this.#secrecy === 'inside') return this.#reply(option, OPTION_REPLY.ERR_INVALID);
    // A unix socket has the file system's permissions; there is no TLS to go to on it.
    if (this.#secrecy === 'none') return this.#reply(option, OPTION_REPLY.ERR_POLICY);
    this.#secrecy = 'inside';
    this.#reply(option, OPTION_REPLY.ACK);
    return 'tls';
  }

  #exportName(name: string): HandshakeStep['next'] {
    const found = this.#find(name);
    if (found === undefined) return this.#refuse('it asks for an export that is not here');
    this.#chosen = found;
    const zeroes = ((this.#clientFlags ?? 0) & HANDSHAKE.NO_ZEROES) !== 0 ? 0 : ZEROES_BYTES;
    const answer = Buffer.alloc(10 + zeroes);
    answer.writeBigUInt64BE(BigInt(found.bytes), 0);
    answer.writeUInt16BE(this.#flagsOf(found), 8);
    this.#send(answer);
    return 'export';
  }

  #list(data: Buffer): HandshakeStep['next'] {
    if (data.length > 0) return this.#reply(OPTION.LIST, OPTION_REPLY.ERR_INVALID);
    for (const one of this.#exports) {
      const name = Buffer.from(one.name, 'utf8');
      const length = Buffer.alloc(4);
      length.writeUInt32BE(name.length, 0);
      this.#reply(OPTION.LIST, OPTION_REPLY.SERVER, Buffer.concat([length, name]));
    }
    return this.#reply(OPTION.LIST, OPTION_REPLY.ACK);
  }

  /** Data: length u32, name, count u16, count times an information type u16. */
  #go(option: number, data: Buffer): HandshakeStep['next'] {
    const nameLength = data.length < 6 ? 0 : data.readUInt32BE(0);
    if (data.length < 6 + nameLength) return this.#reply(option, OPTION_REPLY.ERR_INVALID);
    const wanted = data.subarray(6 + nameLength);
    if (wanted.length !== 2 * data.readUInt16BE(4 + nameLength)) return this.#reply(option, OPTION_REPLY.ERR_INVALID);
    const found = this.#find(data.toString('utf8', 4, 4 + nameLength));
    if (found === undefined) return this.#reply(option, OPTION_REPLY.ERR_UNKNOWN);
    this.#describe(option, found, wanted);
    this.#reply(option, OPTION_REPLY.ACK);
    if (option === OPTION.GO) this.#chosen = found;
    return option === OPTION.GO ? 'export' : 'more';
  }

  #describe(option: number, found: ExportDescription, wanted: Buffer): void {
    const facts = Buffer.alloc(12);
    facts.writeUInt16BE(INFO.EXPORT, 0);
    facts.writeBigUInt64BE(BigInt(found.bytes), 2);
    facts.writeUInt16BE(this.#flagsOf(found), 10);
    this.#reply(option, OPTION_REPLY.INFO, facts);
    for (let at = 0; at < wanted.length; at += 2) {
      if (wanted.readUInt16BE(at) === INFO.NAME) this.#describeName(option, found.name);
      if (wanted.readUInt16BE(at) === INFO.BLOCK_SIZE) this.#describeBlockSize(option);
    }
  }

  #describeName(option: number, name: string): void {
    this.#reply(option, OPTION_REPLY.INFO, Buffer.concat([Buffer.from([0, INFO.NAME]), Buffer.from(name, 'utf8')]));
  }

  #describeBlockSize(option: number): void {
    const sizes = Buffer.alloc(14);
    sizes.writeUInt16BE(INFO.BLOCK_SIZE, 0);
    sizes.writeUInt32BE(BLOCK_SIZE.minimum, 2);
    sizes.writeUInt32BE(BLOCK_SIZE.preferred, 6);
    sizes.writeUInt32BE(BLOCK_SIZE.maximum, 10);
    this.#reply(option, OPTION_REPLY.INFO, sizes);
  }

  #structured(data: Buffer): HandshakeStep['next'] {
    if (data.length > 0) return this.#reply(OPTION.STRUCTURED_REPLY, OPTION_REPLY.ERR_INVALID);
    this.#isStructured = true;
    return this.#reply(OPTION.STRUCTURED_REPLY, OPTION_REPLY.ACK);
  }

  #listContexts(data: Buffer): HandshakeStep['next'] {
    const option = OPTION.LIST_META_CONTEXT;
    const query = this.#isStructured ? readMetaQuery(data) : undefined;
    if (query === undefined) return this.#reply(option, OPTION_REPLY.ERR_INVALID);
    if (this.#find(query.exportName) === undefined) return this.#reply(option, OPTION_REPLY.ERR_UNKNOWN);
    for (const { name } of contextsListed(query.queries)) this.#describeContext(option, 0, name);
    return this.#reply(option, OPTION_REPLY.ACK);
  }

  /** Whatever was chosen before is forgotten, also when this choice fails. */
  #setContexts(data: Buffer): HandshakeStep['next'] {
    const option = OPTION.SET_META_CONTEXT;
    this.#contexts = [];
    const query = this.#isStructured ? readMetaQuery(data) : undefined;
    if (query === undefined) return this.#reply(option, OPTION_REPLY.ERR_INVALID);
    this.#contextsOf = this.#find(query.exportName);
    if (this.#contextsOf === undefined) return this.#reply(option, OPTION_REPLY.ERR_UNKNOWN);
    this.#contexts = contextsSelected(query.queries);
    for (const { id, name } of this.#contexts) this.#describeContext(option, id, name);
    return this.#reply(option, OPTION_REPLY.ACK);
  }

  #describeContext(option: number, id: number, name: string): void {
    const data = Buffer.alloc(4 + name.length);
    data.writeUInt32BE(id, 0);
    data.write(name, 4, 'latin1');
    this.#reply(option, OPTION_REPLY.META_CONTEXT, data);
  }

  #flagsOf({ isReadOnly = false }: ExportDescription): number {
    return exportFlags(isReadOnly, this.#isStructured);
  }

  #find(name: string): ExportDescription | undefined {
    if (name === '') return this.#exports.length === 1 ? this.#exports[0] : undefined;
    return this.#exports.find((one) => one.name === name);
  }

  #reply(option: number, type: number, data?: Buffer): 'more' {
    const why = WHY.get(type);
    this.#send(optionReply(option, type, why === undefined ? data : Buffer.from(why)));
    return 'more';
  }

  #drop(why: string): HandshakeStep {
    return { used: 0, next: this.#refuse(why) };
  }

  #refuse(why: string): 'drop' {
    this.#refusal = why;
    return 'drop';
  }
}

const MORE: HandshakeStep = { used: 0, next: 'more' };
