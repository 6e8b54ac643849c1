// Two guests' disks, made from a seed: a database with buffers, a log, checkpoints and sort files; and a web and mail
// server with a page cache, small files, logs and a journal. Rates, sizes and shapes stand here, as plain numbers.
import { Prng } from '../sim/prng.ts';
import { GuestCache } from './guest-cache.ts';
import { Trace } from './propagation-trace.ts';

const STEP_MS = 100;
const MB_BLOCKS = 256;

/** Ranks 0 to n - 1 by Zipf's law with an exponent, spread over the numbers so that neighbours are not alike hot. */
class Zipf {
  readonly #prng: Prng;
  readonly #count: number;
  readonly #cumulative: Float64Array;
  readonly #spread: number;

  constructor(prng: Prng, count: number, exponent: number) {
    this.#prng = prng;
    this.#count = count;
    this.#cumulative = new Float64Array(count);
    let sum = 0;
    for (let rank = 0; rank < count; rank++) {
      sum += 1 / (rank + 1) ** exponent;
      this.#cumulative[rank] = sum;
    }
    // Prime to every count that is no multiple of it.
    this.#spread = 1_000_003;
  }

  draw(): number {
    const wanted = this.#prng.next() * (this.#cumulative[this.#count - 1] ?? 1);
    let [low, high] = [0, this.#count - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#cumulative[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return (low * this.#spread) % this.#count;
  }
}

/** Calls `happen` as often as a rate per second says, at random moments. */
function perSecond(prng: Prng, rate: number, happen: () => void): void {
  let left = (rate * STEP_MS) / 1_000;
  while (left >= 1 || prng.chance(Math.max(0, left))) {
    happen();
    left -= 1;
    if (left <= 0) return;
  }
}

/** A place that is written from its beginning to its end, and again. */
class Ring {
  readonly first: number;
  readonly blocks: number;
  #at = 0;

  constructor(first: number, blocks: number) {
    this.first = first;
    this.blocks = blocks;
  }

  /** The first of the next blocks. */
  next(count: number): number {
    if (this.#at + count > this.blocks) this.#at = 0;
    const first = this.first + this.#at;
    this.#at += count;
    return first;
  }
}

/**
 * Tables of 1 GB and indexes of 64 MB in pages of 8 KiB behind buffers of 192 MB; 60 transactions a second, of which 30 %
 * change a page; a log of 256 MB that is never read; pages written back after five minutes (checkpoint); every 45
 * seconds a sort that writes 8 MB and reads it back once; every 20 minutes a report over 128 MB that nothing else reads.
 */
export function database(seed: number, durationMs: number): Trace {
  const prng = new Prng(seed);
  const trace = new Trace('database', 1_536 * MB_BLOCKS);
  const [tablePages, indexPages] = [131_072, 8_192];
  const cache = new GuestCache(trace, 24_576, 2, 300_000);
  const tables = new Zipf(prng, tablePages, 0.9);
  const indexes = new Zipf(prng, indexPages, 0.9);
  const log = new Ring(1_088 * MB_BLOCKS, 256 * MB_BLOCKS);
  const sort = new Ring(1_344 * MB_BLOCKS, 2_000);
  const report = new Ring(1_376 * MB_BLOCKS, 128 * MB_BLOCKS);
  for (let atMs = 0; atMs < durationMs; atMs += STEP_MS) {
    perSecond(prng, 60, () => {
      cache.read(atMs, tablePages + indexes.draw());
      for (let read = 0; read < 2; read++) cache.read(atMs, tables.draw());
      const page = tables.draw();
      if (!prng.chance(0.3)) cache.read(atMs, page);
      else {
        cache.write(atMs, page, false);
        trace.add(atMs, log.next(2), 2, true);
      }
    });
    if (atMs % 45_000 < 2_500) trace.add(atMs, sort.next(80), 80, true);
    else if (atMs % 45_000 < 5_000) trace.add(atMs, sort.next(80), 80, false);
    if (atMs % 1_200_000 >= 600_000 && atMs % 1_200_000 < 640_000) trace.add(atMs, report.next(81), 81, false);
    cache.tick(atMs);
  }
  return trace;
}

/**
 * Static files of 400 MB in pieces of 32 KiB, 40 requests a second; 2,000 mailboxes of 256 KiB: 10 deliveries a second at
 * their ends, 5 readings of the last 32 KiB, every two seconds one that is rewritten; all behind a page cache of 128 MB,
 * written back after 30 s; an access log that is read once, ten minutes' worth at a time; a journal of 32 MB; 2 MB of inode
 * and directory blocks, 40 of them written every 5 s.
 */
export function webAndMail(seed: number, durationMs: number): Trace {
  const prng = new Prng(seed);
  const trace = new Trace('web and mail', 1_536 * MB_BLOCKS);
  const cache = new GuestCache(trace, 32_768, 1, 30_000);
  const [files, mailboxes, mailBlocks] = [12_800, 2_000, 64];
  const web = new Zipf(prng, files, 0.8);
  const users = new Zipf(prng, mailboxes, 0.7);
  const mailFirst = 400 * MB_BLOCKS;
  const ends = Uint8Array.from({ length: mailboxes }, () => prng.integer(mailBlocks));
  const log = new Ring(912 * MB_BLOCKS, 512 * MB_BLOCKS);
  const readLog = new Ring(912 * MB_BLOCKS, 512 * MB_BLOCKS);
  const journal = new Ring(1_424 * MB_BLOCKS, 32 * MB_BLOCKS);
  const inodes = 1_456 * MB_BLOCKS;
  let logged = 0;
  const readMail = (atMs: number, user: number): void => {
    const end = ends[user] ?? 0;
    for (let back = 0; back < 8; back++)
      cache.read(atMs, mailFirst + user * mailBlocks + ((end + mailBlocks - back) % mailBlocks));
  };
  for (let atMs = 0; atMs < durationMs; atMs += STEP_MS) {
    perSecond(prng, 40, () => {
      const file = web.draw();
      for (let block = 0; block < 8; block++) cache.read(atMs, file * 8 + block);
    });
    perSecond(prng, 10, () => {
      const user = users.draw();
      ends[user] = ((ends[user] ?? 0) + 1) % mailBlocks;
      cache.write(atMs, mailFirst + user * mailBlocks + (ends[user] ?? 0), false);
    });
    perSecond(prng, 5, () => readMail(atMs, users.draw()));
    perSecond(prng, 0.5, () => {
      const user = users.draw();
      for (let block = 0; block < mailBlocks; block++) cache.write(atMs, mailFirst + user * mailBlocks + block, true);
    });
    perSecond(prng, 4, () => {
      trace.add(atMs, log.next(1), 1, true);
      logged++;
    });
    perSecond(prng, 20, () => trace.add(atMs, journal.next(1), 1, true));
    if (atMs % 5_000 === 0)
      for (let one = 0; one < 40; one++) trace.add(atMs, inodes + prng.integer(2 * MB_BLOCKS), 1, true);
    if (atMs % 600_000 >= 300_000 && logged >= 16) {
      trace.add(atMs, readLog.next(16), 16, false);
      logged -= 16;
    }
    cache.tick(atMs);
  }
  return trace;
}
