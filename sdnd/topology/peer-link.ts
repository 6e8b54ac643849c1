// What one node knows of its link with one other, by the probes that it sends and hears. Pure: told the time, a monotonic
// clock's; neither end needs to know the other's.
import type { Probe, ProbeEcho } from './probe-frame.ts';

/** A peer that was never heard since it became one is unknown until that could have been. */
export type Hearing = 'unknown' | 'heard' | 'silent';

/** So long without a probe of a peer that sends five in two seconds: six lost ones in a row. */
const SILENCE_MS = 2_500;
/** How long an echo is brought back, and a longest frame remembered. */
const ECHO_MS_MAX = 5_000;
const LONGEST_MS = 60_000;
const ROUND_TRIP_MS_MAX = 60_000;
/** Gains of the smoothed round trip and of its variation (RFC 6298, 2.3). */
const GAIN = 1 / 8;
const VARIATION_GAIN = 1 / 4;
/** Probes over which the loss is counted. */
const LOSS_WINDOW = 32;

/** What is known now. */
export interface LinkFigures {
  readonly peer: string;
  /** Whether this node hears the peer. */
  readonly hearing: Hearing;
  /** Whether the peer says that it hears this node. */
  readonly isHeard: boolean;
  /** Smoothed, ms; null before the first. */
  readonly roundTripMs: number | null;
  /** Mean deviation of it, ms. */
  readonly variationMs: number;
  /** Of the peer's last 32 probes, the share that did not come. */
  readonly loss: number;
  /** The longest frame of this node that the peer heard within a minute; 0 before it says so. */
  readonly provedBytes: number;
}

interface Arrival {
  readonly session: number;
  readonly sequence: number;
  readonly sentUs: bigint;
  readonly atMs: number;
}

/** This node's end of one link. */
export class PeerLink {
  readonly #peer: string;
  readonly #session: number;
  #sinceMs: number;
  #newest: Arrival | undefined;
  #heardMs: number | undefined;
  #isHeardMs: number | undefined;
  #sequence: number;
  #roundTripMs: number | null = null;
  #variationMs = 0;
  #lastEchoUs = 0n;
  /** Bit 0 is the newest probe of the peer's session; 1: it came. */
  #came = 0;
  #expected = 0;
  #longest = { bytes: 0, atMs: 0 };
  #provedBytes = 0;

  /** `session` is this node's; `sequence`: how many probes the peer was sent in it before. */
  constructor(peer: string, session: number, nowMs: number, sequence = 0) {
    this.#peer = peer;
    this.#session = session;
    this.#sinceMs = nowMs;
    this.#sequence = sequence;
  }

  /** Of the newest probe to the peer. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The next probe to the peer. */
  probe(from: string, asks: boolean, nowMs: number): Probe {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return {
      from,
      to: this.#peer,
      session: this.#session,
      sequence: this.#sequence,
      sentUs: micros(nowMs),
      asks,
      echo: this.#echo(nowMs),
    };
  }

  /** A probe of the peer came, in a frame of so many bytes. */
  heard(probe: Probe, frameBytes: number, nowMs: number): void {
    this.#heardMs = nowMs;
    this.#count(probe);
    const last = this.#newest;
    if (last === undefined || last.session !== probe.session || isLater(probe.sequence, last.sequence))
      this.#newest = { session: probe.session, sequence: probe.sequence, sentUs: probe.sentUs, atMs: nowMs };
    if (frameBytes >= this.#longest.bytes || nowMs - this.#longest.atMs > LONGEST_MS)
      this.#longest = { bytes: frameBytes, atMs: nowMs };
    if (probe.echo?.session === this.#session) this.#cameBack(probe.echo, nowMs);
  }

  /** This node has not listened for so long, up to now: what it did not hear was no silence, and what waited tells no time. */
  wasDeaf(forMs: number, nowMs: number): void {
    this.#sinceMs = Math.min(nowMs, this.#sinceMs + forMs);
    if (this.#heardMs !== undefined) this.#heardMs = Math.min(nowMs, this.#heardMs + forMs);
    this.#lastEchoUs = micros(nowMs);
  }

  /** `withinMs`: how old the last sign of the peer may be. */
  figures(nowMs: number, withinMs = SILENCE_MS): LinkFigures {
    return {
      peer: this.#peer,
      hearing: this.#hearing(nowMs, withinMs),
      isHeard: this.#isHeardMs !== undefined && nowMs - this.#isHeardMs <= withinMs,
      roundTripMs: this.#roundTripMs,
      variationMs: this.#variationMs,
      loss: this.#expected === 0 ? 0 : 1 - bits(this.#came) / this.#expected,
      provedBytes: this.#provedBytes,
    };
  }

  #hearing(nowMs: number, withinMs: number): Hearing {
    if (nowMs - (this.#heardMs ?? this.#sinceMs) > withinMs) return 'silent';
    return this.#heardMs === undefined ? 'unknown' : 'heard';
  }

  #echo(nowMs: number): ProbeEcho | undefined {
    const newest = this.#newest;
    if (newest === undefined || nowMs - newest.atMs > ECHO_MS_MAX) return undefined;
    const { session, sentUs, atMs } = newest;
    return { session, sentUs, heldUs: micros(nowMs - atMs), heardBytes: this.#longest.bytes };
  }

  #cameBack({ sentUs, heldUs, heardBytes }: ProbeEcho, nowMs: number): void {
    const heldMs = Number(heldUs) / 1_000;
    this.#isHeardMs = Math.max(this.#isHeardMs ?? Number.NEGATIVE_INFINITY, nowMs - heldMs);
    this.#provedBytes = heardBytes;
    // The same one again, or an older one that was overtaken: no new measurement.
    if (sentUs <= this.#lastEchoUs) return;
    const roundTripMs = Number(micros(nowMs) - sentUs - heldUs) / 1_000;
    if (roundTripMs < 0 || roundTripMs > ROUND_TRIP_MS_MAX) return;
    this.#lastEchoUs = sentUs;
    const before = this.#roundTripMs;
    if (before === null) {
      this.#roundTripMs = roundTripMs;
      this.#variationMs = roundTripMs / 2;
      return;
    }
    this.#variationMs += VARIATION_GAIN * (Math.abs(before - roundTripMs) - this.#variationMs);
    this.#roundTripMs = before + GAIN * (roundTripMs - before);
  }

  #count({ session, sequence }: Probe): void {
    const last = this.#newest;
    if (last === undefined || last.session !== session) {
      this.#came = 1;
      this.#expected = 1;
      return;
    }
    const ahead = (sequence - last.sequence) | 0;
    if (ahead > 0) {
      this.#came = ahead >= LOSS_WINDOW ? 1 : ((this.#came << ahead) | 1) >>> 0;
      this.#expected = Math.min(LOSS_WINDOW, this.#expected + ahead);
    } else if (-ahead < this.#expected) this.#came = (this.#came | (1 << -ahead)) >>> 0;
  }
}

function micros(ms: number): bigint {
  return BigInt(Math.round(ms * 1_000));
}

/** Sequences go round. */
function isLater(sequence: number, than: number): boolean {
  return ((sequence - than) | 0) > 0;
}

function bits(word: number): number {
  let count = 0;
  for (let rest = word; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++;
  return count;
}
