// The catalogue's records as they are kept: their keys, their text, their checks. Every store keeps the same records, so
// that a new kind of record is written here and nowhere else. Knows no store.
import type { Static, TSchema } from '#typebox';
import { messageOf, OperationError } from '../../common/errors.ts';
import { SchemaCheck } from '../../common/schema-check.ts';
import { CatalogueState, Leaving, Snapshot } from '../../wire/contracts/catalogue.ts';
import { NodeNotch } from '../../wire/contracts/store-notch.ts';
import { Entry, Finished } from './catalogue.ts';
import type { CatalogueChange } from './catalogue-store.ts';

/** What the keys of each kind begin with. */
const HEAD = 'head!';
const FINISHED = 'finished!';
const SNAPSHOT = 'snapshot!';
const LEAVING = 'leaving!';
const NOTCH = 'notch!';
const STATE = 'state!';
/** The one record of its kind: every commit writes it but one of notches alone. */
const STATE_KEY = `${STATE}catalogue`;

/** The kinds that are held in memory; the others are read when they are asked for. */
export const HELD_KINDS: readonly string[] = [HEAD, SNAPSHOT, LEAVING, NOTCH, STATE];

const entryCheck = new SchemaCheck(Entry);
const finishedCheck = new SchemaCheck(Finished);
const snapshotCheck = new SchemaCheck(Snapshot);
const leavingCheck = new SchemaCheck(Leaving);
const notchCheck = new SchemaCheck(NodeNotch);
const stateCheck = new SchemaCheck(CatalogueState);

/** Of a catalogue that nothing was ever committed to. */
export const NEW_STATE: CatalogueState = { incarnation: 1, serial: 0, behind: '' };

/** Of records that are gone, damaged, or not the newest. */
export const REBUILD_REMEDY =
  'Look what the stores know of it with supercloud catalogue rebuild, which changes nothing by itself.';

/** One record: JSON text under a key, or undefined where it is to go. */
export interface CatalogueRecord {
  readonly key: string;
  readonly text: string | undefined;
}

/** The records that a change writes and removes, each key once; with it the state after one more commit, if it is one. */
export function recordsOf(change: CatalogueChange, before: CatalogueState): CatalogueRecord[] {
  const records = changedRecords(change);
  const notches = (change.notches ?? []).map((one) => ({ key: NOTCH + one.node, text: JSON.stringify(one) }));
  if (records.length === 0 && change.state === undefined) return notches;
  const state: CatalogueState = { ...before, ...change.state, serial: before.serial + 1 };
  return [...records, ...notches, { key: STATE_KEY, text: JSON.stringify(state) }];
}

function changedRecords(change: CatalogueChange): CatalogueRecord[] {
  const { entries = [], removed, finished, snapshots = [], snapshotRemoved, leaving = [] } = change;
  const records: CatalogueRecord[] = entries.map((entry) => ({
    key: HEAD + entry.head.image,
    text: JSON.stringify(entry),
  }));
  if (removed !== undefined) records.push({ key: HEAD + removed, text: undefined });
  if (finished !== undefined) {
    records.push({ key: finishedKey(finished.migration), text: JSON.stringify(finished.outcome) });
  }
  for (const one of snapshots) records.push({ key: SNAPSHOT + one.snapshot, text: JSON.stringify(one) });
  if (snapshotRemoved !== undefined) records.push({ key: SNAPSHOT + snapshotRemoved, text: undefined });
  for (const one of leaving) {
    records.push({ key: LEAVING + one.layer, text: one.nodes.length > 0 ? JSON.stringify(one) : undefined });
  }
  return records;
}

/** Whether the record belongs to memory. */
export function isHeld(key: string): boolean {
  return HELD_KINDS.some((kind) => key.startsWith(kind));
}

/** The name of the image whose entry the record is; undefined for a record of another kind. */
export function imageOf(key: string): string | undefined {
  return key.startsWith(HEAD) ? key.slice(HEAD.length) : undefined;
}

/** The name of the snapshot that the record is; undefined for a record of another kind. */
export function snapshotName(key: string): string | undefined {
  return key.startsWith(SNAPSHOT) ? key.slice(SNAPSHOT.length) : undefined;
}

/** The layer that is to leave, if the record says so; undefined for a record of another kind. */
export function leavingLayer(key: string): string | undefined {
  return key.startsWith(LEAVING) ? key.slice(LEAVING.length) : undefined;
}

/** The node whose store's notch the record says; undefined for a record of another kind. */
export function notchNode(key: string): string | undefined {
  return key.startsWith(NOTCH) ? key.slice(NOTCH.length) : undefined;
}

/** Whether the record says how far the catalogue is. */
export function isState(key: string): boolean {
  return key === STATE_KEY;
}

export function finishedKey(migration: string): string {
  return FINISHED + migration;
}

/** @throws OperationError CATALOGUE_DAMAGED */
export function readEntry(key: string, text: string): Entry {
  const entry = readRecord(entryCheck, key, text);
  if (entry.head.image === imageOf(key)) return entry;
  throw damaged(key, `it is the head of image ${entry.head.image}`);
}

/** @throws OperationError CATALOGUE_DAMAGED */
export function readFinished(key: string, text: string): Finished {
  return readRecord(finishedCheck, key, text);
}

/** @throws OperationError CATALOGUE_DAMAGED */
export function readSnapshot(key: string, text: string): Snapshot {
  return readRecord(snapshotCheck, key, text);
}

/** @throws OperationError CATALOGUE_DAMAGED */
export function readLeaving(key: string, text: string): Leaving {
  return readRecord(leavingCheck, key, text);
}

/** @throws OperationError CATALOGUE_DAMAGED */
export function readNotch(key: string, text: string): NodeNotch {
  return readRecord(notchCheck, key, text);
}

/** @throws OperationError CATALOGUE_DAMAGED */
export function readState(key: string, text: string): CatalogueState {
  return readRecord(stateCheck, key, text);
}

/** A record's value, checked. @throws OperationError CATALOGUE_DAMAGED */
export function readRecord<S extends TSchema>(check: SchemaCheck<S>, key: string, text: string): Static<S> {
  const value = parse(key, text);
  if (check.accepts(value)) return value;
  throw damaged(key, check.fault(value));
}

function parse(key: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw damaged(key, messageOf(error));
  }
}

function damaged(key: string, fault: string): OperationError {
  return new OperationError('CATALOGUE_DAMAGED', `the catalogue's record ${key}: ${fault}`, {
    remedy: REBUILD_REMEDY,
  });
}
