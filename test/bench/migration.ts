// The migration benchmark: one lab, one guest image, one link; ours and plain QEMU's in turn. Quoted are medians and the
// ratios of medians; goals are checked against the ratios only, since absolute times move with the machine.
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatBytes, formatMs, type ProgressLine } from '../../common/progress.ts';
import { formatTable } from '../../common/table.ts';
import type { PreparedGuest } from '../../lab/guest/build.ts';
import { prepareWithProgress } from '../../lab/guests.ts';
import { Lab } from '../../lab/lab.ts';
import { allHeld, roundTable } from '../../lab/report.ts';
import { bytesBetween, type Leg, Round } from '../../lab/round.ts';
import { GUEST, LINK_RATE_MBIT, ROUND } from '../../lab/topology.ts';
import { PingProbe } from '../../lab/visitor/ping-probe.ts';
import { PLAIN_ADDRESS, type PlainOptions, PlainQemu } from './plain-qemu.ts';

/** The memory stream's share of the link; the same for all. */
const MAX_BANDWIDTH_BYTES_PER_SECOND = 22_500_000;
/** The same for all: the last pass over the memory may take this long. */
const DOWNTIME_LIMIT_MS = 50;
/** The bytes of a move are counted from the order until a minute after the guest runs. */
const COUNT_MS = 60_000;
const PEER_TAIL_MS = 5_000;
/** Round trip between the two clouds that are measured. */
const ROUND_TRIP_MS = 75;
/** What a hold may cost beyond memory-only QEMU's gap and one round trip. */
const GAP_ALLOWANCE_MS = 50;

/** The command's options. */
export interface MigrationBenchOptions {
  readonly alternations: number;
  readonly diskMb: number;
  readonly memoryMb: number;
  readonly rounds?: number;
  readonly json?: string | true;
}

/** One measured move. Times in ms; bytes between the two clouds, both ways, as the emulator counted them. */
interface Sample {
  readonly totalMs: number;
  readonly memoryMs: number;
  readonly bytes: number;
  readonly pingGapMs: number;
}

type Subject = 'ours' | 'ours, pull on' | 'ours, return' | 'QEMU mirror + migrate' | 'QEMU memory only';

type Samples = Map<Subject, Sample[]>;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;

function medianOf(samples: Samples, subject: Subject, pick: (sample: Sample) => number): number {
  return median((samples.get(subject) ?? []).map(pick));
}

class MigrationBench {
  readonly #lab: Lab;
  readonly #guest: PreparedGuest;
  readonly #options: MigrationBenchOptions;
  readonly #line: ProgressLine;
  readonly samples: Samples = new Map();

  constructor(lab: Lab, guest: PreparedGuest, options: MigrationBenchOptions, line: ProgressLine) {
    this.#lab = lab;
    this.#guest = { ...guest, memoryMB: options.memoryMb };
    this.#options = options;
    this.#line = line;
  }

