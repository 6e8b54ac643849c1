// The words in which a person says an image's policy, and how it is shown with the copies that it asks for. What one policy
// has no use for is refused, not dropped.
import { InvalidArgumentError, Option } from 'commander';
import { OperationError } from '../../common/errors.ts';
import type { CopiesShown } from '../../wire/contracts/blockd.ts';
import type { CopyScope, PropagationPolicy, SnapshotSchedule } from '../../wire/contracts/propagation.ts';

const MODES = ['on-demand', 'proactive', 'sync', 'sync-write'] as const;
type Mode = (typeof MODES)[number];

/** As typed. */
export interface PolicyOptions {
  readonly policy?: Mode;
  readonly copies?: number;
  readonly scope?: CopyScope;
  readonly whenDegraded?: 'wait' | 'continue';
}

const COPIES_MIN = 2;
const COPIES_MAX = 16;

function copies(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= COPIES_MIN && value <= COPIES_MAX) return value;
  throw new InvalidArgumentError(`'${text}' is no number of copies from ${COPIES_MIN} to ${COPIES_MAX}.`);
}

/** The options of `propagation set`. */
export function policyOptions(): Option[] {
  return [
    new Option(
      '--policy <policy>',
      'on-demand: blocks cross when they are read; proactive: ahead of that; sync: a flush waits for copies; sync-write: each write does',
    ).choices(MODES),
    new Option(
      '--copies <n>',
      "stores that have everything before a flush is answered, the writer's own included",
    ).argParser(copies),
    new Option('--scope <where>', "where they are: other nodes of the writer's cloud, or other clouds").choices([
      'cloud',
      'world',
    ]),
    new Option(
      '--when-degraded <what>',
      'without enough stores: wait for them, or continue with fewer and say so',
    ).choices(['wait', 'continue']),
  ];
}

/** The policy that is asked for; undefined when none is. @throws OperationError USAGE */
export function policyOf(before: PropagationPolicy, options: PolicyOptions): PropagationPolicy | undefined {
  const { policy = before.mode, copies: number, scope, whenDegraded } = options;
  const isOfCopies = policy === 'sync' || policy === 'sync-write';
  if (!isOfCopies && (number ?? scope ?? whenDegraded) !== undefined) {
    throw new OperationError('USAGE', `policy ${policy} has no copies`, {
      remedy: 'Say --policy sync with --copies, --scope and --when-degraded.',
    });
  }
  if (options.policy === undefined && (number ?? scope ?? whenDegraded) === undefined) return undefined;
  if (policy === 'on-demand' || policy === 'proactive') return { mode: policy };
  if (!isOfCopies) return before;
  const known = before.mode === 'sync' || before.mode === 'sync-write' ? before : DEFAULT_COPIES;
  return {
    mode: policy,
    copies: number ?? known.copies,
    scope: scope ?? known.scope,
    whenDegraded: whenDegraded ?? known.whenDegraded,
  };
}

const DEFAULT_COPIES = { copies: 2, scope: 'world', whenDegraded: 'wait' } as const;

/** The policy for a person. */
export function describePolicy(policy: PropagationPolicy): string {
  switch (policy.mode) {
    case 'on-demand':
    case 'proactive':
      return policy.mode;
    case 'sync':
    case 'sync-write': {
      const where = policy.scope === 'cloud' ? "nodes of the writer's cloud" : 'clouds';
      const otherwise = policy.whenDegraded === 'wait' ? 'waits without them' : 'goes on without them, and says so';
      return `${policy.mode}: ${policy.copies} copies in as many ${where}; ${otherwise}`;
    }
    case 'async':
      return `async: at most ${policy.rpoSeconds} s are lost, shipped to ${policy.place}`;
  }
}

/** How the copies stand, a line each. */
export function describeCopies(shown: CopiesShown): string[] {
  const { copies: asked, safeOn, forming, degraded, waitingFlushes, stores } = shown;
  const state = degraded
    ? '; flushes are answered with fewer'
    : waitingFlushes > 0
      ? `; ${waitingFlushes} flushes wait`
      : forming
        ? '; forming: no flush waits for what is still being filled'
        : '';
  return [
    `safe on  ${safeOn} of ${asked}${state}`,
    ...stores.map(
      ({ node, durableSequence, reason }) =>
        `copy     ${node}: ${durableSequence === null ? reason : 'has everything that was flushed, but for what is on its way'}`,
    ),
  ];
}

/** `6h:beta:7`: a snapshot so often, brought to a place, so many kept; or none. */
export function schedule(text: string): SnapshotSchedule | null {
  if (text === 'none') return null;
  const [, every = '', unit = '', place = '', keep = ''] = SCHEDULE.exec(text) ?? [];
  const everySeconds = Number(every) * (SECONDS[unit] ?? 0);
  if (everySeconds >= EVERY_SECONDS_MIN && Number(keep) >= 1 && Number(keep) <= KEEP_MAX) {
    return { everySeconds, place, keep: Number(keep) };
  }
  throw new InvalidArgumentError(
    `'${text}' is no EVERY:PLACE:KEEP; write 6h:beta:7 (from ${EVERY_SECONDS_MIN} s on, m, h and d are understood too), or none.`,
  );
}

const SCHEDULE = /^([0-9]{1,6})([smhd]):([a-z][a-z0-9-]{0,39}):([0-9]{1,4})$/;
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const EVERY_SECONDS_MIN = 60;
const KEEP_MAX = 1_000;

/** The schedule for a person, in a line or none. */
export function describeSchedule(snapshots: SnapshotSchedule | null): string[] {
  if (snapshots === null) return [];
  const { everySeconds, place, keep } = snapshots;
  return [`snapshots    each ${everySeconds} s to ${place}, the newest ${keep} are kept`];
}
