// The status that a guest reports on its control port and as /status.json (written by load.pl). It must believe nothing that it has not checked.
import Type, { type Static } from '#typebox';
import { SchemaCheck } from '../../common/schema-check.ts';

const Count = Type.Integer({ minimum: 0 });

const StatusSchema = Type.Object({
  /** Drawn by the guest's kernel at each boot: equal before and after a move, new after a restart. */
  bootId: Type.String(),
  uptimeSeconds: Type.Number({ minimum: 0 }),
  /** Records written and acknowledged; fsyncs that ended well. */
  writes: Count,
  syncs: Count,
  /** Records read back that were exactly the last acknowledged one of their place, and those that were not. */
  verified: Count,
  bad: Count,
  /** Disk requests of the load that failed. */
  errors: Count,
  /** I/O and file system errors in the kernel's log. */
  kernelErrors: Count,
  /** Completed answers to `verify`: each read back every record. */
  sweeps: Count,
  /** The longest that one disk request took, since boot. */
  slowestDiskMs: Count,
  /** Pages dirtied, and pages found changed by someone else. */
  memoryPages: Count,
  memoryBad: Count,
  /** Of the connection from a host of the Internet: its lines in order, those out of order, and why it is gone; empty while it lives. */
  outsideLines: Count,
  outsideWrong: Count,
  outsideLost: Type.String(),
  /** The longest wait for a line beyond its time, since the last order to use the Internet. */
  outsideGapMs: Count,
  /** New connections there that brought what was asked for, those that did not, and the longest since that order. */
  outsideFetches: Count,
  outsideFailed: Count,
  outsideSlowestMs: Count,
  /** By which address the host sees the guest, as it says itself; empty while nothing was fetched. */
  outsideSeen: Type.String(),
  /** Processes of the load that ended, of three. */
  workersLost: Count,
  /** The last failure in words, or empty. */
  lastProblem: Type.String(),
  /** The parameters in force: see `LoadParameters`. */
  load: Type.Record(Type.String(), Type.Number()),
});

const STATUS = new SchemaCheck(StatusSchema);

/** What a guest says about itself. */
export type GuestStatus = Static<typeof StatusSchema>;

/** The guest said something that is no status; `text` is what it said, cut. */
export class GuestStatusError extends Error {
  override readonly name = 'GuestStatusError';
  readonly code = 'guest-status';
  readonly text: string;

  constructor(text: string) {
    super(`the guest's answer is no status: ${text.slice(0, 200)}`);
    this.text = text.slice(0, 200);
  }
}

/** Decodes one status line. Fails with {@link GuestStatusError}, also when the guest reports that it refused a command. */
export function parseGuestStatus(line: string): GuestStatus {
  const value = parseJson(line);
  if (!STATUS.accepts(value)) throw new GuestStatusError(line);
  return value;
}

/** What is wrong with a guest, in words; empty when nothing is. */
export function guestProblems(status: GuestStatus): string[] {
  const counts = ['bad', 'errors', 'kernelErrors', 'memoryBad', 'workersLost'] as const;
  const found = counts.filter((name) => status[name] > 0).map((name) => `${name} ${status[name]}`);
  return status.lastProblem === '' ? found : [...found, status.lastProblem];
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw new GuestStatusError(line);
  }
}
