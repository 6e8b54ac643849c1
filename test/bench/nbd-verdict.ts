// What was asked for of our server beside the peers, checked by ratios of medians in one run. Absolute figures move with
// the machine and decide nothing.
import { median } from './median.ts';
import type { NbdCase } from './nbd-cases.ts';
import type { Sample } from './nbd-load.ts';
import { SERVERS, type ServerName } from './nbd-servers.ts';

const CALLS_PER_REQUEST_MAX = 1.3;
const HOT_RATIO_MAX = 3;
const QD32_RATIO = 2;
const QD1_RATIO = 0.9;
const SEQUENTIAL_RATIO = 0.95;
const COLD_RATIO = 0.75;

/** One case's samples, and its system calls per operation where they were counted. */
export interface CaseResult {
  readonly load: NbdCase;
  readonly samples: Map<ServerName, Sample[]>;
  readonly calls: Map<ServerName, number>;
}

export interface Verdict {
  readonly asked: string;
  readonly seen: string;
  readonly reached: boolean;
  readonly isRequired: boolean;
}

/** The median of a figure at a server; NaN where it was not measured. */
export function figureOf(result: CaseResult, name: ServerName, pick: (sample: Sample) => number): number {
  const values = (result.samples.get(name) ?? []).map(pick);
  return median(values) ?? Number.NaN;
}

const rateOf = (result: CaseResult, name: ServerName): number => figureOf(result, name, ({ perSecond }) => perSecond);

/** A server's rate by nbdkit's, and by the better qemu-nbd's. */
export function ratiosOf(result: CaseResult, name: ServerName): { readonly nbdkit: number; readonly qemu: number } {
  const own = rateOf(result, name);
  const qemu = Math.max(...SERVERS.filter((other) => other.startsWith('qemu')).map((other) => rateOf(result, other)));
  return { nbdkit: own / rateOf(result, 'nbdkit file'), qemu: own / qemu };
}

/** How a hot reader's p99 beside a cold one is to its p99 alone. */
export function hotRatio(result: CaseResult, name: ServerName): number {
  return figureOf(result, name, ({ p99Us, aloneP99Us = Number.NaN }) => p99Us / aloneP99Us);
}

/**
 * The rate at which the client's one thread would fill a processor, by what an operation cost it at the server that was
 * easiest on it: no server is seen to be faster. Operations in a second.
 */
export function ceilingOf(result: CaseResult): number {
  const costs = SERVERS.map((name) => figureOf(result, name, ({ clientUs }) => clientUs)).filter((us) => us > 0);
  return costs.length === 0 ? Number.NaN : 1e6 / Math.min(...costs);
}

/** Operations per second of the server's processor time, by nbdkit's: the client does not limit this. */
export function perProcessor(result: CaseResult, name: ServerName): number {
  const own = figureOf(result, name, ({ cpuUs }) => cpuUs);
  return figureOf(result, 'nbdkit file', ({ cpuUs }) => cpuUs) / own;
}

function atLeast(result: CaseResult, what: string, ratio: number, least: number): Verdict {
  const asked = `${result.load.name}: at least ${least} of ${what}`;
  return { asked, seen: ratio.toFixed(2), reached: ratio >= least, isRequired: true };
}

function atMost(asked: string, value: number, most: number): Verdict {
  return { asked: `${asked} at most ${most}`, seen: value.toFixed(2), reached: value <= most, isRequired: true };
}

/** Beside a rate that the client may not let us reach: how much it allows, and what it costs the server. */
function withCeiling(result: CaseResult, verdict: Verdict): Verdict {
  const allowed = ceilingOf(result) / rateOf(result, 'nbdkit file');
  const processor = perProcessor(result, 'supercloud');
  const more = `the client allows ${allowed.toFixed(2)} of nbdkit; per processor time ${processor.toFixed(2)} of nbdkit`;
  return { ...verdict, seen: `${verdict.seen} (${more})` };
}

function atDepth(result: CaseResult, nbdkit: number, qemu: number): Verdict[] {
  const both = [
    atLeast(result, 'nbdkit', nbdkit, QD32_RATIO),
    atLeast(result, 'the better qemu-nbd', qemu, QD32_RATIO),
  ];
  return both.map((verdict) => withCeiling(result, verdict));
}

function required(result: CaseResult): Verdict[] {
  const { load, calls } = result;
  const { nbdkit, qemu } = ratiosOf(result, 'supercloud');
  if (load.kind === 'beside') {
    return [atMost(`${load.name}: p99 by that alone`, hotRatio(result, 'supercloud'), HOT_RATIO_MAX)];
  }
  if (load.kind === 'cold') return [atLeast(result, 'nbdkit', nbdkit, COLD_RATIO)];
  if (load.kind === 'qemu-img') return atDepth(result, nbdkit, qemu);
  if (!load.rw.startsWith('rand')) return [atLeast(result, 'nbdkit', nbdkit, SEQUENTIAL_RATIO)];
  if (load.depth === 1) return [atLeast(result, 'the better peer', Math.min(nbdkit, qemu), QD1_RATIO)];
  const seenCalls = calls.get('supercloud');
  const byCalls = `${load.name}: system calls per request`;
  return [
    ...atDepth(result, nbdkit, qemu),
    ...(seenCalls === undefined ? [] : [atMost(byCalls, seenCalls, CALLS_PER_REQUEST_MAX)]),
  ];
}

function goal(result: CaseResult): Verdict[] {
  if (result.load.kind === 'beside') return [];
  const { nbdkit, qemu } = ratiosOf(result, 'supercloud');
  const ratio = Math.min(nbdkit, qemu);
  const asked = `${result.load.name}: ahead of all peers`;
  return [{ asked, seen: ratio.toFixed(2), reached: ratio >= 1, isRequired: false }];
}

/** What is required, then what is a goal. */
export function verdictsOf(results: readonly CaseResult[]): Verdict[] {
  return [...results.flatMap(required), ...results.flatMap(goal)];
}
