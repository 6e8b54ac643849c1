// A reading position within the bytes of one message: big-endian numbers, addresses, sub-structures. Every read is
// bounded by the structure's end; what runs past it is Malformed. Never copies: byte strings are views of the message.

import type { EthAddress } from './addresses.ts';
import type { WireError } from './error-codes.ts';
import { type BadCode, Malformed, type Place } from './faults.ts';

const HEX_OF_BYTE = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export class Cursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  readonly #place: Place;
  #at: number;

  constructor(bytes: Uint8Array, view: DataView, start: number, end: number, place: Place = 'message') {
    this.#bytes = bytes;
    this.#view = view;
    this.#at = start;
    this.#end = end;
    this.#place = place;
  }

  static over(bytes: Uint8Array): Cursor {
    // A plain Uint8Array even where the bytes are a subclass, whose `slice` may be a view and not a copy.
    const plain =
      bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    return new Cursor(plain, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
  }

  get left(): number {
    return this.#end - this.#at;
  }

  /** A fault of the structure that this cursor reads, for the caller to throw. */
  fault(code: BadCode, detail: string, answer?: WireError): Malformed {
    return new Malformed(code, detail, this.#place, answer);
  }

  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#end) {
      throw this.fault('truncated', `${count} bytes wanted at offset ${at}, the structure ends at ${this.#end}`);
    }
    this.#at = at + count;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u24(): number {
    const at = this.#take(3);
    return this.#view.getUint16(at) * 256 + this.#view.getUint8(at + 2);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  u128(): bigint {
    const at = this.#take(16);
    return (this.#view.getBigUint64(at) << 64n) | this.#view.getBigUint64(at + 8);
  }

  eth(): EthAddress {
    const at = this.#take(6);
    let text = '';
    for (let i = 0; i < 6; i++) text += (i === 0 ? '' : ':') + HEX_OF_BYTE[this.#view.getUint8(at + i)];
    return text as EthAddress;
  }

  /** A string in a field of `count` bytes, ended by the first zero byte or the last byte. One character per byte. */
  text(count: number): string {
    const at = this.#take(count);
    const field = this.#bytes.subarray(at, at + count - 1);
    const zero = field.indexOf(0);
    return String.fromCharCode(...(zero < 0 ? field : field.subarray(0, zero)));
  }

  /** Steps over padding, whatever it holds. */
  skip(count: number): void {
    this.#take(count);
  }

  /** A view of the next `count` bytes. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  /** A view of all that is left. */
  rest(): Uint8Array {
    return this.bytes(this.left);
  }

  /** A cursor over the next `count` bytes; this one steps behind them. `place` names the structure that they are. */
  part(count: number, place: Place = this.#place): Cursor {
    const at = this.#take(count);
    return new Cursor(this.#bytes, this.#view, at, at + count, place);
  }

  /** A cursor over all that is left, as the structure `place`. */
  as(place: Place): Cursor {
    return this.part(this.left, place);
  }

  /** A second cursor at the same place, for a reading that may be given up. */
  fork(): Cursor {
    return new Cursor(this.#bytes, this.#view, this.#at, this.#end, this.#place);
  }

  /** Asserts that the structure has been read to its end. */
  close(what: string): void {
    if (this.left > 0) throw this.fault('bad-size', `${what} has ${this.left} bytes too many`);
  }
}
