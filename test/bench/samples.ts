// What was measured, by subject: medians, and the table for people. It judges nothing.

import { formatBytes, formatMs } from '../../common/terminal/progress.ts';
import { formatTable } from '../../common/terminal/table.ts';
import { median } from './median.ts';

export const SUBJECTS = [
  'QEMU mirror + migrate',
  'QEMU memory only',
  'ours, pull off',
  'ours, pull on',
  'ours, return, pull on',
] as const;
export type Subject = (typeof SUBJECTS)[number];

/** One measured move. Times in ms; bytes between the two clouds, both ways, until a minute after the guest ran again. */
export interface Sample {
  readonly totalMs: number;
  /** Of that: from the memory stream's opening to the guest running at the destination. */
  readonly memoryMs: number;
  /** As the emulator counted them, frames and all. */
  readonly bytes: number;
  /** Of those: blocks and version entries, as our block daemons counted them; the peer's are not known apart. */
  readonly diskBytes?: number;
  readonly pingGapMs: number;
  /** When that gap began, from the order. */
  readonly pingGapAtMs: number;
  /** From the order until the image depended on no other node; absent where that is not waited for. */
  readonly independentMs?: number;
  /** CPU seconds per GB that crossed, both from the order until the guest ran at its new place. */
  readonly daemonsPerGb?: number;
  readonly qemuPerGb: number;
  /** How late the emulator was at the worst: a gap is known no better than that. */
  readonly worstLatenessMs: number;
  /** Where our time went. */
  readonly stepTimes?: readonly { readonly step: string; readonly atMs: number; readonly tookMs: number }[];
  readonly checksNotHeld: readonly string[];
}

export type Figure = Exclude<keyof Sample, 'stepTimes' | 'checksNotHeld'>;

export class Samples {
  readonly #bySubject = new Map<Subject, Sample[]>();
  readonly failures: string[] = [];

  keep(subject: Subject, sample: Sample): void {
    this.#bySubject.set(subject, [...this.of(subject), sample]);
  }

  of(subject: Subject): readonly Sample[] {
    return this.#bySubject.get(subject) ?? [];
  }

  /** Undefined where nothing was measured. */
  median(subject: Subject, figure: Figure): number | undefined {
    return median(this.of(subject).flatMap((sample) => sample[figure] ?? []));
  }

  /** The worst of all moves of a subject. */
  worst(subject: Subject, figure: Figure): number | undefined {
    const values = this.of(subject).flatMap((sample) => sample[figure] ?? []);
    return values.length === 0 ? undefined : Math.max(...values);
  }

  table(): string {
    const columns = [
      { title: 'medians' },
      ...['moves', ...COLUMNS.map(([title]) => title), 'worst lateness'].map((title) => ({ title, figures: true })),
    ];
    const rows = SUBJECTS.filter((subject) => this.of(subject).length > 0).map((subject) => [
      subject,
      `${this.of(subject).length}`,
      ...COLUMNS.map(([, figure, format]) => formatted(this.median(subject, figure), format)),
      formatted(this.worst(subject, 'worstLatenessMs'), formatMs),
    ]);
    return formatTable(columns, rows);
  }

  toJSON(): Record<string, unknown> {
    return Object.fromEntries(this.#bySubject);
  }
}

const perGb = (seconds: number): string => `${seconds.toFixed(1)} s/GB`;

const COLUMNS: readonly (readonly [string, Figure, (value: number) => string])[] = [
  ['total', 'totalMs', formatMs],
  ['memory', 'memoryMs', formatMs],
  ['WAN bytes', 'bytes', formatBytes],
  ['disk bytes', 'diskBytes', formatBytes],
  ['ping gap', 'pingGapMs', formatMs],
  ['independent', 'independentMs', formatMs],
  ['daemons CPU', 'daemonsPerGb', perGb],
  ['QEMU CPU', 'qemuPerGb', perGb],
];

function formatted(value: number | undefined, format: (value: number) => string): string {
  return value === undefined ? '' : format(value);
}