  #keep(subject: Subject, sample: Sample): void {
    this.samples.set(subject, [...(this.samples.get(subject) ?? []), sample]);
    const { totalMs, bytes, pingGapMs } = sample;
    const words = `${formatMs(totalMs)}, ${formatBytes(bytes)}, ping gap ${formatMs(pingGapMs)}`;
    process.stderr.write(`   ${subject}: ${words}\n`);
  }

  /** Our VM: there with the pull off, home again, there with it on. A fresh image each time: nothing is left at beta. */
  async ours(): Promise<void> {
    for (const subject of ['ours', 'ours, pull on'] as const) {
      const round = new Round(this.#lab, this.#guest, this.#line);
      await round.boot();
      const { operator } = this.#lab;
      const rateBytesPerSecond = subject === 'ours' ? 0 : MAX_BANDWIDTH_BYTES_PER_SECOND / 2;
      await operator.call('image.pull', { image: GUEST.image, rateBytesPerSecond });
      this.#keep(subject, sampleOf(await round.leg('beta', COUNT_MS)));
      if (subject === 'ours') this.#keep('ours, return', sampleOf(await round.leg('alpha', COUNT_MS)));
      round.stop();
      await operator.call('vm.delete', { vm: GUEST.vm });
      await operator.call('image.delete', { image: GUEST.image });
    }
  }

  /** The peer, from a fresh boot in alpha to beta. */
  async plain(subject: Subject, disk: PlainOptions['disk']): Promise<void> {
    const plain = new PlainQemu(this.#lab, this.#guest, {
      disk,
      memoryMB: this.#options.memoryMb,
      maxBandwidthBytesPerSecond: MAX_BANDWIDTH_BYTES_PER_SECOND,
      downtimeLimitMs: DOWNTIME_LIMIT_MS,
    });
    this.#line.begin(`measure ${subject}`);
    try {
      await plain.boot('alpha');
      const ping = new PingProbe(this.#lab.visitorNamespace, PLAIN_ADDRESS);
      await sleep(1_000);
      ping.mark();
      const before = (await this.#lab.wan.stats()).perLink;
      const times = await plain.move('alpha', 'beta');
      // Nothing of the peer's crosses once its guest runs: a few seconds catch the tail that ours is given a minute for.
      await sleep(PEER_TAIL_MS);
      const bytes = bytesBetween(before, (await this.#lab.wan.stats()).perLink, 'alpha', 'beta');
      this.#line.end();
      this.#keep(subject, { ...times, bytes, pingGapMs: ping.mark().longestGapMs });
      ping.stop();
    } finally {
      await plain.stop();
    }
  }
}

function sampleOf(leg: Leg): Sample {
  const { migration, wanBytes, ping } = leg;
  return { totalMs: migration.totalMs, memoryMs: migration.totalMs, bytes: wanBytes, pingGapMs: ping.longestGapMs };
}

/** A goal, and whether the medians reach it. */
interface Goal {
  readonly goal: string;
  readonly reached: boolean;
  readonly seen: string;
}

function goals(samples: Samples): Goal[] {
  const pick = (subject: Subject, of: keyof Sample): number => medianOf(samples, subject, (sample) => sample[of]);
  const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;
  const [mirror, ours] = ['QEMU mirror + migrate', 'ours'] as const;
  const gapLimitMs = pick('QEMU memory only', 'pingGapMs') + ROUND_TRIP_MS + GAP_ALLOWANCE_MS;
  const gapMs = pick(ours, 'pingGapMs');
  return [
    {
      goal: "bytes at most 15 % of the mirror's",
      reached: pick(ours, 'bytes') <= 0.15 * pick(mirror, 'bytes'),
      seen: percent(pick(ours, 'bytes'), pick(mirror, 'bytes')),
    },
    {
      goal: "time at most 15 % of the mirror's",
      reached: pick(ours, 'totalMs') <= 0.15 * pick(mirror, 'totalMs'),
      seen: percent(pick(ours, 'totalMs'), pick(mirror, 'totalMs')),
    },
    {
      goal: "ping gap at most memory-only QEMU's + 1 round trip + 50 ms",
      reached: gapMs <= gapLimitMs,
      seen: `${formatMs(gapMs)} of ${formatMs(gapLimitMs)}`,
    },
  ];
}

function table(samples: Samples): string {
  const columns = [
    { title: `median of ${Math.max(...[...samples.values()].map((all) => all.length))}` },
    ...['total', 'memory', 'WAN bytes', 'ping gap'].map((title) => ({ title, figures: true })),
  ];
  const rows = [...samples.keys()].map((subject) => [
    subject,
    formatMs(medianOf(samples, subject, ({ totalMs }) => totalMs)),
    formatMs(medianOf(samples, subject, ({ memoryMs }) => memoryMs)),
    formatBytes(medianOf(samples, subject, ({ bytes }) => bytes)),
    formatMs(medianOf(samples, subject, ({ pingGapMs }) => pingGapMs)),
  ]);
  return formatTable(columns, rows);
}

async function alternate(bench: MigrationBench, options: MigrationBenchOptions): Promise<Goal[]> {
  for (let turn = 0; turn < options.alternations; turn += 1) {
    await bench.plain('QEMU mirror + migrate', 'mirror');
    await bench.plain('QEMU memory only', 'memory');
    await bench.ours();
  }
  const reached = goals(bench.samples);
  process.stdout.write(`\n${table(bench.samples)}\n`);
  process.stdout.write(
    `link ${LINK_RATE_MBIT} Mbit/s, ${ROUND_TRIP_MS} ms; disk ${options.diskMb} MB of random data\n`,
  );
  for (const { goal, seen, reached: met } of reached) {
    process.stdout.write(`${met ? 'reached    ' : 'NOT reached'} ${goal}: ${seen}\n`);
  }
  return reached;
}

async function goRounds(lab: Lab, guest: PreparedGuest, count: number, line: ProgressLine): Promise<Leg[]> {
  const round = new Round(lab, guest, line);
  const legs: Leg[] = [];
  try {
    await round.boot();
    for (let turn = 0; turn < count; turn += 1) for (const to of ROUND) legs.push(await round.leg(to));
  } finally {
    round.stop();
  }
  for (let turn = 0; turn < count; turn += 1) {
    process.stdout.write(`\n${roundTable(legs.slice(turn * ROUND.length, (turn + 1) * ROUND.length))}\n`);
  }
  const gaps = legs.map(({ ping }) => ping.longestGapMs);
  process.stdout.write(
    `${legs.length} moves; ping gap median ${formatMs(median(gaps))}, worst ${formatMs(Math.max(...gaps))}\n`,
  );
  return legs;
}

/** Runs the benchmark, prints it, and answers whether everything that was asked for was reached. */
export async function benchMigration(options: MigrationBenchOptions, line: ProgressLine): Promise<boolean> {
  const diskBytes = (options.diskMb + 16) * 2 ** 20;
  const guest = await prepareWithProgress('tiny', line, { diskBytes, fill: 'random' });
  const lab = await Lab.start(line);
  try {
    const bench = new MigrationBench(lab, guest, options, line);
    const { rounds } = options;
    const legs = rounds === undefined ? [] : await goRounds(lab, guest, rounds, line);
    const reached = rounds === undefined ? await alternate(bench, options) : [];
    const figures = { options, legs, goals: reached, samples: Object.fromEntries(bench.samples) };
    if (typeof options.json === 'string') writeFileSync(options.json, `${JSON.stringify(figures, null, 2)}\n`);
    if (options.json === true) process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
    return rounds === undefined ? reached.every((goal) => goal.reached) : allHeld(legs);
  } finally {
    await line.during('take everything down', () => lab.stop());
  }
}
