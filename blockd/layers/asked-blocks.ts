// Which blocks were asked of other nodes and are not here yet, and who waits for them. What a client waits for is asked
// for again though a pull has it under way: that one may be stuck, or far behind in its queue. Whichever comes first will do.
import type { FetchCause, WantedRun } from './block-fetcher.ts';

/** Blocks whose ranges are kept together: a request is about as long. */
const GROUP_BLOCKS = 64;

/** One request, whatever ranges of blocks it has. */
interface Asked {
  readonly came: Promise<void>;
  readonly cause: FetchCause;
}

interface BlockRange {
  readonly first: number;
  readonly end: number;
}

/** Neighbours in one group that are under way with one request; no two ranges have a block in common. */
interface AskedRange extends BlockRange {
  readonly asked: Asked;
}

/** The blocks of one layer that are under way. */
export class AskedBlocks {
  readonly #groups = new Map<number, AskedRange[]>();
  #blocks = 0;

  get size(): number {
    return this.#blocks;
  }

  /** Whether any of the blocks is. */
  hasAny(first: number, end: number): boolean {
    for (let from = first; from < end; from = groupEnd(from)) {
      const ranges = this.#groups.get(groupOf(from));
      if (ranges?.some((range) => range.first < end && first < range.end) === true) return true;
    }
    return false;
  }

  /** What to wait for, where asking again for that cause would bring the block no sooner. */
  waitFor(block: number, cause: FetchCause): Promise<void> | undefined {
    const asked = this.#at(block)?.asked;
    return asked !== undefined && isSoonEnough(asked, cause) ? asked.came : undefined;
  }

  /** The first of the blocks from `first` to before `end` that is waited for so; `end` without one. */
  nextWaitedFor(first: number, end: number, cause: FetchCause): number {
    let next = end;
    for (let from = first; from < end && next === end; from = groupEnd(from)) {
      for (const range of this.#groups.get(groupOf(from)) ?? []) {
        if (range.end <= first || range.first >= next || !isSoonEnough(range.asked, cause)) continue;
        next = Math.max(range.first, first);
      }
    }
    return next;
  }

  /**
   * The blocks of these runs are asked for, and come with the promise. Answers when they have: as it does, or before it once
   * all of what they were under way with before has come.
   */
  put(runs: readonly WantedRun[], own: Promise<void>, cause: FetchCause): Promise<void> {
    const ranges = joined(runs);
    const came = this.#firstOf(own, ranges);
    const asked = { came, cause };
    for (const { first, end } of ranges) this.#set(first, end, asked);
    const forget = (): void => {
      for (const { first, end } of ranges) this.#forget(first, end, asked);
    };
    came.then(forget, forget);
    return came;
  }

  #at(block: number): AskedRange | undefined {
    return this.#groups.get(groupOf(block))?.find(({ first, end }) => first <= block && block < end);
  }

  #firstOf(own: Promise<void>, ranges: readonly BlockRange[]): Promise<void> {
    const others = new Set<Promise<void>>();
    for (const { first, end } of ranges) {
      for (let block = first; block < end; ) {
        const other = this.#at(block);
        if (other === undefined) return own;
        others.add(other.asked.came);
        block = other.end;
      }
    }
    return new Promise((resolve, reject) => {
      own.then(resolve, reject);
      Promise.all(others).then(
        () => resolve(),
        () => undefined,
      );
    });
  }

  /** What was asked for before is not what the blocks are waited for with any more. */
  #set(first: number, end: number, asked: Asked): void {
    for (let from = first; from < end; from = groupEnd(from)) {
      const until = Math.min(end, groupEnd(from));
      const others = this.#without(from, until, () => true);
      this.#keep(groupOf(from), [...others, { first: from, end: until, asked }]);
    }
  }

  #forget(first: number, end: number, asked: Asked): void {
    for (let from = first; from < end; from = groupEnd(from)) {
      const until = Math.min(end, groupEnd(from));
      this.#keep(
        groupOf(from),
        this.#without(from, until, (range) => range.asked === asked),
      );
    }
  }

  /** The ranges of the group of `first`, but for what such ones have between `first` and `end`. */
  #without(first: number, end: number, isSuch: (range: AskedRange) => boolean): AskedRange[] {
    const left: AskedRange[] = [];
    for (const range of this.#groups.get(groupOf(first)) ?? []) {
      if (range.end <= first || range.first >= end || !isSuch(range)) {
        left.push(range);
        continue;
      }
      if (range.first < first) left.push({ ...range, end: first });
      if (range.end > end) left.push({ ...range, first: end });
    }
    return left;
  }

  #keep(group: number, ranges: AskedRange[]): void {
    this.#blocks += blocksIn(ranges) - blocksIn(this.#groups.get(group) ?? []);
    if (ranges.length === 0) this.#groups.delete(group);
    else this.#groups.set(group, ranges);
  }
}

/** A client waits for no pull. */
function isSoonEnough(asked: Asked, cause: FetchCause): boolean {
  return cause !== 'demand' || asked.cause === 'demand';
}

/** In however many versions they are. */
function joined(runs: readonly WantedRun[]): BlockRange[] {
  const ranges: { first: number; end: number }[] = [];
  for (const { first, count } of runs) {
    const last = ranges.at(-1);
    if (last?.end === first) last.end += count;
    else ranges.push({ first, end: first + count });
  }
  return ranges;
}

function groupOf(block: number): number {
  return Math.floor(block / GROUP_BLOCKS);
}

function groupEnd(block: number): number {
  return (groupOf(block) + 1) * GROUP_BLOCKS;
}

function blocksIn(ranges: readonly AskedRange[]): number {
  return ranges.reduce((sum, { first, end }) => sum + end - first, 0);
}
