// Fetches of one layer from one other store: requests out, answers in, and the same requests again after the stream was
// lost, for as long as it takes (SOUNDNESS A12). It decides nothing about versions.
import type { Clock, Timer } from '../../common/clock.ts';
import type { FetchCause, FetchSink, WantedRun } from '../layers/block-fetcher.ts';
import { BLOCK_BYTES } from '../table/block-version.ts';
import { FETCH_BLOCKS_MAX } from './frame-fields.ts';
import { encodePeerFrame, FETCH_RUNS_MAX, type PeerFrame, PeerFrameReader } from './peer-frame.ts';
import type { Dial, PeerStream } from './peer-stream.ts';
import type { Meter, Traffic } from './traffic.ts';

/** The slowest supported link answers within 10 s (5 s each way); a stream that is silent longer is dead. */
const SILENCE_MS = 15_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 2_000;
/** A stream without requests is given up after this. */
const IDLE_MS = 60_000;

export interface LaneParts {
  readonly node: string;
  readonly layer: string;
  readonly cause: FetchCause;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly traffic: () => Traffic;
  /** Told once per outage when requests wait for a node, and when they go on. */
  readonly waiting: (reason: string) => void;
  readonly resumed: () => void;
}

interface OpenRequest {
  runs: WantedRun[];
  readonly sink: FetchSink;
}

/** One stream's requests. */
export class FetchLane {
  readonly #parts: LaneParts;
  readonly #requests = new Map<number, OpenRequest>();
  /** Ended before they were answered: this stream may still bring their answers. */
  readonly #ended = new Set<number>();
  #reader = new PeerFrameReader();
  #stream: PeerStream | undefined;
  #dialling = false;
  #closed = false;
  #nextId = 1;
  #retryMs = RETRY_MIN_MS;
  #timer: Timer | undefined;
  #outage = false;
  /** Of a frame that is not whole yet. */
  #uncountedBytes = 0;

  constructor(parts: LaneParts) {
    this.#parts = parts;
  }

