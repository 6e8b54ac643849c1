// Sizes in bytes as people write them, 512M or 1G; what is not one is left to the caller to refuse.

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** A whole number of bytes, or of K, M, G or T for powers of 1024; undefined for anything else. */
export function parseByteSize(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d+)([KMGT]?)$/.exec(text.toUpperCase()) ?? [];
  const bytes = Number(digits) * (UNITS[unit] ?? 1);
  return digits !== '' && Number.isSafeInteger(bytes) ? bytes : undefined;
}
