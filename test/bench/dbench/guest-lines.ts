// What the dbench guest says on its console: our own lines (init.sh) and dbench's. It must take nothing for a figure that
// is none: the console also carries what the kernel says.

import { READY_LINE } from '../../../lab/guest/command-line.ts';

/** Printed by dbench when every client is let go. */
const START = 'releasing clients';
const DONE = /^DBENCH-DONE (\d+) (\d+) (\d+) (\d+) (\d+)$/;
const FAILED = /^DBENCH-FAILED (.+)$/;
/** dbench 4.0: clients, operations of each so far, mean since the start, phase, seconds, the longest operation. */
const SECOND = /^\s*\d+\s+(\d+)\s+[\d.]+ MB\/sec\s+(?:warmup|execute)\s+\d+ sec\s+latency ([\d.]+) ms$/;

/** What was done so far, since the guest's boot. */
export interface Done {
  /** Read and written by the load's clients. */
  readonly bytes: number;
  /** Requests to the disk as the guest's block layer counts them, and their bytes. */
  readonly reads: number;
  readonly readBytes: number;
  readonly writes: number;
  readonly writeBytes: number;
}

export type GuestLine =
  | { readonly kind: 'ready' }
  | { readonly kind: 'start' }
  | { readonly kind: 'done'; readonly done: Done }
  | { readonly kind: 'second'; readonly operations: number; readonly latencyMs: number }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'other' };

const SECTOR_BYTES = 512;

/** Reads one line, without its end. */
export function parseGuestLine(text: string): GuestLine {
  const line = text.trimEnd();
  if (line === READY_LINE) return { kind: 'ready' };
  if (line === START) return { kind: 'start' };
  const done = DONE.exec(line);
  if (done !== null) return { kind: 'done', done: doneOf(done.slice(1).map(Number)) };
  const second = SECOND.exec(line);
  if (second !== null) return { kind: 'second', operations: Number(second[1]), latencyMs: Number(second[2]) };
  const failed = FAILED.exec(line);
  return failed === null ? { kind: 'other' } : { kind: 'failed', reason: failed[1] ?? '' };
}

function doneOf([bytes = 0, reads = 0, readSectors = 0, writes = 0, writeSectors = 0]: readonly number[]): Done {
  return { bytes, reads, readBytes: readSectors * SECTOR_BYTES, writes, writeBytes: writeSectors * SECTOR_BYTES };
}
