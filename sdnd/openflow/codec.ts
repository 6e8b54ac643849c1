// The shape of one message's codec, which every message room fills, and the reading and writing of words by number.

import type { Cursor } from './cursor.ts';
import type { WireError } from './error-codes.ts';
import { EncodeError, Malformed } from './faults.ts';
import type { Writer } from './writer.ts';

/** Whose message it is and which of theirs: what an experimenter's message begins with (OpenFlow 1.3.5, 7.5.4). */
export interface Extension {
  readonly experimenter: number;
  readonly experimenterType: number;
}

/** How one message's body, behind the 8 bytes of header, is written and read. */
export interface MessageCodec<M> {
  /** The header's type, enum ofp_type (OpenFlow 1.3.5, 7.1). */
  readonly wireType: number;
  /** Of an experimenter's message with a type here: the two numbers are written and read by the caller. */
  readonly extension?: Extension;
  write(writer: Writer, message: M): void;
  /** Reads the whole body; bytes left over are the caller's to refuse. */
  read(cursor: Cursor): M;
}

/** OFPT_EXPERIMENTER (7.1). */
export const EXPERIMENTER_TYPE = 4;

/** The number of a word of a table whose place is its number. */
export function numberOf<W extends string>(words: readonly W[], word: W, name: string): number {
  const number = words.indexOf(word);
  if (number < 0) throw new EncodeError('out-of-range', `${name} '${word}' is none of ${words.join(', ')}`);
  return number;
}

/** The word of a number; a number without a word is Malformed, to be answered by `answer`. */
export function wordOf<W extends string>(words: readonly W[], number: number, name: string, answer?: WireError): W {
  const word = words[number];
  if (word === undefined) {
    throw new Malformed('bad-value', `${name} ${number} has no meaning`, 'message', answer);
  }
  return word;
}

/** Reads structures up to the cursor's end. */
export function readAll<T>(cursor: Cursor, read: (cursor: Cursor) => T): T[] {
  const all: T[] = [];
  while (cursor.left > 0) all.push(read(cursor));
  return all;
}