  /** Asks for runs; each of their blocks is answered once, sooner or later, unless the answered function is called. */
  request(runs: readonly WantedRun[], sink: FetchSink): () => void {
    const isIdle = this.#requests.size === 0;
    const ids = portions(runs).map((part) => {
      const id = this.#nextId;
      this.#nextId = (this.#nextId + 1) % 2 ** 32;
      this.#requests.set(id, { runs: part, sink });
      if (this.#stream !== undefined) this.#ask(this.#stream, id, part);
      return id;
    });
    if (this.#stream === undefined) this.#connect();
    // Who is silent is not given more time by being asked more.
    else if (isIdle) this.#watch();
    return () => {
      for (const id of ids) if (this.#requests.delete(id)) this.#ended.add(id);
    };
  }

  /** Ends the lane; open requests are never answered. */
  close(): void {
    this.#closed = true;
    this.#requests.clear();
    this.#timer?.cancel();
    this.#stream?.close();
  }

  /** Of the layer as it is now: one that was dropped and has come again begins anew. */
  get #meter(): Meter {
    const { node, cause, traffic } = this.#parts;
    return traffic().meter(node, cause);
  }

  #connect(): void {
    if (this.#dialling || this.#closed) return;
    this.#dialling = true;
    this.#timer?.cancel();
    const { node, layer } = this.#parts;
    this.#reader = new PeerFrameReader();
    let stream: PeerStream | undefined;
    let ended = false;
    const events = {
      received: (chunk: Uint8Array) => this.#received(chunk),
      drained: () => undefined,
      closed: () => {
        ended = true;
        if (stream !== undefined && this.#stream === stream) this.#lost('the stream ended');
      },
    };
    this.#parts.dial(node, layer, events).then(
      (opened) => {
        this.#dialling = false;
        stream = opened;
        if (this.#closed) opened.close();
        else if (ended) this.#lost('the stream ended');
        else this.#opened(opened);
      },
      (error: unknown) => {
        this.#dialling = false;
        this.#lost(error instanceof Error ? error.message : String(error));
      },
    );
  }

  #opened(stream: PeerStream): void {
    this.#stream = stream;
    this.#ended.clear();
    for (const [id, { runs }] of this.#requests) this.#ask(stream, id, runs);
    this.#watch();
  }

  #lost(reason: string): void {
    this.#stream = undefined;
    this.#count();
    this.#timer?.cancel();
    if (this.#closed || this.#requests.size === 0) return;
    if (!this.#outage) this.#parts.waiting(reason);
    this.#outage = true;
    this.#timer = this.#parts.clock.setTimer(this.#retryMs, () => this.#connect());
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }

  #ask(stream: PeerStream, id: number, runs: readonly WantedRun[]): void {
    const bytes = encodePeerFrame({ type: 'fetch', id, runs });
    this.#meter.bytesOut += bytes.length;
    stream.write(bytes);
  }

  #received(chunk: Uint8Array): void {
    this.#uncountedBytes += chunk.length;
    this.#retryMs = RETRY_MIN_MS;
    if (this.#outage) this.#parts.resumed();
    this.#outage = false;
    let isSound = true;
    let frames = 0;
    const parsed = this.#reader.receive(chunk, (frame) => {
      frames++;
      isSound = isSound && this.#take(frame);
    });
    if (frames > 0 || !parsed) this.#count();
    if (!parsed || !isSound) this.#stream?.close();
    // Bytes alone are no answer: a frame that lies about its length would be waited for for ever.
    else if (frames > 0) this.#watch();
  }

  /** With each frame, not with each chunk: finding the meter takes longer than a chunk's bytes. */
  #count(): void {
    if (this.#uncountedBytes === 0) return;
    this.#meter.bytesIn += this.#uncountedBytes;
    this.#uncountedBytes = 0;
  }

  #take(frame: PeerFrame): boolean {
    if (frame.type === 'absent') return this.#settle(frame.id, frame.run, (sink) => sink.absent(frame.run, frame.hint));
    if (frame.type !== 'blocks') return false;
    let at = 0;
    for (const run of frame.runs) {
      const data = frame.data.subarray(at, at + run.count * BLOCK_BYTES);
      at += data.length;
      if (!this.#settle(frame.id, run, (sink) => sink.arrived(run, data))) return false;
    }
    return true;
  }

  /** Crosses an answer off; false when it was not asked for. */
  #settle(id: number, run: WantedRun, tell: (sink: FetchSink) => void): boolean {
    if (this.#ended.has(id)) return true;
    const request = this.#requests.get(id);
    const index = request?.runs.findIndex((open) => contains(open, run)) ?? -1;
    const open = request?.runs[index];
    if (request === undefined || open === undefined) return false;
    request.runs.splice(index, 1, ...without(open, run));
    if (request.runs.length === 0) this.#requests.delete(id);
    tell(request.sink);
    return true;
  }

  /** A stream that is silent while something is asked is dead; one with nothing to do ends. */
  #watch(): void {
    this.#timer?.cancel();
    const ms = this.#requests.size > 0 ? SILENCE_MS : IDLE_MS;
    this.#timer = this.#parts.clock.setTimer(ms, () => {
      const stream = this.#stream;
      this.#lost(`no answer for ${SILENCE_MS} ms`);
      stream?.close();
    });
  }
}

/** Cuts runs into requests within the caps of a frame. */
function portions(runs: readonly WantedRun[]): WantedRun[][] {
  const all: WantedRun[][] = [[]];
  let blocks = 0;
  for (const run of runs) {
    const last = all.at(-1) ?? [];
    if (blocks + run.count > FETCH_BLOCKS_MAX || last.length >= FETCH_RUNS_MAX) {
      all.push([run]);
      blocks = run.count;
    } else {
      last.push(run);
      blocks += run.count;
    }
  }
  return all.filter((part) => part.length > 0);
}

function contains(open: WantedRun, run: WantedRun): boolean {
  return (
    open.first <= run.first &&
    run.first + run.count <= open.first + open.count &&
    open.high === run.high &&
    open.low === run.low
  );
}

function without(open: WantedRun, run: WantedRun): WantedRun[] {
  const before = { ...open, count: run.first - open.first };
  const after = { ...open, first: run.first + run.count, count: open.first + open.count - run.first - run.count };
  return [before, after].filter((part) => part.count > 0);
}
