// Sizes in bytes as people write them, 512M or 1G, and as they are told again; what is not one is left to the caller to refuse.
import { formatBytes } from './progress.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** A whole number of bytes, or of K, M, G or T for powers of 1024; undefined for anything else. */
export function parseByteSize(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d+)([KMGT]?)$/.exec(text.toUpperCase()) ?? [];
  const bytes = Number(digits) * (UNITS[unit] ?? 1);
  return digits !== '' && Number.isSafeInteger(bytes) ? bytes : undefined;
}

const STEPS = [
  [2 ** 40, 'TiB'],
  [2 ** 30, 'GiB'],
  [2 ** 20, 'MiB'],
] as const;
/** What is shown of a unit: 1.5 GiB, not 1.0625. */
const PARTS = 10;

/** A size that somebody ordered, as it was ordered: 64M is 64 MiB. One that is no such number is told as bytes are. */
export function formatByteSize(bytes: number): string {
  const step = STEPS.find(([unit]) => bytes >= unit && Number.isInteger((PARTS * bytes) / unit));
  return step === undefined ? formatBytes(bytes) : `${bytes / step[0]} ${step[1]}`;
}
