// Bytes of packets in network order, read and written strictly. Must never read past what is there: what is missing or
// left over is a fault of the packet, thrown as `BadPacket` and caught where the frame came in.
import { type EthAddress, ethAddress } from '@openflow/ofp';

/** What is wrong with a packet: stable words, to be counted and logged. */
export type PacketFault = 'truncated' | 'too-long' | 'checksum' | 'field' | 'fragment';

/** A packet that a peer sent is not what its protocol allows. */
export class BadPacket extends Error {
  override readonly name = 'BadPacket';
  readonly protocol: string;
  readonly fault: PacketFault;

  constructor(protocol: string, fault: PacketFault) {
    super(`${protocol}: ${fault}`);
    this.protocol = protocol;
    this.fault = fault;
  }
}

const MAC_BYTES = 6;
const IPV6_BYTES = 16;

/** Reads one header after the other. @throws BadPacket 'truncated', under the protocol's name */
export class OctetReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #protocol: string;
  #at = 0;

  constructor(protocol: string, bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#protocol = protocol;
  }

  /** Bytes that are still to be read. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  mac(): EthAddress {
    const at = this.#take(MAC_BYTES);
    const digits = Array.from(this.#bytes.subarray(at, at + MAC_BYTES), (byte) => byte.toString(16).padStart(2, '0'));
    return ethAddress(digits.join(':'));
  }

  ipv6(): bigint {
    const at = this.#take(IPV6_BYTES);
    return (this.#view.getBigUint64(at) << 64n) | this.#view.getBigUint64(at + 8);
  }

  /** A view of the next bytes. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** A view of all that is left. */
  rest(): Uint8Array {
    return this.bytes(this.left);
  }

  /** @throws BadPacket 'field' unless it is so. */
  expect(isSo: boolean): void {
    if (!isSo) throw new BadPacket(this.#protocol, 'field');
  }

  #take(length: number): number {
    if (length > this.left) throw new BadPacket(this.#protocol, 'truncated');
    const at = this.#at;
    this.#at += length;
    return at;
  }
}

/** Fills a packet of a length that is known beforehand; what is not written is zero. */
export class OctetWriter {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
  }

  u8(value: number): this {
    this.#view.setUint8(this.#take(1), value);
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#take(2), value);
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#take(4), value);
    return this;
  }

  mac(address: EthAddress): this {
    for (const digits of address.split(':')) this.u8(Number.parseInt(digits, 16));
    return this;
  }

  ipv6(address: bigint): this {
    const at = this.#take(IPV6_BYTES);
    this.#view.setBigUint64(at, address >> 64n);
    this.#view.setBigUint64(at + 8, BigInt.asUintN(64, address));
    return this;
  }

  put(part: Uint8Array): this {
    this.bytes.set(part, this.#take(part.length));
    return this;
  }

  skip(length: number): this {
    this.#take(length);
    return this;
  }

  /** Writes 16 bits at a place that was passed by before, for a checksum. */
  setU16(at: number, value: number): this {
    this.#view.setUint16(at, value);
    return this;
  }

  #take(length: number): number {
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
