// What is measured: each case is one load, the same for all servers. Facts only.

export type CaseKind = 'warm' | 'cold' | 'beside' | 'qemu-img';

/** One load over one connection. */
export interface NbdCase {
  readonly name: string;
  readonly kind: CaseKind;
  /** fio's word; of qemu-img only whether it writes counts. */
  readonly rw: 'randread' | 'randwrite' | 'read' | 'write';
  readonly blockBytes: number;
  readonly depth: number;
}

const KIB = 2 ** 10;
const MIB = 2 ** 20;

export const CASES: readonly NbdCase[] = [
  { name: 'read-qd1', kind: 'warm', rw: 'randread', blockBytes: 4 * KIB, depth: 1 },
  { name: 'write-qd1', kind: 'warm', rw: 'randwrite', blockBytes: 4 * KIB, depth: 1 },
  { name: 'read-qd32', kind: 'warm', rw: 'randread', blockBytes: 4 * KIB, depth: 32 },
  { name: 'write-qd32', kind: 'warm', rw: 'randwrite', blockBytes: 4 * KIB, depth: 32 },
  { name: 'seq-read-64k', kind: 'warm', rw: 'read', blockBytes: 64 * KIB, depth: 8 },
  { name: 'seq-write-64k', kind: 'warm', rw: 'write', blockBytes: 64 * KIB, depth: 8 },
  { name: 'seq-read-1m', kind: 'warm', rw: 'read', blockBytes: MIB, depth: 4 },
  { name: 'seq-write-1m', kind: 'warm', rw: 'write', blockBytes: MIB, depth: 4 },
  { name: 'qemu-img-read-qd32', kind: 'qemu-img', rw: 'read', blockBytes: 4 * KIB, depth: 32 },
  { name: 'qemu-img-write-qd32', kind: 'qemu-img', rw: 'write', blockBytes: 4 * KIB, depth: 32 },
  { name: 'cold-read-qd1', kind: 'cold', rw: 'randread', blockBytes: 4 * KIB, depth: 1 },
  { name: 'cold-read-qd32', kind: 'cold', rw: 'randread', blockBytes: 4 * KIB, depth: 32 },
  { name: 'hot-beside-cold', kind: 'beside', rw: 'randread', blockBytes: 4 * KIB, depth: 1 },
];
