// What opening a journal does with its file: reads it, cuts off what a crash left unfinished, refuses what is damaged or of
// another format. It appends nothing.
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { type Static, type TSchema, Type } from '#typebox';
import type { Disk, DiskFile } from '../disk/disk.ts';
import { OperationError } from '../errors.ts';
import { decodeMessagePack } from '../messagepack.ts';
import { SchemaCheck } from '../schema-check.ts';
import { decodeJournal, JOURNAL_HEADER, journalStart } from './journal-frame.ts';

/** What a journal's file holds. */
interface FileContents {
  readonly payloads: Uint8Array[];
  /** The next append goes here. */
  readonly goodBytes: number;
  /** What was cut off behind it. */
  readonly tornBytes: number;
}

/** What is known of how a journal began, and who is told how it ended. */
export interface Begin {
  /**
   * Its header was durable before anything that is there now, and its first frame came whole, by a rewrite: no crash leaves a
   * part of either.
   */
  readonly isBegun?: boolean;
  /** Hears of an unfinished append before it is cut off: its bytes, and where in the file they began. */
  readonly torn?: (bytes: Uint8Array, atBytes: number) => Promise<void>;
}

/**
 * Reads the file whole, begins it where it is empty, cuts an unfinished append off its end.
 * @throws OperationError JOURNAL_DAMAGED, JOURNAL_UNREADABLE; nothing is changed then
 */
export async function readJournal(
  disk: Disk,
  file: DiskFile,
  path: string,
  { isBegun = false, torn }: Begin,
): Promise<FileContents> {
  const bytes = new Uint8Array(await file.size());
  await file.read(bytes, 0);
  const start = journalStart(bytes);
  if (start === 'other') throw unreadable(path, 'it is not a journal of this format');
  if (start === 'cut' && isBegun) throw damaged(path, 0);
  if (start === 'cut') return begin(disk, file, path);
  const { payloads, goodBytes, damage } = decodeJournal(bytes, crc32);
  if (damage !== undefined) throw damaged(path, damage.badAtBytes, damage.goodAgainAtBytes);
  const tornBytes = bytes.length - goodBytes;
  if (isBegun && payloads.length === 0 && tornBytes > 0) throw damaged(path, goodBytes);
  if (tornBytes > 0) {
    await torn?.(bytes.subarray(goodBytes), goodBytes);
    await cutTail(file, goodBytes);
  }
  return { payloads, goodBytes, tornBytes };
}

async function begin(disk: Disk, file: DiskFile, path: string): Promise<FileContents> {
  await file.write(JOURNAL_HEADER, 0);
  await file.datasync();
  await disk.syncDirectory(dirname(path));
  return { payloads: [], goodBytes: JOURNAL_HEADER.length, tornBytes: 0 };
}

async function cutTail(file: DiskFile, goodBytes: number): Promise<void> {
  await file.truncate(goodBytes);
  await file.datasync();
}

/** A start opens many journals of one schema, and compiling it takes a millisecond. */
const checks = new WeakMap<TSchema, SchemaCheck<TSchema>>();

/** The records of all payloads, in order. @throws OperationError JOURNAL_UNREADABLE where they are not of the schema */
export function recordsOf<S extends TSchema>(payloads: readonly Uint8Array[], schema: S, path: string): Static<S>[] {
  const check = checks.get(schema) ?? new SchemaCheck(Type.Array(schema));
  checks.set(schema, check);
  return payloads.flatMap((payload) => {
    const decoded = decodeMessagePack(payload);
    if (!decoded.ok) throw unreadable(path, decoded.fault);
    if (!check.accepts(decoded.value)) throw unreadable(path, check.fault(decoded.value));
    return decoded.value as Static<S>[];
  });
}

function unreadable(path: string, why: string): OperationError {
  return new OperationError('JOURNAL_UNREADABLE', `cannot read the journal ${path}: ${why}`, {
    remedy: 'It may be of a newer release: run that one; else bring the file back as it was.',
  });
}

function damaged(path: string, badAtBytes: number, goodAgainAtBytes?: number): OperationError {
  const again = goodAgainAtBytes === undefined ? '' : `, with good records again at byte ${goodAgainAtBytes}`;
  const what = `the journal ${path} is damaged from byte ${badAtBytes} on${again}`;
  return new OperationError('JOURNAL_DAMAGED', what, {
    remedy: 'Look at the disk, and bring the file back as it was; a copy of what is lost may be at another node.',
  });
}
