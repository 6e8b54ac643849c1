// What is measured: where the disk lies and what goes ahead of the guest, TOCS 2017, section 4.4, and two more to compare
// with. Names as they are printed.
import type { PropagationPolicy } from '../../../wire/contracts/propagation.ts';

/** Where a guest's disk is and how it follows the guest. */
export type Disk =
  /** In our blockd: blocks go as the policy says; `pull` fetches what is missing after the move. */
  | { readonly kind: 'ours'; readonly policy: PropagationPolicy; readonly pull: boolean }
  /** On an NFS server in the old cloud, before and after the move. */
  | { readonly kind: 'nfs' }
  /** A file that QEMU mirrors whole before it moves the memory. */
  | { readonly kind: 'mirror' };

export interface Subject {
  readonly name: string;
  readonly disk: Disk;
  readonly moves: boolean;
}

const ON_DEMAND = { mode: 'on-demand' } as const;
const PUSHED = { mode: 'proactive' } as const;
/** Each write is answered once it is durable in another cloud too: the paper's strongly consistent store. */
const SYNC_ON_WRITE = { mode: 'sync-write', copies: 2, scope: 'world', whenDegraded: 'wait' } as const;

/** The guest that stays: what the others are compared with. */
export const UNMIGRATED = 'unmigrated';
/** The policy that is to be done first. */
export const PROACTIVE = 'proactive';
/** What an image has unless told otherwise. */
export const PULLED = 'on-demand, pull';

/**
 * On-demand is the paper's: nothing ahead and nothing in the background, a block crosses when it is read. With the pull
 * after the move is what an image has unless told otherwise; proactive has it too, the hottest first.
 */
export const SUBJECTS: readonly Subject[] = [
  { name: UNMIGRATED, disk: { kind: 'ours', policy: ON_DEMAND, pull: false }, moves: false },
  { name: 'NFS', disk: { kind: 'nfs' }, moves: true },
  { name: 'sync-on-write', disk: { kind: 'ours', policy: SYNC_ON_WRITE, pull: false }, moves: true },
  { name: 'on-demand', disk: { kind: 'ours', policy: ON_DEMAND, pull: false }, moves: true },
  { name: PROACTIVE, disk: { kind: 'ours', policy: PUSHED, pull: true }, moves: true },
  { name: PULLED, disk: { kind: 'ours', policy: ON_DEMAND, pull: true }, moves: true },
  { name: 'QEMU mirror', disk: { kind: 'mirror' }, moves: true },
];

/** Those with the word in their name; all without one. */
export function chosenSubjects(only: string | undefined): readonly Subject[] {
  return SUBJECTS.filter(({ name }) => only === undefined || name.toLowerCase().includes(only.toLowerCase()));
}
