// The frames by which nodes measure the links between them (TOCS 2017, 3.3.1, "spoof packets"): one Ethernet frame, sent
// through the tunnel beside the guests' frames and in the same way, but under a tunnel id that no guest's port can send.
// A probe also brings back the newest one that its sender heard, so that a pair of nodes measures its round trip with
// one frame each way and nobody answers more than it is asked.
//
//  offset  bytes  what
//  0       6      destination, 02:53:43:00:00:02    6  6  source, 02:53:43:00:00:01
//  12      2      Ethernet type 0x88b5 (IEEE 802, local experimental 1)
//  14      4      'SCP1'
//  18      1      flags: 1 an answer is asked for, 2 an echo follows
//  19      1      length of the sender's name      20  1  length of the receiver's name
//  21      3      0
//  24      4      session of the sender            28  4  sequence in it
//  32      8      the sender's clock at the sending, us
//  40      24     echo: session 4, largest frame heard 4, clock at its sending 8, held since 8 us
//  64             the two names, ASCII; zeros up to the end
// Numbers are big-endian.
import { PATTERNS } from '../../wire/names.ts';

const HEADER_BYTES = 14;
export const PROBE_ETHER_TYPE = 0x88b5;
const MAGIC = 0x53435031;
const NAMES_AT = 64;
/** Of a node's name. */
const NAME_BYTES_MAX = 40;
const NAME = new RegExp(PATTERNS.name);
const ASKS = 1;
const ECHOES = 2;
const DESTINATION = Uint8Array.of(0x02, 0x53, 0x43, 0, 0, 2);
const SOURCE = Uint8Array.of(0x02, 0x53, 0x43, 0, 0, 1);

/** The shortest frame there is. */
export const PROBE_BYTES_MIN = NAMES_AT + 2 * NAME_BYTES_MAX;
/** A frame of the longest that a guest may send through any tunnel, and the most that anyone may send. */
const FRAME_BYTES_MAX = 9_216;

/** The newest probe that its receiver has heard of somebody. */
export interface ProbeEcho {
  readonly session: number;
  /** Its sender's clock at its sending, us. */
  readonly sentUs: bigint;
  /** From its arrival to the sending of the frame that brings it back, us. */
  readonly heldUs: bigint;
  /** The longest frame heard lately, bytes. */
  readonly heardBytes: number;
}

/** One probe. */
export interface Probe {
  readonly from: string;
  readonly to: string;
  /** Of the sender's daemon: another one after each start. 32 bits. */
  readonly session: number;
  /** Counts this sender's probes to this receiver in the session. 32 bits. */
  readonly sequence: number;
  readonly sentUs: bigint;
  /** It is to be answered at once. */
  readonly asks: boolean;
  readonly echo: ProbeEcho | undefined;
}

/** The whole Ethernet frame, of so many bytes; shorter than a probe can be is as short as it can be. */
export function encodeProbe(probe: Probe, bytes = PROBE_BYTES_MIN): Buffer {
  const frame = Buffer.alloc(Math.min(FRAME_BYTES_MAX, Math.max(bytes, PROBE_BYTES_MIN)));
  const { from, to, echo } = probe;
  frame.set(DESTINATION, 0);
  frame.set(SOURCE, 6);
  frame.writeUInt16BE(PROBE_ETHER_TYPE, 12);
  frame.writeUInt32BE(MAGIC, HEADER_BYTES);
  frame[18] = (probe.asks ? ASKS : 0) | (echo === undefined ? 0 : ECHOES);
  frame[19] = from.length;
  frame[20] = to.length;
  frame.writeUInt32BE(probe.session, 24);
  frame.writeUInt32BE(probe.sequence, 28);
  frame.writeBigUInt64BE(probe.sentUs, 32);
  if (echo !== undefined) {
    frame.writeUInt32BE(echo.session, 40);
    frame.writeUInt32BE(echo.heardBytes, 44);
    frame.writeBigUInt64BE(echo.sentUs, 48);
    frame.writeBigUInt64BE(echo.heldUs, 56);
  }
  frame.write(from + to, NAMES_AT, 'ascii');
  return frame;
}

/** Undefined for everything that is no probe. */
export function decodeProbe(bytes: Uint8Array): Probe | undefined {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (frame.length < PROBE_BYTES_MIN || frame.length > FRAME_BYTES_MAX) return undefined;
  if (frame.readUInt16BE(12) !== PROBE_ETHER_TYPE || frame.readUInt32BE(HEADER_BYTES) !== MAGIC) return undefined;
  const toAt = NAMES_AT + frame.readUInt8(19);
  const from = frame.toString('latin1', NAMES_AT, toAt);
  const to = frame.toString('latin1', toAt, toAt + frame.readUInt8(20));
  if (!NAME.test(from) || !NAME.test(to)) return undefined;
  const flags = frame.readUInt8(18);
  return {
    from,
    to,
    session: frame.readUInt32BE(24),
    sequence: frame.readUInt32BE(28),
    sentUs: frame.readBigUInt64BE(32),
    asks: (flags & ASKS) !== 0,
    echo: (flags & ECHOES) === 0 ? undefined : decodeEcho(frame),
  };
}

function decodeEcho(frame: Buffer): ProbeEcho {
  return {
    session: frame.readUInt32BE(40),
    heardBytes: frame.readUInt32BE(44),
    sentUs: frame.readBigUInt64BE(48),
    heldUs: frame.readBigUInt64BE(56),
  };
}
