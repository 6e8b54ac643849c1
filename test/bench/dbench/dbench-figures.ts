// The figures by subject: the table for people and the verdicts. Ratios and order within one run of the benchmark count;
// absolute figures move with the machine.
import { formatBytes, formatMs } from '../../../common/terminal/progress.ts';
import { formatTable } from '../../../common/terminal/table.ts';
import { type Spread, spread } from '../mean.ts';
import type { DbenchRun } from './measured-run.ts';
import { PROACTIVE, PULLED, UNMIGRATED } from './subjects.ts';
import { WorkCurve } from './work-curve.ts';

/** Of the unmigrated guest's throughput: what counts as its old speed. */
const OLD_SPEED = 0.95;
/** Over so long: single seconds go up and down by half. */
const WINDOW_MS = 5_000;
const READ_SHARE_LEAST = 0.3;

export interface Verdict {
  readonly goal: string;
  readonly reached: boolean;
  readonly seen: string;
}

/** Bytes per second from the start to the end of a run. */
export function throughput({ finishMs, points }: DbenchRun): number {
  return (new WorkCurve(points).bytesAt(finishMs) * 1_000) / finishMs;
}

export function readShare({ reads, writes }: DbenchRun): number {
  return reads / Math.max(1, reads + writes);
}

export class DbenchFigures {
  readonly #runs = new Map<string, DbenchRun[]>();
  readonly failures: string[] = [];

  keep(subject: string, run: DbenchRun): void {
    this.#runs.set(subject, [...this.of(subject), run]);
  }

  of(subject: string): readonly DbenchRun[] {
    return this.#runs.get(subject) ?? [];
  }

  /** Those that have been measured, as they came. */
  get subjects(): readonly string[] {
    return [...this.#runs.keys()];
  }

  spread(subject: string, figure: (run: DbenchRun) => number | undefined): Spread | undefined {
    return spread(this.of(subject).flatMap((run) => figure(run) ?? []));
  }

  /**
   * How many seconds after the guest ran at the destination its old speed was there for five seconds. The load has
   * stretches in which any guest takes three times as long for the same bytes: what counts is how much the unmigrated guest
   * did in five seconds from the same point of its work on.
   */
  secondsUntilOldSpeed({ movedMs, finishMs, points }: DbenchRun): number | undefined {
    const old = this.of(UNMIGRATED).map((run) => new WorkCurve(run.points));
    if (old.length === 0 || movedMs === undefined) return undefined;
    const enough = (bytes: number): number => {
      const done = spread(old.flatMap((curve) => curve.doneAfter(bytes, WINDOW_MS) ?? []));
      return done === undefined ? Number.POSITIVE_INFINITY : OLD_SPEED * done.mean;
    };
    return new WorkCurve(points).secondsUntil(enough, movedMs, finishMs, WINDOW_MS);
  }

  table(): string {
    const columns = [
      { title: 'mean (deviation)' },
      ...['done', ...COLUMNS.map(([title]) => title), '95 % after', 'worst lateness'].map((title) => ({
        title,
        figures: true,
      })),
    ];
    const rows = this.subjects.map((subject) => {
      const runs = this.of(subject);
      const figures = COLUMNS.map(([, figure, format]) => shown(this.spread(subject, figure), format));
      const done = runs.filter((run) => run.isDone).length;
      const lateness = Math.max(...runs.map(({ worstLatenessMs }) => worstLatenessMs));
      return [subject, `${done} of ${runs.length}`, ...figures, this.#oldSpeed(subject), formatMs(lateness)];
    });
    return formatTable(columns, rows);
  }

  /** `never` of a run that ended before. */
  #oldSpeed(subject: string): string {
    const runs = this.of(subject).filter(({ movedMs }) => movedMs !== undefined);
    if (this.of(UNMIGRATED).length === 0) return '';
    const seconds = runs.map((run) => this.secondsUntilOldSpeed(run));
    return seconds.map((one) => (one === undefined ? 'never' : `${one} s`)).join(', ');
  }

  /** Of what was measured: a run that was not made is one of its own. */
  verdicts(): Verdict[] {
    return [...this.#enoughReads(), ...this.#proactiveFirst(), this.#allMeasured()];
  }

  #enoughReads(): Verdict[] {
    const share = this.spread(UNMIGRATED, readShare);
    if (share === undefined) return [];
    const goal = `at least ${percent(READ_SHARE_LEAST)} of the unmigrated guest's block requests are reads`;
    return [{ goal, reached: share.mean >= READ_SHARE_LEAST, seen: percent(share.mean) }];
  }

  #proactiveFirst(): Verdict[] {
    // Figure 12 has no pull: blocks that go ahead of the reads after the move instead of before it are shown, not judged.
    const moved = this.subjects.filter((subject) => subject !== UNMIGRATED && subject !== PULLED);
    if (moved.length < 2 || !moved.includes(PROACTIVE)) return [];
    const times = moved.map((subject) => ({ subject, ms: this.#finish(subject) })).toSorted((a, b) => a.ms - b.ms);
    const seen = times.map(({ subject, ms }) => `${subject} ${this.#more(subject)}${formatMs(ms)}`).join(', ');
    const goal = 'of all that moved, without the pull beside on-demand, proactive is done first';
    return [{ goal, reached: times[0]?.subject === PROACTIVE, seen }];
  }

  #finish(subject: string): number {
    return this.spread(subject, ({ finishMs }) => finishMs)?.mean ?? Number.POSITIVE_INFINITY;
  }

  /** A run that was given up would have taken longer. */
  #more(subject: string): string {
    return this.of(subject).every(({ isDone }) => isDone) ? '' : 'over ';
  }

  #allMeasured(): Verdict {
    return {
      goal: 'every run was made',
      reached: this.failures.length === 0,
      seen: this.failures.join('; ') || 'all',
    };
  }

  toJSON(): Record<string, unknown> {
    return Object.fromEntries(
      [...this.#runs].map(([subject, runs]) => [
        subject,
        runs.map((run) => ({
          ...run,
          bytesPerSecond: throughput(run),
          perSecond: new WorkCurve(run.points).perSecond(run.finishMs).map(Math.round),
          readShare: readShare(run),
          secondsUntilOldSpeed: this.secondsUntilOldSpeed(run) ?? null,
        })),
      ]),
    );
  }
}

type Column = readonly [
  title: string,
  figure: (run: DbenchRun) => number | undefined,
  format: (value: number) => string,
];

const COLUMNS: readonly Column[] = [
  ['throughput', throughput, (bytes) => `${formatBytes(bytes)}/s`],
  ['time', ({ finishMs }) => finishMs, formatMs],
  ['moved after', ({ movedMs }) => movedMs, formatMs],
  ['WAN in', ({ wanInBytes }) => wanInBytes, formatBytes],
  ['WAN out', ({ wanOutBytes }) => wanOutBytes, formatBytes],
  ['reads', readShare, percent],
];

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function shown(value: Spread | undefined, format: (value: number) => string): string {
  if (value === undefined) return '';
  return value.deviation === 0 ? format(value.mean) : `${format(value.mean)} (${format(value.deviation)})`;
}
