// Judges one image from what the stores say of its top layer: who writes it, or how it closed last, or why that cannot be
// known (SOUNDNESS A17). What an epoch's end left out is never taken in (A7); what may be the newest only is never called so.
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import type { RebuiltImage } from '../../wire/contracts/rebuild.ts';
import type { ReportedLayer } from '../../wire/contracts/store-report.ts';
import { EPOCH_MAX } from '../table/block-version.ts';
import type { Entry } from './catalogue.ts';
import type { RebuildEvidence, Said } from './rebuild-evidence.ts';
import { isWritten, seenEpoch } from './store-comparison.ts';

/**
 * Epochs that are skipped: more than can have been granted that neither a store that answered nor the kept records have
 * seen. 24 bits have room for 4,096 rebuilds.
 */
const EPOCH_MARGIN = 2 ** 12;
/** No table has this digest: what stands under it is never taken for a state of the image. */
const NO_DIGEST = 'f'.repeat(32);

/** What is to be taken for the image. */
export interface Judgement {
  readonly verdict: 'open' | 'closed' | 'uncertain';
  readonly reason: string;
  /** What taking it as it is would lose; empty when nothing can be taken. */
  readonly wouldLose: string;
  readonly entry: Entry;
  /** The newest epoch that anyone has seen. */
  readonly seen: number;
  /** Where it must be closed before it is taken. */
  readonly toClose?: RebuiltImage['toClose'];
}

/** Of an image with one top. */
export function judgeTop(image: string, layer: string, evidence: RebuildEvidence): Judgement {
  const said = evidence.of(layer);
  const seen = seenOf(image, layer, evidence);
  const writers = said.filter((one) => isWritten(one.layer)).sort((a, b) => b.layer.epoch - a.layer.epoch);
  const [writer, ...others] = writers;
  const isFenced = said.some(
    (one) => (one.layer.closing?.epoch ?? -1) > (writer?.layer.epoch ?? -1) && !isWritten(one.layer),
  );
  if (writer === undefined || isFenced) return judgeClosed(image, said, seen, evidence);
  const entry = { head: openHead(writer, said, evidence), granted: beyond(seen) };
  const rival = others.find((other) => !isEndedBy(other.layer, writer.layer));
  const { node, layer: own } = writer;
  const newer = writtenElsewhere(entry.head, writer, said, evidence);
  if (rival === undefined && newer === '')
    return { verdict: 'open', reason: `it is open at ${node} under epoch ${own.epoch}`, wouldLose: '', entry, seen };
  if (rival === undefined)
    return uncertain(entry, seen, newer, `whatever was written elsewhere after epoch ${own.epoch} of ${node}`);
  const reason = `it is open at ${node} under epoch ${own.epoch} and at ${rival.node} under epoch ${rival.layer.epoch}`;
  return uncertain(entry, seen, reason, `what was written at ${rival.node}`);
}

/** Of an image that only the kept records name: its top is at no store that answered. Undefined if it is gone. */
export function judgeKept(kept: Entry, evidence: RebuildEvidence): Judgement | undefined {
  const { away } = evidence;
  const { doubt: _, ...head } = { ...kept.head, transfer: null, cut: null };
  const [below] = head.stack.below;
  const isUnwritten = head.writer === null && head.last.entries === 0 && below !== undefined;
  const isWhole =
    below !== undefined && evidence.of(below.layer).some(({ layer }) => layer.table.digest === below.digest);
  const entry = { head, granted: beyond(kept.granted) };
  const seen = kept.granted;
  if (isUnwritten && isWhole && away.length === 0) {
    const reason = `nothing was written to it since it came to lie on layer ${below.layer}`;
    return { verdict: 'closed', reason, wouldLose: '', entry, seen };
  }
  if (away.length === 0) return undefined;
  const where = `its newest layer is at no store that answered; ${namesOf(away)} away`;
  return uncertain(entry, seen, where, isUnwritten && isWhole ? 'whatever was written to it since it was made' : '');
}

function judgeClosed(image: string, said: readonly Said[], seen: number, evidence: RebuildEvidence): Judgement {
  const ended = said.flatMap(({ layer }) => layer.closing ?? []).sort(newestFirst);
  const [last] = ended;
  const holder =
    last === undefined ? undefined : said.filter((one) => hasTable(one.layer, last)).sort(mostLocalFirst)[0];
  const granted = beyond(seen);
  if (last === undefined || holder === undefined) {
    const entry = { head: closedHead(said, said[0], nothingKnown(image, last)), granted };
    return uncertain(entry, seen, `no store that answered has it as it was closed${awayToo(evidence)}`, '');
  }
  const entry = { head: withCut(closedHead(said, holder, last), keptOf(holder.layer, evidence)), granted };
  const state = `epoch ${last.epoch} closed at ${holder.node}`;
  const why = whyNotNewest(last, ended, said, evidence);
  if (why === '') return { verdict: 'closed', reason: state, wouldLose: '', entry, seen };
  return uncertain(entry, seen, why, `whatever was written after ${state} at write ${last.lastSequence}`);
}

