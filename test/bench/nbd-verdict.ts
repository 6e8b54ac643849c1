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

function atLeast(result: CaseResult, what: string, ratio: number, least: number): Verdict {
  const asked = `${result.load.name}: at least ${least} of ${what}`;
  return { asked, seen: ratio.toFixed(2), reached: ratio >= least, isRequired: true };
}

function atMost(asked: string, value: number, most: number): Verdict {
  return { asked: `${asked} at most ${most}`, seen: value.toFixed(2), reached: value <= most, isRequired: true };
}

function required(result: CaseResult): Verdict[] {
  const { load, calls } = result;
  const { nbdkit, qemu } = ratiosOf(result, 'supercloud');
  if (load.kind === 'qemu-img') return [];
  if (load.kind === 'beside') {
    return [atMost(`${load.name}: p99 by that alone`, hotRatio(result, 'supercloud'), HOT_RATIO_MAX)];
  }
  if (load.kind === 'cold') return [atLeast(result, 'nbdkit', nbdkit, COLD_RATIO)];
  if (!load.rw.startsWith('rand')) return [atLeast(result, 'nbdkit', nbdkit, SEQUENTIAL_RATIO)];
  if (load.depth === 1) return [atLeast(result, 'the better peer', Math.min(nbdkit, qemu), QD1_RATIO)];
  const seenCalls = calls.get('supercloud');
  const byCalls = `${load.name}: system calls per request`;
  return [
    atLeast(result, 'nbdkit', nbdkit, QD32_RATIO),
    atLeast(result, 'the better qemu-nbd', qemu, QD32_RATIO),
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
