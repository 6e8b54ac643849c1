// The system calls that are struck, and how often they were made, from what strace wrote. Not a test itself.

/** System calls by which anything comes to be on a disk; a question mark where not every processor has it. */
export const STORING_CALLS = [
  'pwrite64',
  'pwritev',
  'write',
  'fdatasync',
  'fsync',
  'fallocate',
  'ftruncate',
  '?rename',
  'renameat',
  '?unlink',
  'unlinkat',
] as const;
export type StoringCall = (typeof STORING_CALLS)[number];

/** How often a thread made each call, the busiest thread's; of a trace with a thread's number before each call. */
export function countCalls(text: string): Map<string, number> {
  const byThread = new Map<string, number>();
  const counts = new Map<string, number>();
  for (const [, thread = '', call = ''] of text.matchAll(/^(\d+) +(\w+)\(/gm)) {
    const count = (byThread.get(`${thread} ${call}`) ?? 0) + 1;
    byThread.set(`${thread} ${call}`, count);
    counts.set(call, Math.max(counts.get(call) ?? 0, count));
  }
  return counts;
}
