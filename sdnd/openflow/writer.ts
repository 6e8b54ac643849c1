// The writing position of one message: big-endian numbers, addresses, padding, lengths patched in later. Every number is
// checked against its width, so that a wrong one is an EncodeError and never a silently cut value on the wire.

import { type EthAddress, ethAddress } from './addresses.ts';
import { EncodeError } from './faults.ts';

/** A message's length is 16 bits wide (OpenFlow 1.3.5, 7.1). */
export const MESSAGE_BYTES_MAX = 0xffff;

// One scratch buffer for all messages: encoding is synchronous and copies the finished message out.
const scratch = new Uint8Array(MESSAGE_BYTES_MAX);
const scratchView = new DataView(scratch.buffer);

export class Writer {
  #at = 0;

  get at(): number {
    return this.#at;
  }

  #take(count: number): number {
    const at = this.#at;
    if (at + count > MESSAGE_BYTES_MAX) {
      throw new EncodeError('message-too-long', `the message passes ${MESSAGE_BYTES_MAX} bytes; split it`);
    }
    this.#at = at + count;
    return at;
  }

  u8(value: number, name: string): void {
    if ((value & 0xff) !== value) throw outOfRange(name, value, 8);
    scratchView.setUint8(this.#take(1), value);
  }

  u16(value: number, name: string): void {
    if ((value & 0xffff) !== value) throw outOfRange(name, value, 16);
    scratchView.setUint16(this.#take(2), value);
  }

  u24(value: number, name: string): void {
    if ((value & 0xffffff) !== value) throw outOfRange(name, value, 24);
    const at = this.#take(3);
    scratchView.setUint16(at, value >>> 8);
    scratchView.setUint8(at + 2, value & 0xff);
  }

  u32(value: number, name: string): void {
    if (value >>> 0 !== value) throw outOfRange(name, value, 32);
    scratchView.setUint32(this.#take(4), value);
  }

  u64(value: bigint, name: string): void {
    if (BigInt.asUintN(64, value) !== value) throw outOfRange(name, value, 64);
    scratchView.setBigUint64(this.#take(8), value);
  }

  u128(value: bigint, name: string): void {
    if (BigInt.asUintN(128, value) !== value) throw outOfRange(name, value, 128);
    this.u64(value >> 64n, name);
    this.u64(BigInt.asUintN(64, value), name);
  }

  eth(address: EthAddress): void {
    if (address.length !== 17) ethAddress(address);
    const at = this.#take(6);
    for (let i = 0; i < 6; i++) {
      const byte = nibble(address, i * 3) * 16 + nibble(address, i * 3 + 1);
      // Only a caller without types gets here with a text that was never checked.
      if (Number.isNaN(byte)) ethAddress(address);
      scratchView.setUint8(at + i, byte);
    }
  }

  /** A string of one byte per character in a field of `count` bytes, zero filled; the last byte stays zero. */
  text(value: string, count: number, name: string): void {
    if (value.length >= count)
      throw new EncodeError('out-of-range', `${name} '${value}' has over ${count - 1} characters`);
    const at = this.pad(count);
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code === 0 || code > 0xff) throw outOfRange(`${name}, character ${i}`, code, 8);
      scratchView.setUint8(at + i, code);
    }
  }

  bytes(value: Uint8Array): void {
    scratch.set(value, this.#take(value.length));
  }

  /** Zero bytes; answers where they begin. */
  pad(count: number): number {
    const at = this.#take(count);
    // Most padding is of a few bytes, for which a call of fill costs more than it clears.
    if (count > 8) scratch.fill(0, at, at + count);
    else for (let i = at; i < at + count; i++) scratch[i] = 0;
    return at;
  }

  /** Zero bytes up to a multiple of 8 counted from `start`. */
  pad8(start: number): void {
    this.pad((8 - ((this.#at - start) % 8)) % 8);
  }

  /** Leaves room for a 16-bit length; answers where, for `setLength`. */
  length(): number {
    return this.pad(2);
  }

  /** Fills the length at `place` with the bytes from `start` to here. */
  setLength(place: number, start: number): void {
    scratchView.setUint16(place, this.#at - start);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return scratch.slice(0, this.#at);
  }
}

/** The value of a hexadecimal digit; NaN if it is none. Addresses are written a million times a second. */
function nibble(text: string, index: number): number {
  const code = text.charCodeAt(index);
  if (code >= 48 && code <= 57) return code - 48;
  return code >= 97 && code <= 102 ? code - 87 : Number.NaN;
}

function outOfRange(name: string, value: number | bigint, bits: number): EncodeError {
  return new EncodeError('out-of-range', `${name} ${value} is no unsigned ${bits}-bit number`);
}
