// A switch of the overlay that is nothing but its side of an OpenFlow connection and its flow table: takes flow-mods, answers
// what it has, and counts both. Made to cost little, so that a thousand of them leave the processor to the controller. No
// socket of its own.
import { encode, ethAddress, type Port } from '@openflow/ofp';
import { FlowTexts } from './flow-texts.ts';

const TYPE = {
  experimenter: 4,
  echoRequest: 2,
  featuresRequest: 5,
  flowMod: 14,
  multipartRequest: 18,
  multipartReply: 19,
  barrierRequest: 20,
  roleRequest: 24,
} as const;
const PART = { flow: 1, aggregate: 2, portDesc: 13 } as const;
/** Where in its message what lies (OpenFlow 1.3.5, 7.1, 7.3.5, 7.3.9). */
const AT = { length: 2, xid: 4, experimenterType: 12, part: 8, role: 8, flags: 10, body: 16 } as const;
const HEADER_BYTES = 8;
/** ONF's message that puts another into a bundle, and where in it that is (extension 230). */
const BUNDLE_ADD = 2_301;
const BUNDLED_AT = 24;
/** Of an aggregate's reply: where its count of entries is, and how long it is (7.3.5.3). */
const AGGREGATE = { flowCount: 32, bytes: 40 } as const;
const MORE = 1;
/** A message has 64 KiB at the most; each of a description's ports takes 64 bytes. */
const REPLY_BYTES_MAX = 60_000;
const PORTS_PER_REPLY = 500;
const ROLE_NO_CHANGE = 0;
const EMPTY = Buffer.alloc(0);

/** What was asked of a switch and told to it. */
export interface SwitchCounts {
  mods: number;
  /** Whole tables that it was asked for. */
  reads: number;
  /** Counts of its entries that it was asked for. */
  counts: number;
  bytesIn: number;
  bytesOut: number;
}

export class OverlaySwitch {
  readonly counts: SwitchCounts = { mods: 0, reads: 0, counts: 0, bytesIn: 0, bytesOut: 0 };
  readonly table = new FlowTexts();
  readonly #number: number;
  readonly #ports: ReadonlyMap<string, number>;
  #rest = EMPTY;
  #role = 0;

  constructor(number: number, ports: ReadonlyMap<string, number>) {
    this.#number = number;
    this.#ports = ports;
  }

  /** A new connection; the table is as it was. */
  hello(): Uint8Array {
    this.#rest = EMPTY;
    return encode({ type: 'hello', versions: [4] }, 1);
  }

  /** Takes what the controller sent; its answers. */
  take(chunk: Buffer): Uint8Array[] {
    this.counts.bytesIn += chunk.length;
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const out: Uint8Array[] = [];
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = bytes.readUInt16BE(at + AT.length);
      if (bytes.length - at < length) break;
      this.#message(bytes, at, length, out);
      at += length;
    }
    this.#rest = at === bytes.length ? EMPTY : Buffer.from(bytes.subarray(at));
    for (const answer of out) this.counts.bytesOut += answer.length;
    return out;
  }

  #message(bytes: Buffer, at: number, length: number, out: Uint8Array[]): void {
    switch (bytes[at + 1]) {
      case TYPE.flowMod:
        this.counts.mods += 1;
        this.table.change(bytes, at, length);
        break;
      case TYPE.experimenter:
        // The flow-mod in a bundle; the bundle itself is passed over.
        if (bytes.readUInt32BE(at + AT.experimenterType) !== BUNDLE_ADD) break;
        this.#message(bytes, at + BUNDLED_AT, length - BUNDLED_AT, out);
        break;
      case TYPE.echoRequest:
      case TYPE.barrierRequest:
        out.push(answered(bytes, at, length));
        break;
      case TYPE.roleRequest:
        out.push(this.#roleAnswer(answered(bytes, at, length)));
        break;
      case TYPE.featuresRequest:
        out.push(encode(this.#features(), bytes.readUInt32BE(at + AT.xid)));
        break;
      case TYPE.multipartRequest:
        this.#multipart(bytes.readUInt16BE(at + AT.part), bytes.readUInt32BE(at + AT.xid), out);
        break;
    }
  }

  #features() {
    const datapathId = BigInt(this.#number);
    return { type: 'features-reply', datapathId, ...{ bufferCount: 0, tableCount: 254 }, ...NO_FEATURES } as const;
  }

  // The only controller is the master that it asks to be.
  #roleAnswer(reply: Buffer): Buffer {
    const asked = reply.readUInt32BE(AT.role);
    if (asked !== ROLE_NO_CHANGE) this.#role = asked;
    reply.writeUInt32BE(this.#role, AT.role);
    return reply;
  }

  #multipart(part: number, xid: number, out: Uint8Array[]): void {
    if (part === PART.flow) this.#tellFlows(xid, out);
    else if (part === PART.aggregate) this.#tellCount(xid, out);
    else if (part === PART.portDesc) this.#tellPorts(xid, out);
  }

  #tellFlows(xid: number, out: Uint8Array[]): void {
    this.counts.reads += 1;
    const parts = [...this.table.parts(REPLY_BYTES_MAX)];
    for (const [index, part] of parts.entries()) {
      const head = replyHead(PART.flow, xid, AT.body + part.length, index < parts.length - 1);
      out.push(Buffer.concat([head, part]));
    }
  }

  #tellCount(xid: number, out: Uint8Array[]): void {
    this.counts.counts += 1;
    const reply = Buffer.alloc(AGGREGATE.bytes);
    replyHead(PART.aggregate, xid, AGGREGATE.bytes, false).copy(reply);
    reply.writeUInt32BE(this.table.size, AGGREGATE.flowCount);
    out.push(reply);
  }

  #tellPorts(xid: number, out: Uint8Array[]): void {
    const ports = [...this.#ports].map(([name, portNo]) => portOf(name, portNo));
    for (let at = 0; at < ports.length; at += PORTS_PER_REPLY) {
      const reply = { type: 'multipart-reply', part: 'port-desc', more: at + PORTS_PER_REPLY < ports.length } as const;
      out.push(encode({ ...reply, ports: ports.slice(at, at + PORTS_PER_REPLY) }, xid));
    }
  }
}

const NO_FEATURES = { auxiliaryId: 0, capabilities: 0 } as const;

/** The same message as an answer: one more in type. */
function answered(bytes: Buffer, at: number, length: number): Buffer {
  const reply = Buffer.from(bytes.subarray(at, at + length));
  reply[1] = (reply[1] ?? 0) + 1;
  return reply;
}

function replyHead(part: number, xid: number, length: number, more: boolean): Buffer {
  const head = Buffer.alloc(AT.body);
  head.writeUInt8(4, 0);
  head.writeUInt8(TYPE.multipartReply, 1);
  head.writeUInt16BE(length, AT.length);
  head.writeUInt32BE(xid, AT.xid);
  head.writeUInt16BE(part, AT.part);
  head.writeUInt16BE(more ? MORE : 0, AT.flags);
  return head;
}

function portOf(name: string, portNo: number): Port {
  const speeds = { current: 0, advertised: 0, supported: 0, peer: 0, currentKbps: 0, maxKbps: 0 };
  return { portNo, name, hwAddress: ethAddress('02:00:00:00:00:01'), config: 0, state: 0, ...speeds };
}
