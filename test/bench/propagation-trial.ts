// One VM's disk that moves to and fro between two places while a trace is played to it, with the project's own deciding
// parts at both ends and a simulated link between: what each move cost. No time passes and no socket is opened.
import { ArrivalLedger } from '../../blockd/propagation/arrival-ledger.ts';
import { DEFAULT_SETTINGS } from '../../blockd/propagation/default-settings.ts';
import { decodeHeat, HeatSurvey } from '../../blockd/propagation/heat-summary.ts';
import { Propagator } from '../../blockd/propagation/propagator.ts';
import type { PushOrder } from '../../blockd/propagation/propagator-parts.ts';
import { PullOrder } from '../../blockd/propagation/pull-order.ts';
import { afterFirstMinute } from '../../blockd/propagation/s-tuner.ts';
import type { PropagationMemory } from '../../wire/contracts/propagation.ts';
import { Prng } from '../sim/prng.ts';
import type { Trace } from './propagation-trace.ts';

const BLOCK_BYTES = 4096;
const LINK_BYTES_PER_MS = 25_000;
const ONE_WAY_MS = 37.5;
const TICK_MS = 200;
/** How long before the guest stops a migration is announced: its memory crosses meanwhile. */
const ANNOUNCED_MS = 40_000;
/** What pushes may take of the link's 25 MB/s. */
const PUSH_BYTES_PER_SECOND = 5_000_000;
/** The background pull, where there is one, takes what a move's default is. */
const PULL_BYTES_PER_MS = 5_000;
const FIRST_MINUTE_MS = 60_000;
const SCORE_BYTES = 1e6;

export interface TrialOptions {
  readonly s: number | 'auto';
  /** How long the VM stays at each place before it moves on. */
  readonly staysMs: readonly number[];
  readonly seed: number;
  /** Whether what is missing is pulled after an arrival: from the first block on, or the hottest first. */
  readonly pull: 'none' | 'in-order' | 'hottest';
}

/** One move and the stay before it. */
export interface MoveResult {
  /** Blocks that the guest waited for in its first minute. */
  readonly missed: number;
  readonly pushedBytes: number;
  readonly usefulBlocks: number;
  readonly wastedBlocks: number;
  readonly score: number;
  /** The value of S when the guest left. */
  readonly s: number;
}

interface Sent {
  readonly order: PushOrder;
  readonly versions: Uint32Array;
  readonly arrivesMs: number;
}

const PLACES = ['east', 'west'] as const;

/** The link, the versions that each place has, and the VM between them. */
export class PropagationTrial {
  readonly #trace: Trace;
  readonly #options: TrialOptions;
  readonly #prng: Prng;
  readonly #version: Uint32Array;
  readonly #have: readonly [Uint32Array, Uint32Array];
  readonly #results: MoveResult[] = [];
  #here: 0 | 1 = 0;
  #nowMs = 0;
  #at = 0;
  #propagator: Propagator;
  /** At the place where the VM goes next, and, after a move, at the place where it is. */
  #ahead: ArrivalLedger;
  #arrived: ArrivalLedger | undefined;
  #arrivedMs = 0;
  #isCorrected = true;
  #linkFreeMs = 0;
  #pushedBytes = 0;
  #sent: Sent[] = [];
  #pull: PullOrder | undefined;
  #pullCredit = 0;

  constructor(trace: Trace, options: TrialOptions) {
    this.#trace = trace;
    this.#options = options;
    this.#prng = new Prng(options.seed);
    this.#version = new Uint32Array(trace.blocks).fill(1);
    this.#have = [new Uint32Array(trace.blocks).fill(1), new Uint32Array(trace.blocks)];
    this.#propagator = this.#begin(undefined);
    this.#ahead = new ArrivalLedger(trace.blocks);
  }

  run(): MoveResult[] {
    for (const stayMs of this.#options.staysMs) {
      const leavesMs = this.#nowMs + stayMs;
      this.#stay(leavesMs - ANNOUNCED_MS);
      this.#propagator.announce(PLACES[this.#there]);
      this.#stay(leavesMs);
      this.#move(stayMs);
    }
    this.#stay(this.#nowMs + FIRST_MINUTE_MS + TICK_MS);
    return this.#results;
  }

