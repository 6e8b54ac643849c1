// The words in which a person says an image's policy, and how it is shown with the copies that it asks for. What one policy
// has no use for is refused, not dropped.
import { InvalidArgumentError, Option } from 'commander';
import { OperationError } from '../../common/errors.ts';
import type { CopiesShown } from '../../wire/contracts/blockd.ts';
import {
  type CopyScope,
  LEAD_SECONDS,
  LEAD_SECONDS_MAX,
  type PropagationPolicy,
  type SnapshotSchedule,
} from '../../wire/contracts/propagation.ts';
import { NONE } from './numbers.ts';

const MODES = ['on-demand', 'proactive', 'sync', 'sync-write', 'async'] as const;
type Mode = (typeof MODES)[number];

/** As typed. */
export interface PolicyOptions {
  readonly policy?: Mode;
  readonly copies?: number;
  readonly scope?: CopyScope;
  readonly whenDegraded?: 'wait' | 'continue';
  readonly rpo?: number;
  readonly place?: string;
  readonly lead?: number;
}

const COPIES_MIN = 2;
const COPIES_MAX = 16;
const RPO_SECONDS_MAX = 86_400;

function copies(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= COPIES_MIN && value <= COPIES_MAX) return value;
  throw new InvalidArgumentError(`'${text}' is no number of copies from ${COPIES_MIN} to ${COPIES_MAX}.`);
}

function rpo(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= RPO_SECONDS_MAX) return value;
  throw new InvalidArgumentError(`'${text}' is no number of seconds from 1 to ${RPO_SECONDS_MAX}.`);
}

function lead(text: string): number {
  const value = Number(text);
  if (text !== '' && Number.isInteger(value) && value >= 0 && value <= LEAD_SECONDS_MAX) return value;
  throw new InvalidArgumentError(`'${text}' is no number of seconds from 0 to ${LEAD_SECONDS_MAX}.`);
}

/** The options of `propagation set`. */
export function policyOptions(): Option[] {
  return [
    new Option(
      '--policy <policy>',
      'on-demand: blocks cross when they are read; proactive: ahead of that; sync: a flush waits for copies; sync-write: each write does; async: recovery points at another place',
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
    new Option('--rpo <seconds>', "async: at most so much is lost with the writer's disk").argParser(rpo),
    new Option('--place <cloud>', 'async: where the recovery points are'),
    new Option(
      '--lead <seconds>',
      `proactive: how long a migration waits with the memory, at most, while blocks go ahead (without it ${LEAD_SECONDS})`,
    ).argParser(lead),
  ];
}

/** The policy that is asked for; undefined when none is. @throws OperationError USAGE */
export function policyOf(before: PropagationPolicy, options: PolicyOptions): PropagationPolicy | undefined {
  const { policy = before.mode, copies: number, scope, whenDegraded } = options;
  if (options.lead !== undefined && policy !== 'proactive') {
    throw new OperationError('USAGE', `policy ${policy} pushes nothing ahead of a migration`, {
      remedy: 'Say --policy proactive with --lead.',
    });
  }
  if (policy === 'async') return asyncOf(before, options);
  if ((options.rpo ?? options.place) !== undefined) {
    throw new OperationError('USAGE', `policy ${policy} has no recovery points`, {
      remedy: 'Say --policy async with --rpo and --place.',
    });
  }
  const isOfCopies = policy === 'sync' || policy === 'sync-write';
  if (!isOfCopies && (number ?? scope ?? whenDegraded) !== undefined) {
    throw new OperationError('USAGE', `policy ${policy} has no copies`, {
      remedy: 'Say --policy sync with --copies, --scope and --when-degraded.',
    });
  }
  if (options.policy === undefined && (number ?? scope ?? whenDegraded ?? options.lead) === undefined) return undefined;
  if (policy === 'on-demand') return { mode: policy };
  if (policy === 'proactive') return proactiveOf(before, options);
  if (!isOfCopies) return before;
  const known = before.mode === 'sync' || before.mode === 'sync-write' ? before : DEFAULT_COPIES;
  return {
    mode: policy,
    copies: number ?? known.copies,
    scope: scope ?? known.scope,
    whenDegraded: whenDegraded ?? known.whenDegraded,
  };
}

function proactiveOf(before: PropagationPolicy, options: PolicyOptions): PropagationPolicy {
  const leadSeconds = options.lead ?? (before.mode === 'proactive' ? before.leadSeconds : undefined);
  return { mode: 'proactive', ...(leadSeconds === undefined ? {} : { leadSeconds }) };
}

/** @throws OperationError USAGE */
function asyncOf(before: PropagationPolicy, options: PolicyOptions): PropagationPolicy | undefined {
  const { copies: number, scope, whenDegraded, rpo: seconds, place: where, policy } = options;
  if ((number ?? scope ?? whenDegraded) !== undefined) {
    throw new OperationError('USAGE', 'policy async has no copies', { remedy: 'Say --rpo and --place.' });
  }
  if ((policy ?? seconds ?? where) === undefined) return undefined;
  const known = before.mode === 'async' ? before : undefined;
  const rpoSeconds = seconds ?? known?.rpoSeconds;
  const place = where ?? known?.place;
  if (rpoSeconds !== undefined && place !== undefined) return { mode: 'async', rpoSeconds, place };
  throw new OperationError('USAGE', 'policy async needs --rpo and --place', {
    remedy: 'For example: --policy async --rpo 30 --place beta.',
  });
}

const DEFAULT_COPIES = { copies: 2, scope: 'world', whenDegraded: 'wait' } as const;

/** The policy for a person. */
export function describePolicy(policy: PropagationPolicy): string {
  switch (policy.mode) {
    case 'on-demand':
      return policy.mode;
    case 'proactive':
      return `proactive: a migration's memory waits up to ${policy.leadSeconds ?? LEAD_SECONDS} s for blocks that go ahead`;
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
      ? `; ${waitingFlushes === 1 ? '1 flush waits' : `${waitingFlushes} flushes wait`}`
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
  if (text === NONE) return null;
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
/** Each that is kept is a layer of the image's stack, which has 64 at most. */
const KEEP_MAX = 60;

/** The schedule for a person, in a line or none. */
export function describeSchedule(snapshots: SnapshotSchedule | null): string[] {
  if (snapshots === null) return [];
  const { everySeconds, place, keep } = snapshots;
  return [`snapshots    each ${everySeconds} s to ${place}, the newest ${keep} are kept`];
}
