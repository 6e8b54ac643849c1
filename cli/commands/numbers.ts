// Numbers on the command line: what is no number is refused with the words that were typed.
import { InvalidArgumentError } from 'commander';
import { parseByteSize } from '../../common/terminal/byte-size.ts';

/** A whole number from 0. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError(`'${text}' is no whole number.`);
  return value;
}

/** A size in bytes, with K, M, G or T for powers of 1024. */
export function byteSize(text: string): number {
  const bytes = parseByteSize(text);
  if (bytes === undefined)
    throw new InvalidArgumentError(`'${text}' is no size; write 512M or 1G (a whole number, and K, M, G or T).`);
  return bytes;
}

/** What a limit that is taken away comes through commander as: a parser's null would become an empty text there. */
export const NONE = 'none';

/** As the parser, but null is `NONE`. */
export function orNone<T>(parse: (text: string) => T | null): (text: string) => T | typeof NONE {
  return (text) => parse(text) ?? NONE;
}

export function noneAsNull<T>(value: T | typeof NONE): T | null {
  return value === NONE ? null : value;
}
