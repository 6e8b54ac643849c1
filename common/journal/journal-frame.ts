// The bytes of a journal file: a header, then frames, each a batch of records written and made durable together. A
// codec: bytes in, frames out, and whether what follows the last good frame is a torn tail or damage.

/** The first bytes of a journal file. The number is the format's: a file of another is refused, never cut. */
export const JOURNAL_HEADER = new TextEncoder().encode('SCJRNL1\n');

/** In front of each frame, so that frames behind a damaged one can be found: "SCJ1" in ASCII, big-endian. */
const MARKER = 0x53434a31;
/** Marker, payload length and checksum, 4 bytes each. */
const PREFIX_BYTES = 12;

/** CRC-32 (ISO-HDLC), continued from an earlier value. */
export type Checksum = (bytes: Uint8Array, from?: number) => number;

/** What a journal file holds. */
export interface JournalContents {
  readonly payloads: Uint8Array[];
  /** Header and good frames; the next frame goes here. */
  readonly goodBytes: number;
  /**
   * Where a good frame stands behind a bad one. A frame is written only after the one before it is durable, so a crash
   * leaves at most one bad frame and nothing behind it: this is damage, and cutting would lose what was acknowledged.
   */
  readonly damage: { readonly badAtBytes: number; readonly goodAgainAtBytes: number } | undefined;
}

/** A batch's payload as the frame that is appended. */
export function encodeFrame(payload: Uint8Array, checksum: Checksum): Uint8Array {
  const frame = new Uint8Array(PREFIX_BYTES + payload.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, MARKER);
  view.setUint32(4, payload.length);
  frame.set(payload, PREFIX_BYTES);
  view.setUint32(8, frameChecksum(frame, 0, payload.length, checksum));
  return frame;
}

/** The frames of a file that starts with the header. */
export function decodeJournal(file: Uint8Array, checksum: Checksum): JournalContents {
  const payloads: Uint8Array[] = [];
  let at = JOURNAL_HEADER.length;
  for (let payload = frameAt(file, at, checksum); payload !== undefined; payload = frameAt(file, at, checksum)) {
    payloads.push(payload);
    at += PREFIX_BYTES + payload.length;
  }
  const goodAgainAtBytes = nextFrame(file, at, checksum);
  const damage = goodAgainAtBytes === undefined ? undefined : { badAtBytes: at, goodAgainAtBytes };
  return { payloads, goodBytes: at, damage };
}

/** Whether a file starts as a journal of this format; `cut` when it ended while it was being made. */
export function journalStart(file: Uint8Array): 'ours' | 'cut' | 'other' {
  const start = file.subarray(0, JOURNAL_HEADER.length);
  if (start.length === JOURNAL_HEADER.length && start.every((byte, i) => byte === JOURNAL_HEADER[i])) return 'ours';
  // The header is durable before the first frame: a file that ends within it, or is all zeros that far, holds nothing.
  const unwritten = start.every((byte, i) => byte === JOURNAL_HEADER[i]) || start.every((byte) => byte === 0);
  return file.length <= JOURNAL_HEADER.length && unwritten ? 'cut' : 'other';
}

function frameAt(file: Uint8Array, at: number, checksum: Checksum): Uint8Array | undefined {
  if (file.length - at < PREFIX_BYTES) return undefined;
  const view = new DataView(file.buffer, file.byteOffset + at, PREFIX_BYTES);
  const length = view.getUint32(4);
  if (view.getUint32(0) !== MARKER || length > file.length - at - PREFIX_BYTES) return undefined;
  if (view.getUint32(8) !== frameChecksum(file, at, length, checksum)) return undefined;
  return file.subarray(at + PREFIX_BYTES, at + PREFIX_BYTES + length);
}

/** Over the length and the payload: a length that was torn must not select other bytes that happen to fit. */
function frameChecksum(file: Uint8Array, at: number, payloadBytes: number, checksum: Checksum): number {
  const overLength = checksum(file.subarray(at + 4, at + 8));
  return checksum(file.subarray(at + PREFIX_BYTES, at + PREFIX_BYTES + payloadBytes), overLength);
}

function nextFrame(file: Uint8Array, from: number, checksum: Checksum): number | undefined {
  const firstByte = MARKER >>> 24;
  for (let at = file.indexOf(firstByte, from + 1); at >= 0; at = file.indexOf(firstByte, at + 1)) {
    if (frameAt(file, at, checksum) !== undefined) return at;
  }
  return undefined;
}
