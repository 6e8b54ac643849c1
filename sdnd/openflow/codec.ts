// The shape of one message's codec, which every message room fills, and the reading and writing of words by number.

import type { Cursor } from './cursor.ts';
import { EncodeError, Malformed } from './faults.ts';
import type { Writer } from './writer.ts';

/** How one message's body, behind the 8 bytes of header, is written and read. */
export interface MessageCodec<M> {
  /** The header's type, enum ofp_type (OpenFlow 1.3.5, 7.1). */
  readonly wireType: number;
  write(writer: Writer, message: M): void;
  /** Reads the whole body; bytes left over are the caller's to refuse. */
  read(cursor: Cursor): M;
}

/** The number of a word of a table whose place is its number. */
export function numberOf<W extends string>(words: readonly W[], word: W, name: string): number {
  const number = words.indexOf(word);
  if (number < 0) throw new EncodeError('out-of-range', `${name} '${word}' is none of ${words.join(', ')}`);
  return number;
}

/** The word of a number; a number without a word is Malformed. */
export function wordOf<W extends string>(words: readonly W[], number: number, name: string): W {
  const word = words[number];
  if (word === undefined) throw new Malformed('bad-value', `${name} ${number} has no meaning`);
  return word;
}