/**
 * In a sentence why another store may write by now what the newest writer that was heard of holds; nothing when none can.
 * The destination of a transfer decides without a controller, so a writer that is frozen for one may have left.
 */
function writtenElsewhere(head: Head, writer: Said, said: readonly Said[], { kept, away }: RebuildEvidence): string {
  const { role, migration, epoch, layer, below } = writer.layer;
  const known = kept.find(head.image)?.head;
  const isOfIt = known !== undefined && [layer, ...below.map((sealed) => sealed.layer)].includes(known.stack.layer);
  if (isOfIt && known.epoch > epoch)
    return `the kept records have it in epoch ${known.epoch}, and ${writer.node} writes under epoch ${epoch}`;
  if (role !== 'frozen' || head.transfer !== null) return '';
  const standby = said.find((one) => one.node !== writer.node && one.layer.migration === migration);
  if (standby !== undefined)
    return `${writer.node} is frozen for ${migration}, for which ${standby.node} may write it by now`;
  return away.length === 0 ? '' : `${writer.node} is frozen for ${migration}; ${namesOf(away)} away and may write it`;
}

/** In a sentence why a later state may exist than the one that closed last as far as is known; nothing when none can. */
function whyNotNewest(
  last: Closing,
  ended: readonly Closing[],
  said: readonly Said[],
  evidence: RebuildEvidence,
): string {
  const { layer } = said[0]?.layer ?? { layer: '' };
  const twin = ended.find(
    (one) => one.epoch === last.epoch && one.lastSequence === last.lastSequence && one.digest !== last.digest,
  );
  if (twin !== undefined) return `stores say of epoch ${last.epoch} that it closed in two ways`;
  const bad = evidence.unusableAt(layer);
  if (bad.length > 0) return `${bad.join(' and ')} cannot use what is there of it`;
  const epochs = said.map((one) => seenEpoch(one.layer)).filter((epoch) => epoch > last.epoch);
  const unknown = epochs.find((epoch) => !said.some((one) => one.layer.epoch === epoch));
  if (unknown !== undefined) return `epoch ${unknown} was granted, and no store that answered had it`;
  const later = laterInRecords(layer, last, said, evidence);
  if (later !== '') return later;
  if (evidence.away.length === 0) return '';
  return `${namesOf(evidence.away)} away and may have opened it after epoch ${last.epoch}`;
}

/** What the kept records know of it that no store says. */
function laterInRecords(layer: string, last: Closing, said: readonly Said[], { kept }: RebuildEvidence): string {
  const known = kept.find(last.image);
  if (known === undefined || known.head.stack.layer !== layer) return '';
  const { writer, epoch, last: recorded } = known.head;
  const isLater =
    recorded.epoch > last.epoch || (recorded.epoch === last.epoch && recorded.lastSequence > last.lastSequence);
  if (isLater) return `the kept records have it closed later, under epoch ${recorded.epoch} at ${known.head.holder}`;
  if (writer === null || epoch < last.epoch || said.some(({ node }) => node === writer)) return '';
  return `the kept records have it open at ${writer} under epoch ${epoch}, which says nothing of it`;
}

function uncertain({ head, granted }: Entry, seen: number, reason: string, wouldLose: string): Judgement {
  return { verdict: 'uncertain', reason, wouldLose, entry: { head: { ...head, doubt: reason }, granted }, seen };
}

/** The head of an image that is written: before the end of its transfer if one stands, whose destination may write already. */
function openHead(newest: Said, said: readonly Said[], evidence: RebuildEvidence): Head {
  const { image } = newest.layer;
  const kept = keptOf(newest.layer, evidence);
  const move = evidence.order.migrations.find(
    ({ images, from }) => images.includes(image) && at(said, from) !== undefined,
  );
  const source = move === undefined ? undefined : at(said, move.from);
  const there = move === undefined ? undefined : said.find(({ node }) => node === move.to);
  const movedTo = there?.layer.migration === move?.migration ? there?.layer.epoch : undefined;
  const epoch = movedTo ?? (kept?.transfer?.migration === move?.migration ? kept?.transfer?.epoch : undefined);
  const isMoving = move !== undefined && source !== undefined && epoch !== undefined;
  const { node, layer } = isMoving ? source : newest;
  const head = closedHead(said, { node, layer }, previousOf(layer, said));
  const transfer = isMoving ? { migration: move.migration, from: move.from, to: move.to, epoch } : null;
  return { ...withCut(head, kept), epoch: layer.epoch, writer: node, transfer };
}

