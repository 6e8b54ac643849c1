// Where an image's VM goes next, by where it is: given by its user and learnt from its moves (TOCS 2017, 3.2.3). Pure.
import type { PropagationMemory, PropagationSettings } from '../../wire/contracts/propagation.ts';

/** The user's word counts as much as so many moves. */
const GIVEN_WEIGHT = 4;
/** Without the user's word all places are alike, and that counts as one move. */
const UNKNOWN_WEIGHT = 1;
/** What earlier moves count after one more from the same place: half after 22. */
const KEPT_PER_MOVE = 0.97;

/** Moves that travel with the image: at most 120 KB on the wire. */
const MOVES_MAX = 1_000;

type Transition = PropagationSettings['transitions'][number];
type LearntMoves = PropagationMemory['moves'][number];

/** A place and how probable it is; the probabilities of a place's row add up to 1. */
export interface Destination {
  readonly place: string;
  readonly probability: number;
}

/** The table of one image. Places are names; a VM never goes to the place where it is. */
export class TransitionTable {
  #given = new Map<string, Map<string, number>>();
  readonly #counts = new Map<string, Map<string, number>>();

  constructor(learnt: readonly LearntMoves[] = []) {
    for (const { from, to, count } of learnt) row(this.#counts, from).set(to, count);
  }

  /** Replaces what the user has given; rows are taken in proportion. Cells from a place to itself do not count. */
  give(cells: readonly Transition[]): void {
    this.#given = new Map();
    for (const { from, to, probability } of cells) {
      if (from !== to && probability > 0) row(this.#given, from).set(to, probability);
    }
  }

  /** A move that took place. */
  learn(from: string, to: string): void {
    if (from === to) return;
    const counts = row(this.#counts, from);
    for (const [place, count] of counts) counts.set(place, count * KEPT_PER_MOVE);
    counts.set(to, (counts.get(to) ?? 0) + 1);
  }

  /** Where a VM at `from` may go, the most probable first; `places`: those that exist, whatever was said of others. */
  destinations(from: string, places: readonly string[]): Destination[] {
    const others = [...new Set(places)].filter((place) => place !== from);
    const given = this.#given.get(from);
    const givenSum = sum(others, given);
    const counts = this.#counts.get(from);
    const weight = givenSum > 0 ? GIVEN_WEIGHT : UNKNOWN_WEIGHT;
    const total = weight + sum(others, counts);
    const prior = (place: string): number => (givenSum > 0 ? (given?.get(place) ?? 0) / givenSum : 1 / others.length);
    return others
      .map((place) => ({ place, probability: (weight * prior(place) + (counts?.get(place) ?? 0)) / total }))
      .sort((one, other) => other.probability - one.probability || (one.place < other.place ? -1 : 1));
  }

  /** What would be learnt with one more move. */
  learntWith(from: string, to: string): LearntMoves[] {
    const table = new TransitionTable(this.learnt());
    table.learn(from, to);
    return table.learnt();
  }

  /** What was learnt; of more moves than can travel those that count most. */
  learnt(): LearntMoves[] {
    return [...this.#counts]
      .flatMap(([from, counts]) => Array.from(counts, ([to, count]) => ({ from, to, count })))
      .sort((one, other) => other.count - one.count)
      .slice(0, MOVES_MAX);
  }
}

/**
 * Draws one by the probabilities, as the paper sends each block; `random`: 0 <= x < 1. Undefined only of none.
 */
export function drawDestination(destinations: readonly Destination[], random: number): Destination | undefined {
  let left = random * destinations.reduce((total, { probability }) => total + probability, 0);
  for (const one of destinations) {
    left -= one.probability;
    if (left < 0) return one;
  }
  return destinations.at(-1);
}

function row(rows: Map<string, Map<string, number>>, from: string): Map<string, number> {
  const known = rows.get(from);
  if (known !== undefined) return known;
  const made = new Map<string, number>();
  rows.set(from, made);
  return made;
}

function sum(places: readonly string[], values: ReadonlyMap<string, number> | undefined): number {
  return places.reduce((total, place) => total + (values?.get(place) ?? 0), 0);
}
