// Numbers on the command line: what is no number is refused with the words that were typed.
import { InvalidArgumentError } from 'commander';

/** A whole number from 0. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError(`'${text}' is no whole number.`);
  return value;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** A size in bytes, with K, M, G or T for powers of 1024. */
export function byteSize(text: string): number {
  const match = /^(\d+)([KMGT]?)$/.exec(text.toUpperCase());
  const unit = UNITS[match?.[2] ?? ''];
  if (match === null || unit === undefined) throw new InvalidArgumentError(`'${text}' is no size; write 512M or 1G.`);
  return wholeNumber(match[1] ?? '') * unit;
}