/** A cut that stood is ended by its node's word, as after any restart. */
function withCut(head: Head, kept: Head | undefined): Head {
  return kept === undefined || kept.cut === null ? head : { ...head, stack: kept.stack, cut: kept.cut };
}

function at(said: readonly Said[], node: string): Said | undefined {
  return said.find((one) => one.node === node && isWritten(one.layer));
}

/** The kept head of the same stack, a cut of which may be under way. */
function keptOf({ image, layer }: ReportedLayer, { kept }: RebuildEvidence): Head | undefined {
  const head = kept.find(image)?.head;
  return head?.stack.layer === layer || head?.cut?.layer === layer ? head : undefined;
}

/** How the epoch before a writer's ended: as a store has it, or as far as the writer was told. */
function previousOf({ image, ends, epoch, generation }: ReportedLayer, said: readonly Said[]): Closing {
  const before = ends.filter((end) => end.epoch < epoch).sort((a, b) => b.epoch - a.epoch)[0];
  const { epoch: last = 0, lastSequence = 0 } = before ?? {};
  const known = said.find(({ layer }) => layer.closing?.epoch === last && layer.closing.lastSequence === lastSequence);
  return known?.layer.closing ?? { image, epoch: last, lastSequence, entries: 0, digest: NO_DIGEST, generation };
}

function closedHead(said: readonly Said[], holder: Said | undefined, last: Closing): Head {
  if (holder === undefined) throw new Error('a layer is judged that no store has');
  const { image, bytes, layer, generation, ends } = holder.layer;
  // Of a stack in which layers are merged one store may know before another; what was merged is not to be had apart.
  const stacks = [holder, ...said].map((one) => one.layer).filter((one) => one.generation === generation);
  const { below } = stacks.reduce((best, one) => (one.below.length < best.below.length ? one : best), holder.layer);
  const known = new Map(
    [...said.flatMap((one) => one.layer.ends), ...ends].map((end) => [end.epoch, end.lastSequence]),
  );
  if (last.digest !== NO_DIGEST) known.set(last.epoch, last.lastSequence);
  const closings = Array.from(known, ([epoch, lastSequence]) => ({ epoch, lastSequence })).sort(
    (a, b) => a.epoch - b.epoch,
  );
  return {
    ...{ image, bytes, epoch: last.epoch, writer: null, holder: holder.node, last: { ...last, image }, closings },
    ...{ transfer: null, stack: { layer, generation: Math.max(1, generation), below }, cut: null },
  };
}

function nothingKnown(image: string, last: Closing | undefined): Closing {
  const none = { image, epoch: 0, lastSequence: 0, entries: 0, generation: 1 };
  return { ...(last ?? none), digest: NO_DIGEST };
}

/** The frozen source of a transfer is ended by its destination; any other writer by one that knows of its end. */
function isEndedBy(other: ReportedLayer, writer: ReportedLayer): boolean {
  const isSource = other.role === 'frozen' && other.migration !== null && other.migration === writer.migration;
  return isSource || writer.ends.some(({ epoch }) => epoch === other.epoch);
}

/** Layers of the image below count too: an image keeps its epochs when it is cut. */
function seenOf(image: string, layer: string, evidence: RebuildEvidence): number {
  const said = evidence.of(layer);
  const below = new Set(said.flatMap((one) => one.layer.below.map((sealed) => sealed.layer)));
  const own = [...below].flatMap((one) => evidence.of(one)).filter((one) => one.layer.image === image);
  const kept = evidence.kept.find(image);
  const isKept = kept !== undefined && [layer, ...below].includes(kept.head.stack.layer);
  return Math.max(isKept ? kept.granted : 0, ...[...said, ...own].map((one) => seenEpoch(one.layer)));
}

function beyond(epoch: number): number {
  return Math.min(epoch + EPOCH_MARGIN, EPOCH_MAX);
}

/**
 * One writer's closings of an epoch follow one another: it may have been frozen, thawed and closed, and have got copies meanwhile.
 */
function newestFirst(one: Closing, other: Closing): number {
  const copies = (other.copies?.count ?? 1) - (one.copies?.count ?? 1);
  return other.epoch - one.epoch || other.lastSequence - one.lastSequence || copies;
}

function hasTable({ table, role }: ReportedLayer, last: Closing): boolean {
  const isSame =
    table.digest === last.digest && table.entries === last.entries && table.lastSequence === last.lastSequence;
  return isSame && role !== 'standby';
}

function mostLocalFirst(one: Said, other: Said): number {
  return other.layer.localBlocks - one.layer.localBlocks;
}

function awayToo({ away }: RebuildEvidence): string {
  return away.length === 0 ? '' : `; ${namesOf(away)} away`;
}

function namesOf(nodes: readonly string[]): string {
  return `${nodes.join(' and ')} ${nodes.length === 1 ? 'is' : 'are'}`;
}
