// A switch that is nothing but its side of an OpenFlow connection: it says that frames came in, and counts what it is told to do
// with them. Made to cost little, so that the controller is what is measured. No socket of its own.
import { decode, encode, type Message, NO_BUFFER, type Port } from '@openflow/ofp';
import { ethOf } from '../../sdnd/alone/host-table.ts';

export const PORTS = 8;
export const HOSTS = 64;
const FRAME_BYTES = 64;
/** A frame from a port and not of the controller's own making has such a number (OpenFlow 1.3.5, 7.2.1). */
const PORT_MAX = 0xffffff00;
const BROADCAST = 0xffff_ffff_ffff;
const TYPE = { echoRequest: 2, packetOut: 13, flowMod: 14, barrierRequest: 20 } as const;
/** Where in its message what lies (7.1, 7.3.4.1, 7.3.7, 7.4.1 with a match of the port alone). */
const AT = {
  length: 2,
  xid: 4,
  modBuffer: 32,
  outBuffer: 8,
  outInPort: 12,
  inBuffer: 8,
  inPort: 32,
  inFrame: 42,
} as const;
const HEADER_BYTES = 8;
const EMPTY = Buffer.alloc(0);

/** What came of some bytes: answers to be sent, and frames that the controller has dealt with. */
export interface Taken {
  readonly out: readonly Uint8Array[];
  readonly responses: number;
}

export class EmulatedSwitch {
  flowMods = 0;
  readonly #number: number;
  readonly #isBuffered: boolean;
  readonly #template: Buffer;
  #rest = EMPTY;
  #sent = 0;

  constructor(number: number, isBuffered: boolean) {
    this.#number = number;
    this.#isBuffered = isBuffered;
    this.#template = Buffer.from(packetIn());
  }

  hello(): Uint8Array {
    return encode({ type: 'hello', versions: [4] }, 1);
  }

  /** Every host says that it is there. */
  announcements(): Buffer {
    const all = Array.from({ length: HOSTS }, (_, host) => this.#frame(host, BROADCAST, NO_BUFFER));
    return Buffer.concat(all);
  }

  /** The next frames, each from a host to another one at another port. */
  frames(count: number): Buffer {
    const all = Buffer.allocUnsafe(count * this.#template.length);
    for (let i = 0; i < count; i += 1) {
      const from = this.#sent % HOSTS;
      // Neighbours in number are at different ports; the stride changes with each round over the hosts.
      const stride = 1 + (Math.floor(this.#sent / HOSTS) % (HOSTS - 1));
      const to = (from + (stride % PORTS === 0 ? stride - 1 : stride)) % HOSTS;
      this.#sent += 1;
      const buffer = this.#isBuffered ? this.#sent & 0x7fff_ffff : NO_BUFFER;
      this.#write(all, i * this.#template.length, from, this.#macOf(to), buffer);
    }
    return all;
  }

  /** Takes what the controller sent. */
  take(chunk: Buffer): Taken {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const out: Uint8Array[] = [];
    let responses = 0;
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = bytes.readUInt16BE(at + AT.length);
      if (bytes.length - at < length) break;
      if (this.#isResponse(bytes, at)) responses += 1;
      else this.#answer(bytes, at, length, out);
      at += length;
    }
    this.#rest = at === bytes.length ? EMPTY : Buffer.from(bytes.subarray(at));
    return { out, responses };
  }

  // A buffered frame is released by its number; one that was sent whole comes back whole, after its entry.
  #isResponse(bytes: Buffer, at: number): boolean {
    const type = bytes[at + 1];
    if (type === TYPE.flowMod) {
      this.flowMods += 1;
      return bytes.readUInt32BE(at + AT.modBuffer) !== NO_BUFFER;
    }
    if (type !== TYPE.packetOut) return false;
    if (bytes.readUInt32BE(at + AT.outBuffer) !== NO_BUFFER) return true;
    return !this.#isBuffered && bytes.readUInt32BE(at + AT.outInPort) <= PORT_MAX;
  }

  #answer(bytes: Buffer, at: number, length: number, out: Uint8Array[]): void {
    const type = bytes[at + 1];
    if (type === TYPE.flowMod || type === TYPE.packetOut) return;
    if (type === TYPE.barrierRequest || type === TYPE.echoRequest) {
      const reply = Buffer.from(bytes.subarray(at, at + length));
      reply[1] = type + 1;
      out.push(reply);
      return;
    }
    const result = decode(bytes.subarray(at, at + length));
    const answer = result.kind === 'message' ? this.#answerTo(result.message) : undefined;
    if (answer !== undefined) out.push(encode(answer, bytes.readUInt32BE(at + AT.xid)));
  }

  #answerTo(message: Message): Message | undefined {
    switch (message.type) {
      case 'features-request': {
        const datapathId = BigInt(this.#number + 1);
        return { type: 'features-reply', datapathId, bufferCount: 256, tableCount: 1, auxiliaryId: 0, capabilities: 0 };
      }
      case 'get-config-request':
        return { type: 'get-config-reply', flags: 0, missSendBytes: 128 };
      case 'role-request':
        return { ...message, type: 'role-reply' };
      case 'multipart-request': {
        const reply = { type: 'multipart-reply', more: false } as const;
        if (message.part === 'port-desc') return { ...reply, part: 'port-desc', ports: portDescs() };
        return message.part === 'flow' ? { ...reply, part: 'flow', flows: [] } : undefined;
      }
      default:
        return undefined;
    }
  }

  #frame(from: number, to: number, bufferId: number): Buffer {
    const one = Buffer.allocUnsafe(this.#template.length);
    this.#write(one, 0, from, to, bufferId);
    return one;
  }

  #write(into: Buffer, at: number, from: number, to: number, bufferId: number): void {
    this.#template.copy(into, at);
    into.writeUInt32BE(bufferId, at + AT.inBuffer);
    into.writeUInt32BE(1 + (from % PORTS), at + AT.inPort);
    into.writeUIntBE(to, at + AT.inFrame, 6);
    into.writeUIntBE(this.#macOf(from), at + AT.inFrame + 6, 6);
  }

  #macOf(host: number): number {
    return 0x02_0000_0000_00 + this.#number * 2 ** 16 + host;
  }
}

/** A UDP datagram of 64 bytes on the wire, in a packet-in. */
function packetIn(): Uint8Array {
  const data = new Uint8Array(FRAME_BYTES);
  data.set([0x08, 0x00, 0x45, 0, 0, 50, 0, 0, 0, 0, 64, 17], 12);
  data.set([10, 0, 0, 1, 10, 0, 0, 2, 0, 9, 0, 9, 0, 30], 26);
  const base = { type: 'packet-in', bufferId: NO_BUFFER, totalBytes: data.length, reason: 'no-match' } as const;
  return encode({ ...base, tableId: 0, cookie: 0n, match: { inPort: 1 }, data }, 0);
}

function portDescs(): Port[] {
  const speeds = { current: 0, advertised: 0, supported: 0, peer: 0, currentKbps: 0, maxKbps: 0 };
  return Array.from({ length: PORTS }, (_, i) => ({
    ...{ portNo: i + 1, hwAddress: ethOf(i + 1), name: `p${i + 1}`, config: 0, state: 0 },
    ...speeds,
  }));
}
