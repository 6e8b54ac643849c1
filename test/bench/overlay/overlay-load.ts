// What a way between two hosts carries: one TCP stream, the round trip of a ping, and what the whole machine's processors have
// to do for it, since most of it is the kernel's work that no process is charged with.
import { readFileSync } from 'node:fs';
import { Type } from '#typebox';
import { OperationError } from '../../../common/errors.ts';
import { SchemaCheck } from '../../../common/schema-check.ts';
import { runIn, spawnIn } from '../../../lab/namespace.ts';
import { until } from '../../until.ts';
import { median } from '../median.ts';
import type { LaidWay } from './bench-net.ts';

const PINGS = 400;
const PING_EVERY_SECONDS = 0.005;
const SLACK_MS = 30_000;
/** proc(5): clock ticks per second as user space sees them (USER_HZ). */
const TICKS_PER_SECOND = 100;
/** proc(5), "cpu" of /proc/stat: the fields that are idle time. */
const IDLE_FIELDS = new Set([3, 4]);

/** What one look shows. */
export interface OverlaySample {
  /** Of TCP payload that has arrived, one stream, Mbit/s. */
  readonly mbitPerSecond: number;
  /** Mbit for a second of one processor of the whole machine, sender and receiver included. */
  readonly mbitPerCpuSecond: number;
  readonly retransmits: number;
  readonly rttP50Us: number;
  readonly rttP99Us: number;
}

const Report = Type.Object({
  end: Type.Object({
    sum_sent: Type.Object({ retransmits: Type.Number() }),
    sum_received: Type.Object({ bits_per_second: Type.Number(), bytes: Type.Number() }),
  }),
});
const report = new SchemaCheck(Report);

/** @throws OperationError LOAD_FAILED */
export async function measureWay(way: LaidWay, seconds: number): Promise<OverlaySample> {
  const rtts = await pinged(way);
  return { ...(await streamed(way, seconds)), rttP50Us: quantile(rtts, 0.5), rttP99Us: quantile(rtts, 0.99) };
}

async function pinged({ from, address }: LaidWay): Promise<number[]> {
  const words = ['-n', '-c', `${PINGS}`, '-i', `${PING_EVERY_SECONDS}`, '-W', '1', address];
  const text = await runIn(from, 'ping', words);
  return [...text.matchAll(/time=([\d.]+) ms/g)].map(([, ms]) => Number(ms) * 1_000).sort((a, b) => a - b);
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

async function streamed(
  { from, to, address }: LaidWay,
  seconds: number,
): Promise<Pick<OverlaySample, 'mbitPerSecond' | 'mbitPerCpuSecond' | 'retransmits'>> {
  const server = spawnIn(to, 'iperf3', ['--server', '--one-off'], { stdio: 'ignore' });
  try {
    const listens = async (): Promise<boolean> => (await runIn(to, 'ss', ['-Hltn', 'sport = :5201'])) !== '';
    await until('iperf3 listens', listens);
    const words = ['--client', address, '--time', `${seconds}`, '--omit', '1', '--json'];
    const before = busySeconds();
    const text = await runIn(from, 'iperf3', words, { timeoutMs: seconds * 1_000 + SLACK_MS });
    const busy = busySeconds() - before;
    const found: unknown = JSON.parse(text);
    if (!report.accepts(found)) throw new OperationError('LOAD_FAILED', `iperf3 to ${address} told nothing`);
    const { sum_received: received, sum_sent: sent } = found.end;
    const mbitPerSecond = received.bits_per_second / 1e6;
    // The omitted second is in the processors' time, so it is in the work too.
    const mbit = mbitPerSecond * (seconds + 1);
    return { mbitPerSecond, mbitPerCpuSecond: mbit / busy, retransmits: sent.retransmits };
  } finally {
    server.kill('SIGKILL');
  }
}

/** Of all processors since the machine started. */
function busySeconds(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const fields = line.split(/\s+/).slice(1, 9).map(Number);
  const ticks = fields.reduce((sum, value, index) => (IDLE_FIELDS.has(index) ? sum : sum + value), 0);
  return ticks / TICKS_PER_SECOND;
}

/** The median of one figure. */
export function overlayFigure(samples: readonly OverlaySample[], pick: (sample: OverlaySample) => number): number {
  return median(samples.map(pick)) ?? Number.NaN;
}
