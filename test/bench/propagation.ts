// What values of S cost on two workloads, and what the tuned one costs beside them: misses of a moved guest's first
// minute, and megabytes pushed ahead. A simulation of the link; the deciding parts are the project's own.
import { writeFileSync } from 'node:fs';
import type { ProgressLine } from '../../common/terminal/progress.ts';
import { formatTable } from '../../common/terminal/table.ts';
import { Prng } from '../sim/prng.ts';
import { type HeatCost, measureHeat } from './heat-cost.ts';
import type { Trace } from './propagation-trace.ts';
import { type MoveResult, PropagationTrial, type TrialOptions } from './propagation-trial.ts';
import { database, webAndMail } from './propagation-workloads.ts';

/** S = 0 pushes everything that changed. */
const FIXED_S = [0, 1 / 256, 1 / 64, 1 / 16, 1 / 4, 1 / 2, 1, 2, 4, 16, 64] as const;
const STAY_MS = { least: 1_200_000, most: 2_400_000 };
/** How near the tuned value has to come to the best fixed one. */
const OF_THE_BEST = 1.2;
/** What a note of one block may cost; it decides nothing, since it moves with the machine. */
const NOTE_NS_MAX = 100;

/** The command's options. */
export interface PropagationBenchOptions {
  readonly moves: number;
  readonly seed: number;
  readonly pull?: true;
  readonly json?: string | true;
}

/** Means over the moves of one trial. */
export interface Candidate {
  readonly s: number | 'auto';
  readonly score: number;
  readonly missed: number;
  readonly pushedMb: number;
  /** Of the blocks that were pushed and not overtaken before the guest left: read there in time. */
  readonly usefulShare: number;
  /** S at each departure. */
  readonly departures: readonly number[];
}

export interface WorkloadResult {
  readonly workload: string;
  readonly fixed: readonly Candidate[];
  readonly tuned: Candidate;
  readonly best: Candidate;
  readonly paper: Candidate;
  readonly reached: boolean;
}

export function candidateOf(s: number | 'auto', moves: readonly MoveResult[]): Candidate {
  const mean = (pick: (move: MoveResult) => number): number =>
    moves.reduce((sum, move) => sum + pick(move), 0) / moves.length;
  const arrived = mean(({ usefulBlocks, wastedBlocks }) => usefulBlocks + wastedBlocks);
  return {
    s,
    score: mean(({ score }) => score),
    missed: mean(({ missed }) => missed),
    pushedMb: mean(({ pushedBytes }) => pushedBytes) / 1e6,
    usefulShare: arrived === 0 ? 0 : mean(({ usefulBlocks }) => usefulBlocks) / arrived,
    departures: moves.map((move) => move.s),
  };
}

/** The stays of a VM that moves so often, 20 to 40 minutes each. */
export function staysOf(seed: number, moves: number): number[] {
  const prng = new Prng(seed);
  return Array.from({ length: moves }, () => Math.round(prng.between(STAY_MS.least, STAY_MS.most)));
}

/** Plays the trace to each fixed value and to the tuned one. */
export function compare(
  trace: Trace,
  fixedS: readonly number[],
  play: { readonly staysMs: readonly number[]; readonly seed: number; readonly pull: TrialOptions['pull'] },
): WorkloadResult {
  const run = (s: number | 'auto'): Candidate => candidateOf(s, new PropagationTrial(trace, { ...play, s }).run());
  const fixed = fixedS.map(run);
  const tuned = run('auto');
  const best = fixed.reduce((low, one) => (one.score < low.score ? one : low));
  const paper = fixed.find(({ s }) => s === 1) ?? run(1);
  const reached = tuned.score < paper.score && tuned.score <= best.score * OF_THE_BEST;
  return { workload: trace.name, fixed, tuned, best, paper, reached };
}

function rowsOf({ fixed, tuned }: WorkloadResult): string[][] {
  return [...fixed, tuned].map(({ s, score, missed, pushedMb, usefulShare, departures }) => [
    s === 'auto' ? `tuned (${departures.map((one) => one.toPrecision(2)).join(' ')})` : s.toPrecision(3),
    score.toFixed(0),
    missed.toFixed(0),
    pushedMb.toFixed(0),
    `${(usefulShare * 100).toFixed(0)} %`,
  ]);
}

function verdictOf({ workload, tuned, best, paper, reached }: WorkloadResult): string {
  const toPaper = `${((tuned.score / paper.score) * 100).toFixed(0)} % of S = 1's`;
  const toBest = `${((tuned.score / best.score) * 100).toFixed(0)} % of the best fixed S (${best.s})`;
  return `${reached ? 'reached    ' : 'NOT reached'} ${workload}: the tuned score is ${toPaper} and ${toBest}`;
}

function costLine({ readNs, writeNs, garbageBytes }: HeatCost): string {
  const reached = Math.max(readNs, writeNs) < NOTE_NS_MAX && garbageBytes < 1;
  const seen = `${readNs.toFixed(0)} ns a read, ${writeNs.toFixed(0)} ns a write, ${garbageBytes.toFixed(2)} bytes of garbage`;
  return `${reached ? 'reached    ' : 'NOT reached'} a note costs less than ${NOTE_NS_MAX} ns and allocates nothing: ${seen}`;
}

const COLUMNS = [
  { title: 'S' },
  ...['score', 'missed blocks', 'pushed MB', 'useful'].map((title) => ({ title, figures: true })),
];

/** True when the goal is reached on both workloads. */
export function benchPropagation(options: PropagationBenchOptions, line: ProgressLine): boolean {
  const cost = measureHeat();
  const staysMs = staysOf(options.seed, options.moves);
  const durationMs = staysMs.reduce((sum, one) => sum + one, 120_000);
  const results = [database, webAndMail].map((make) => {
    const trace = make(options.seed, durationMs);
    line.begin(`${trace.name}: ${FIXED_S.length} values of S and the tuned one, ${options.moves} moves each`);
    const result = compare(trace, FIXED_S, {
      staysMs,
      seed: options.seed,
      pull: options.pull === true ? 'hottest' : 'none',
    });
    line.end(`${trace.length} requests`);
    return result;
  });
  const json = JSON.stringify({ options, cost, results }, null, 2);
  if (options.json === true) process.stdout.write(`${json}\n`);
  else {
    if (options.json !== undefined) writeFileSync(options.json, json);
    for (const result of results)
      process.stdout.write(`\n${result.workload}, per move\n${formatTable(COLUMNS, rowsOf(result))}\n`);
    process.stdout.write(`\n${[...results.map(verdictOf), costLine(cost)].join('\n')}\n`);
  }
  return results.every(({ reached }) => reached);
}
