// What every move in the benchmark is given, ours and the peer's alike.

/** The memory stream's share of the link: a tenth is left to the guest and the calls. */
export const MAX_BANDWIDTH_BYTES_PER_SECOND = 22_500_000;
/** The last pass over the memory may take this long. */
export const DOWNTIME_LIMIT_MS = 50;
/** Where from and where to. */
export const FROM = 'alpha';
export const TO = 'beta';

/** CPU seconds per GB. */
export function perGb(seconds: number, bytes: number): number {
  return seconds / (bytes / 1e9);
}
