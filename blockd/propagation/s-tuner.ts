// Tunes S of one image: what TOCS 2017 (3.2.3) left as future work. A pure controller: windows of measured misses and
// pushes go in, S comes out, in bounded steps; its state is plain data that travels with the image.
import type { TunerState } from '../../wire/contracts/propagation.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { PAPER_S_INDEX, S_GRID, type ShadowWindow } from './shadow-pushes.ts';

/** How often it decides, and how long a VM's first time at a place is in the score: both a minute. */
export const WINDOW_MS = 60_000;
/** The score is misses plus pushed bytes by this. */
const SCORE_BYTES = 1e6;
/** What older windows count beside a later one that counts in full: half after ten. */
const KEPT_PER_WINDOW = 2 ** (-1 / 10);
/** Nothing is decided before windows of so much weight together. */
const WEIGHT_MIN = 0.3;
/** The grid's steps that one window may go. */
const STEPS_MAX = 2;
/** A step is taken only towards a score that is at least so much better: S then rests, instead of swinging. */
const BETTER_BY = 0.02;
/** How long a VM stays at a place, until something else was seen: half an hour, counted as one stay. */
const STAY_MS = 1_800_000;
const STAY_WEIGHT = 1;
/** Earlier stays count less. */
const STAYS_KEPT = 0.9;
/** How far one arrival and all of them may correct what is expected, either way, and what one counts: moves are few. */
const SEEN_MAX = 4;
const CORRECTION_MAX = 2;
const CORRECTION_WEIGHT = 1 / 4;
/** Misses below this are chance. */
const MISSES_NOISE = 20;

export const NEW_TUNER: TunerState = {
  index: PAPER_S_INDEX,
  missed: S_GRID.map(() => 0),
  pushed: S_GRID.map(() => 0),
  weight: 0,
  correction: 1,
  stays: STAY_WEIGHT,
  stayMs: STAY_WEIGHT * STAY_MS,
  predicted: 0,
};

/** The value that the state stands for. */
export function tunedS(state: TunerState): number {
  return S_GRID[state.index] ?? 1;
}

/**
 * Takes a window's measurements, and a bounded step if that is better. `ageMs`: how long the VM has been here. A window
 * counts by how likely a VM leaves at its end: hardly ever when it has just come, so what is seen then (nothing overwritten
 * yet, or a first copy of everything under way) counts little.
 */
export function afterWindow(state: TunerState, window: ShadowWindow, ageMs: number): TunerState {
  const counts = Math.min(1, (ageMs * state.stays) / state.stayMs);
  const kept = state.weight * KEPT_PER_WINDOW ** counts;
  const weight = kept + counts;
  const mean = (old: readonly number[], values: readonly number[]): number[] =>
    old.map((value, index) => (value * kept + (values[index] ?? 0) * counts) / weight);
  const after = {
    ...state,
    missed: mean(state.missed, window.missed),
    pushed: mean(state.pushed, window.pushed),
    weight,
  };
  return weight < WEIGHT_MIN ? after : { ...after, index: nextIndex(after, window.held, ageMs) };
}

/** The VM leaves after so long: what the next one may last, and what is expected of its first minute elsewhere. */
export function afterStay(state: TunerState, stayedMs: number): TunerState {
  const stays = state.stays * STAYS_KEPT + 1;
  return { ...state, stays, stayMs: state.stayMs * STAYS_KEPT + stayedMs, predicted: state.missed[state.index] ?? 0 };
}

/** Its first minute is over, with so many blocks that its guest had to wait for: corrects what is expected of the next. */
export function afterFirstMinute(state: TunerState, missed: number): TunerState {
  const seen = bounded((missed + MISSES_NOISE) / (state.predicted + MISSES_NOISE), SEEN_MAX);
  const correction = state.correction ** (1 - CORRECTION_WEIGHT) * seen ** CORRECTION_WEIGHT;
  return { ...state, correction: bounded(correction, CORRECTION_MAX) };
}

/**
 * What a stay that goes on like this costs at each value of the grid: misses of the first minute at the next place, and
 * what is pushed until then, with the copies to be made first by a lower S than now. Who has stayed longer than was
 * expected is expected to stay as long again.
 */
export function expectedScores(state: TunerState, held: readonly number[], ageMs: number): number[] {
  const windows = Math.max(state.stayMs / state.stays, ageMs) / WINDOW_MS;
  const heldNow = held[state.index] ?? 0;
  return S_GRID.map((_, index) => {
    const copies = Math.max(0, (held[index] ?? 0) - heldNow) + (state.pushed[index] ?? 0) * windows;
    return (state.missed[index] ?? 0) * state.correction + (copies * BLOCK_BYTES) / SCORE_BYTES;
  });
}

function nextIndex(state: TunerState, held: readonly number[], ageMs: number): number {
  const scores = expectedScores(state, held, ageMs);
  const best = scores.reduce((low, score, index) => (score <= (scores[low] ?? score) ? index : low), 0);
  if ((scores[best] ?? 0) > (scores[state.index] ?? 0) * (1 - BETTER_BY)) return state.index;
  return state.index + Math.max(-STEPS_MAX, Math.min(STEPS_MAX, best - state.index));
}

function bounded(ratio: number, most: number): number {
  return Math.min(most, Math.max(1 / most, ratio));
}
