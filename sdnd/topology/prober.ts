// A node's prober: which peers it probes and when, what it answers, and what of its links is worth telling the controller.
// The peers that it shares a network with are close and probed five times in two seconds; of all others a few, drawn at random, each
// half minute, so that the probes of a large cluster grow with the nodes and not with their square (SOUNDNESS C2). Pure:
// frames in, frames out; whoever drives it calls `tick` some ten times a second.
import { LinkLook } from './link-look.ts';
import { type LinkFigures, PeerLink } from './peer-link.ts';
import { decodeProbe, encodeProbe } from './probe-frame.ts';

const CLOSE_EVERY_MS = 400;
/** A close one that was not heard for so long, or does not hear, may take this node for far: it is asked. */
const CLOSE_ASK_MS = 1_000;
const FAR_EVERY_MS = 30_000;
/** Of the far ones, in each round. */
const FAR_PEERS = 3;
/** A far one is asked until it answers, at most so often, and its silence is known after so long. */
const FAR_ASKS = 3;
const FAR_ASK_EVERY_MS = 800;
/** Ticks come ten times a second: after a longer pause in which nothing was done this node was held up, and has not listened. */
const DEAF_MS = 1_000;
/** Whoever asks more often is not answered. */
const ANSWER_EVERY_MS = 200;
/** Every so many-th probe of a close one, and the first of a far one's round, is as long as a guest's longest frame. */
const LONG_EVERY = 4;
/** A round trip that changed by less, and by less than this share, is not worth telling. */
const ROUND_TRIP_STEP_MS = 0.5;
const ROUND_TRIP_STEP_SHARE = 0.1;
/** Nor is one that changes all the time, more often. */
const TELL_EVERY_MS = 1_000;

/** A member that is probed. */
export interface ProbePeer {
  readonly node: string;
  /** The address under which its tunnel's frames come and to which they go. */
  readonly address: string;
  /** By which of the node's tunnel ports; absent: the first. */
  readonly portNo?: number;
  /** Some network has a port at both. */
  readonly isClose: boolean;
}

/** A frame for the tunnel. */
export interface ProbeFrame {
  readonly to: string;
  /** The tunnel port's number; absent: the first's. */
  readonly portNo?: number;
  readonly bytes: Uint8Array;
}

export interface ProberParts {
  readonly node: string;
  /** Drawn at random at each start, 32 bits. */
  readonly session: number;
  /** 0 to 1. */
  readonly random: () => number;
  /** A guest's longest frame, its Ethernet header included. */
  readonly longBytes: number;
}

interface Probed {
  readonly peer: ProbePeer;
  readonly link: PeerLink;
  dueMs: number;
  /** Of a far one, in this round. */
  asksLeft: number;
  /** It is a far one that answered nothing in its last round; what was heard of it before is over. */
  isMute: boolean;
  sent: number;
  answeredMs: number;
  told: LinkFigures | undefined;
  toldMs: number;
  /** Somebody looks closer at it. */
  look: LinkLook | undefined;
}

export class Prober {
  readonly #parts: ProberParts;
  readonly #probed = new Map<string, Probed>();
  /**
   * Of the newest probe to whoever was a peer once: the other end may remember that, and take for older what begins anew in the
   * same session.
   */
  readonly #sequences = new Map<string, number>();
  #roundMs = Number.NEGATIVE_INFINITY;
  #ranMs: number | undefined;
  /** Frames that were no probes of members, or of members at other addresses. */
  refused = 0;

  constructor(parts: ProberParts) {
    this.#parts = parts;
  }