  get #there(): 0 | 1 {
    return this.#here === 0 ? 1 : 0;
  }

  #begin(memory: PropagationMemory | undefined): Propagator {
    const propagator = new Propagator({
      blocks: this.#trace.blocks,
      place: PLACES[this.#here],
      hasData: () => true,
      isHeld: (_, block) => this.#have[this.#there][block] === this.#version[block],
      random: () => this.#prng.next(),
      nowMs: this.#nowMs,
      ...(memory === undefined ? {} : { memory }),
    });
    const { s } = this.#options;
    const settings = { ...DEFAULT_SETTINGS, s, rateBytesPerSecond: PUSH_BYTES_PER_SECOND };
    propagator.setPlaces(PLACES, []);
    propagator.configure({ ...settings, policy: { mode: 'proactive' } }, this.#nowMs);
    return propagator;
  }

  #stay(untilMs: number): void {
    while (this.#nowMs < untilMs) {
      this.#nowMs += TICK_MS;
      for (; this.#trace.atMs(this.#at) < this.#nowMs; this.#at++) this.#request(this.#at);
      this.#receive();
      for (const order of this.#propagator.tick(this.#nowMs)) this.#send(order);
      this.#pullSome();
      this.#learn();
    }
  }

  #request(at: number): void {
    const first = this.#trace.first(at);
    const count = this.#trace.count(at);
    if (this.#trace.isWrite(at)) this.#write(first, count);
    else this.#read(first, count);
  }

  #read(first: number, count: number): void {
    const have = this.#have[this.#here];
    let missed = 0;
    for (let block = first; block < first + count; block++) {
      if (have[block] === this.#version[block]) continue;
      have[block] = this.#version[block] ?? 0;
      missed++;
    }
    this.#arrived?.read(first, count, missed, this.#nowMs);
    this.#propagator.noteRead(first, count);
  }

  #write(first: number, count: number): void {
    for (let block = first; block < first + count; block++) {
      const version = (this.#version[block] ?? 0) + 1;
      this.#version[block] = version;
      this.#have[this.#here][block] = version;
    }
    this.#ahead.overwritten(first, count);
    this.#arrived?.overwritten(first, count);
    this.#propagator.noteWrite(first, count);
  }

  #send(order: PushOrder): void {
    const bytes = order.count * BLOCK_BYTES;
    this.#linkFreeMs = Math.max(this.#nowMs, this.#linkFreeMs) + bytes / LINK_BYTES_PER_MS;
    this.#pushedBytes += bytes;
    const versions = this.#version.slice(order.first, order.first + order.count);
    this.#sent.push({ order, versions, arrivesMs: this.#linkFreeMs + ONE_WAY_MS });
  }

  #receive(): void {
    let done = 0;
    for (const { order, versions, arrivesMs } of this.#sent) {
      if (arrivesMs > this.#nowMs) break;
      done++;
      for (const [index, version] of versions.entries()) {
        const block = order.first + index;
        this.#have[this.#there][block] = version;
        if (this.#version[block] === version) this.#ahead.pushed(block, 1);
      }
      this.#propagator.settled(order, true);
    }
    if (done > 0) this.#sent.splice(0, done);
  }

  #move(stayedMs: number): void {
    while (this.#sent.length > 0) {
      this.#nowMs = Math.max(this.#nowMs, this.#sent[0]?.arrivesMs ?? 0);
      this.#receive();
    }
    this.#settleArrival();
    const survey = new HeatSurvey(this.#propagator.heat);
    while (!survey.step(2 ** 13));
    const hottest = decodeHeat(this.#trace.blocks, survey.summary());
    const { s } = this.#propagator.status(this.#nowMs);
    const memory = this.#propagator.memoryFor(PLACES[this.#there], stayedMs);
    const pushedBytes = this.#pushedBytes;
    this.#results.push({ missed: 0, pushedBytes, usefulBlocks: 0, wastedBlocks: 0, score: 0, s });
    this.#pushedBytes = 0;
    this.#here = this.#there;
    this.#propagator = this.#begin(memory);
    this.#arrived = this.#ahead;
    this.#arrived.arrived(this.#nowMs);
    this.#arrivedMs = this.#nowMs;
    this.#isCorrected = false;
    this.#ahead = new ArrivalLedger(this.#trace.blocks);
    const isHottest = this.#options.pull === 'hottest';
    this.#pull =
      this.#options.pull === 'none' ? undefined : new PullOrder(this.#trace.blocks, isHottest ? hottest : undefined);
  }

  /** After the first minute the tuning hears how many misses there were. */
  #learn(): void {
    if (this.#isCorrected || this.#nowMs - this.#arrivedMs < FIRST_MINUTE_MS) return;
    this.#isCorrected = true;
    const missed = this.#settleArrival();
    this.#propagator.correct((tuner) => afterFirstMinute(tuner, missed));
  }

  /** Fills in what became of the last move, as far as it is known; answers its misses. */
  #settleArrival(): number {
    const move = this.#results.at(-1);
    if (move === undefined || this.#arrived === undefined) return 0;
    const { useful, wasted, missed } = this.#arrived.counts(this.#nowMs);
    const score = missed + move.pushedBytes / SCORE_BYTES;
    this.#results[this.#results.length - 1] = { ...move, missed, usefulBlocks: useful, wastedBlocks: wasted, score };
    return missed;
  }

  #pullSome(): void {
    if (this.#pull === undefined) return;
    const have = this.#have[this.#here];
    this.#pullCredit = Math.min(this.#pullCredit + TICK_MS * PULL_BYTES_PER_MS, TICK_MS * PULL_BYTES_PER_MS);
    while (this.#pullCredit > 0) {
      const range = this.#pull.next((from, end) => this.#nextMissing(have, from, end), 64);
      if (range === undefined) {
        this.#pull = undefined;
        return;
      }
      for (let block = range.first; block < range.end; block++) {
        if (have[block] !== this.#version[block]) this.#pullCredit -= BLOCK_BYTES;
        have[block] = this.#version[block] ?? 0;
      }
    }
  }

  #nextMissing(have: Uint32Array, from: number, end: number): number | undefined {
    let first = from;
    while (first < end && have[first] === this.#version[first]) first++;
    return first < end ? first : undefined;
  }
}
