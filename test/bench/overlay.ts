// The benchmark of the overlay's data path (TOCS 2017, figure 14): one TCP stream and the round trip between two hosts, by our
// switches and by everything that one would have instead, in turn. Hosts are namespaces: a guest under TCG is slower than
// all of them. Quoted are medians.

import { OperationError } from '../../common/errors.ts';
import { jsonText, writeJsonFile } from '../../common/terminal/json-file.ts';
import type { ProgressLine } from '../../common/terminal/progress.ts';
import { formatTable } from '../../common/terminal/table.ts';
import { measureWay, type OverlaySample, overlayFigure } from './overlay/overlay-load.ts';
import { OVERLAY_WAYS, type OverlayWay } from './overlay/overlay-ways.ts';

const LENGTH = { seconds: 5 };
const QUICK = { seconds: 2, alternations: 2 };
/** What everything is a share of. */
const BASE = 'bare veth';
const ENCRYPTED = 'supercloud, WireGuard';
const TO_BEAT = ['OpenVPN', 'tinc'];

/** The command's options. */
export interface OverlayBenchOptions {
  readonly alternations: number;
  readonly quick?: true;
  readonly only?: string;
  readonly json?: string | true;
}

type Results = ReadonlyMap<string, OverlaySample[]>;

function chosen(only: string | undefined): readonly OverlayWay[] {
  const ways = OVERLAY_WAYS.filter(({ name }) => only === undefined || name.includes(only));
  if (ways.length > 0) return ways;
  throw new OperationError('USAGE', `no way has '${only}' in its name`, {
    remedy: `They are ${OVERLAY_WAYS.map(({ name }) => name).join('; ')}.`,
  });
}

async function measured(way: OverlayWay, seconds: number): Promise<OverlaySample> {
  const laid = await way.lay();
  try {
    return await measureWay(laid, seconds);
  } finally {
    await laid.stop();
  }
}

function rateOf(results: Results, name: string): number {
  return overlayFigure(results.get(name) ?? [], ({ mbitPerSecond }) => mbitPerSecond);
}

function rowOf(results: Results, { name, isEncrypted }: OverlayWay): string[] {
  const samples = results.get(name) ?? [];
  const figure = (pick: (sample: OverlaySample) => number): string => overlayFigure(samples, pick).toFixed(0);
  const share = rateOf(results, name) / rateOf(results, BASE);
  return [
    name,
    isEncrypted ? 'yes' : '',
    figure(({ mbitPerSecond }) => mbitPerSecond),
    Number.isNaN(share) ? '' : share.toFixed(2),
    figure(({ mbitPerCpuSecond }) => mbitPerCpuSecond),
    figure(({ rttP50Us }) => rttP50Us),
    figure(({ rttP99Us }) => rttP99Us),
    figure(({ retransmits }) => retransmits),
  ];
}

interface OverlayGoal {
  readonly goal: string;
  readonly seen: string;
  readonly reached: boolean;
}

/** What was not measured is not reached. */
function goalsOf(results: Results): OverlayGoal[] {
  return TO_BEAT.map((peer) => {
    const ratio = rateOf(results, ENCRYPTED) / rateOf(results, peer);
    const seen = Number.isNaN(ratio) ? 'not measured' : `${ratio.toFixed(2)} of its rate`;
    return { goal: `encrypted, ahead of ${peer}`, seen, reached: ratio > 1 };
  });
}

function tell(ways: readonly OverlayWay[], results: Results): void {
  const titles = ['Mbit/s', 'of veth', 'Mbit/CPU-s', 'RTT p50 us', 'p99 us', 'resent'];
  const columns = [{ title: 'way' }, { title: 'encrypts' }, ...titles.map((title) => ({ title, figures: true }))];
  process.stdout.write(
    `\n${formatTable(
      columns,
      ways.map((way) => rowOf(results, way)),
    )}\n\n`,
  );
  for (const { goal, seen, reached } of goalsOf(results))
    process.stdout.write(`${reached ? 'reached    ' : 'NOT reached'} goal ${goal}: ${seen}\n`);
  process.stdout.write('not measured goal 0.95 of kernel VXLAN by the kernel datapath: it is not on this machine\n');
}

/** Measures all in turn and prints what they came to. True when every goal that can be judged here was reached. */
export async function benchOverlay(options: OverlayBenchOptions, line: ProgressLine): Promise<boolean> {
  const { seconds, alternations } = { ...LENGTH, ...options, ...(options.quick === true ? QUICK : {}) };
  const ways = chosen(options.only);
  const results = new Map<string, OverlaySample[]>(ways.map(({ name }) => [name, []]));
  for (let turn = 1; turn <= alternations; turn++) {
    for (const way of ways) {
      const sample = await line.during(`${way.name}, ${turn} of ${alternations}`, () => measured(way, seconds));
      results.get(way.name)?.push(sample);
    }
  }
  const data = {
    seconds,
    ways: ways.map((way) => ({ ...way, samples: results.get(way.name) })),
    goals: goalsOf(results),
  };
  if (options.json === true) process.stdout.write(jsonText(data));
  else tell(ways, results);
  if (typeof options.json === 'string') writeJsonFile(options.json, data);
  return goalsOf(results).every(({ reached }) => reached);
}