  /** From now on these are the others; what is known of those that stay is kept. */
  setPeers(peers: readonly ProbePeer[], nowMs: number): void {
    const names = new Set(peers.map(({ node }) => node));
    for (const name of this.#probed.keys()) if (!names.has(name)) this.#forget(name);
    for (const peer of peers) {
      if (peer.node === this.#parts.node) continue;
      const known = this.#probed.get(peer.node);
      const isThere = known?.peer.address === peer.address && known.peer.portNo === peer.portNo;
      const isSame = isThere && known.peer.isClose === peer.isClose;
      if (isSame) continue;
      this.#forget(peer.node);
      this.#probed.set(peer.node, this.#begin(peer, nowMs));
    }
  }

  #forget(node: string): void {
    const sequence = this.#probed.get(node)?.link.sequence;
    if (sequence !== undefined) this.#sequences.set(node, sequence);
    this.#probed.delete(node);
  }

  /** The probes that are due. */
  tick(nowMs: number): ProbeFrame[] {
    this.#listened(nowMs);
    if (nowMs - this.#roundMs >= FAR_EVERY_MS) this.#beginRound(nowMs);
    return [...this.#probed.values()].flatMap((probed) => [
      ...(nowMs < probed.dueMs ? [] : this.#due(probed, nowMs)),
      ...this.#looked(probed, nowMs),
    ]);
  }

  /** A frame that came through the tunnel from this address; the answer, if one is asked for. */
  receive(bytes: Uint8Array, fromAddress: string, nowMs: number): ProbeFrame[] {
    this.#listened(nowMs);
    const probe = decodeProbe(bytes);
    const probed = probe && this.#probed.get(probe.from);
    if (probe === undefined || probed?.peer.address !== fromAddress || probe.to !== this.#parts.node) {
      this.refused++;
      return [];
    }
    probed.link.heard(probe, bytes.length, nowMs);
    probed.look?.came(bytes.length);
    probed.isMute = false;
    if (!probed.peer.isClose && probe.echo?.session === this.#parts.session) this.#endRound(probed);
    if (!probe.asks || nowMs - probed.answeredMs < ANSWER_EVERY_MS) return [];
    probed.answeredMs = nowMs;
    return [this.#frame(probed, false, nowMs)];
  }

  /** Looks closer at the link with a peer for so long, from now on; undefined when the node has no tunnel to it. */
  look(node: string, forMs: number, nowMs: number): LinkLook | undefined {
    const probed = this.#probed.get(node);
    if (probed === undefined) return undefined;
    const underWay = probed.look?.isOver(nowMs) ? undefined : probed.look;
    probed.look = underWay ?? new LinkLook(this.#parts.longBytes);
    probed.look.untilMs = nowMs + forMs;
    return probed.look;
  }

  /** What is known of every link now. */
  links(nowMs: number): LinkFigures[] {
    return [...this.#probed.values()].map((probed) => figures(probed, nowMs));
  }

  /** What is to be told since the last time: all of it to a controller that is new. */
  news(nowMs: number, isAll = false): LinkFigures[] {
    return [...this.#probed.values()].flatMap((probed) => {
      const now = figures(probed, nowMs);
      if (!isAll && !isNews(probed, now, nowMs)) return [];
      probed.told = now;
      probed.toldMs = nowMs;
      return [now];
    });
  }

  // A process that was stopped, or starved, finds what was due before what has come meanwhile: it must not call all others
  // silent for that.
  #listened(nowMs: number): void {
    const pauseMs = nowMs - (this.#ranMs ?? nowMs);
    this.#ranMs = nowMs;
    if (pauseMs <= DEAF_MS) return;
    for (const probed of this.#probed.values()) {
      probed.link.wasDeaf(pauseMs, nowMs);
      // Its answers may be among what has come.
      if (!probed.peer.isClose && probed.asksLeft < FAR_ASKS)
        probed.dueMs = Math.max(probed.dueMs, nowMs + FAR_ASK_EVERY_MS);
    }
  }

  #begin(peer: ProbePeer, nowMs: number): Probed {
    const { session, random } = this.#parts;
    return {
      peer,
      link: new PeerLink(peer.node, session, nowMs, this.#sequences.get(peer.node)),
      // Not all at once.
      dueMs: peer.isClose ? nowMs + random() * CLOSE_EVERY_MS : Number.POSITIVE_INFINITY,
      asksLeft: 0,
      isMute: false,
      sent: 0,
      answeredMs: Number.NEGATIVE_INFINITY,
      told: undefined,
      toldMs: Number.NEGATIVE_INFINITY,
      look: undefined,
    };
  }

  #beginRound(nowMs: number): void {
    this.#roundMs = nowMs;
    const far = [...this.#probed.values()].filter(({ peer }) => !peer.isClose);
    for (let drawn = 0; drawn < FAR_PEERS && far.length > 0; drawn++) {
      const [probed] = far.splice(Math.floor(this.#parts.random() * far.length), 1);
      if (probed === undefined) continue;
      probed.asksLeft = FAR_ASKS;
      probed.dueMs = nowMs + this.#parts.random() * FAR_ASK_EVERY_MS;
    }
  }

  #endRound(probed: Probed): void {
    probed.asksLeft = 0;
    probed.dueMs = Number.POSITIVE_INFINITY;
  }

  #due(probed: Probed, nowMs: number): ProbeFrame[] {
    const { peer, link } = probed;
    if (peer.isClose) {
      // From now: whoever was held up for a while does not make up for it with a volley.
      probed.dueMs = nowMs + CLOSE_EVERY_MS;
      const { hearing, isHeard } = link.figures(nowMs, CLOSE_ASK_MS);
      return [this.#frame(probed, hearing !== 'heard' || !isHeard, nowMs)];
    }
    if (probed.asksLeft === 0) {
      probed.isMute = true;
      this.#endRound(probed);
      return [];
    }
    const isFirst = probed.asksLeft === FAR_ASKS;
    probed.asksLeft--;
    probed.dueMs = nowMs + FAR_ASK_EVERY_MS;
    return [this.#frame(probed, true, nowMs, isFirst)];
  }

  #looked(probed: Probed, nowMs: number): ProbeFrame[] {
    if (probed.look?.isOver(nowMs)) probed.look = undefined;
    return probed.look === undefined ? [] : [this.#frameOf(probed, false, nowMs, probed.look.nextBytes())];
  }

  #frame(probed: Probed, asks: boolean, nowMs: number, isFirst = false): ProbeFrame {
    probed.sent++;
    const isLong = isFirst || probed.sent % LONG_EVERY === 0;
    return this.#frameOf(probed, asks, nowMs, isLong ? this.#parts.longBytes : 0);
  }

  #frameOf(probed: Probed, asks: boolean, nowMs: number, bytes: number): ProbeFrame {
    const probe = probed.link.probe(this.#parts.node, asks, nowMs);
    const { address: to, portNo } = probed.peer;
    return { to, ...(portNo !== undefined && { portNo }), bytes: encodeProbe(probe, bytes) };
  }
}

function figures({ peer, link, isMute }: Probed, nowMs: number): LinkFigures {
  const now = link.figures(nowMs, peer.isClose ? undefined : Number.POSITIVE_INFINITY);
  return isMute ? { ...now, hearing: 'silent', isHeard: false } : now;
}

function isNews({ told, toldMs }: Probed, now: LinkFigures, nowMs: number): boolean {
  if (told === undefined) return now.hearing !== 'unknown';
  if (told.hearing !== now.hearing || told.isHeard !== now.isHeard) return true;
  if (nowMs - toldMs < TELL_EVERY_MS) return false;
  if (told.provedBytes !== now.provedBytes) return true;
  const [before, after] = [told.roundTripMs ?? 0, now.roundTripMs ?? 0];
  return Math.abs(after - before) > Math.max(ROUND_TRIP_STEP_MS, ROUND_TRIP_STEP_SHARE * before);
}
