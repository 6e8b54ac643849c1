// Plans the catalogue anew from the stores: each image by itself, then against the records that there are, which are never
// overwritten while they are sound (SOUNDNESS A17). Pure; carrying it out is another room's.
import type { Head, Leaving, Snapshot } from '../../wire/contracts/catalogue.ts';
import type { RebuildReport, RebuiltImage } from '../../wire/contracts/rebuild.ts';
import type { Entry } from './catalogue.ts';
import { layersOf } from './catalogue-layers.ts';
import type { CatalogueStore } from './catalogue-store.ts';
import type { RebuildEvidence } from './rebuild-evidence.ts';
import { type Judgement, judgeKept, judgeTop } from './rebuild-judgement.ts';

/** The records that there are. */
export type Records = Pick<
  CatalogueStore,
  'state' | 'heads' | 'snapshots' | 'leaving' | 'find' | 'get' | 'findSnapshot'
>;

/** What is to be written, and what is said of it. */
export interface RebuildPlan {
  /** Of the records that it was made for. */
  readonly serial: number;
  readonly entries: Entry[];
  readonly snapshots: Snapshot[];
  readonly leaving: Leaving[];
  readonly report: RebuildReport;
}

interface Planned {
  readonly told: RebuiltImage;
  /** Undefined when the record stays as it is. */
  readonly entry: Entry | undefined;
}

/** The whole plan. */
export function planRebuild(evidence: RebuildEvidence, records: Records): RebuildPlan {
  const notes: string[] = [];
  const planned = judgeAll(evidence, notes).map(([image, judgement]) => {
    const settings = (records.find(image) ?? evidence.kept.find(image))?.head;
    const known = underRollback(withSettings(judgement, settings), settings);
    return againstRecord(known, records.find(image), evidence, records);
  });
  planned.push(...unconfirmed(planned, records));
  planned.sort((one, other) => (one.told.image < other.told.image ? -1 : 1));
  const snapshots = evidence.kept.snapshots.filter(({ snapshot }) => records.findSnapshot(snapshot) === undefined);
  const heads = new Map(records.heads.map((head) => [head.image, head]));
  for (const { entry } of planned) if (entry !== undefined) heads.set(entry.head.image, entry.head);
  const ofSnapshots = [...records.snapshots, ...snapshots].flatMap(({ disks }) =>
    disks.flatMap(({ layers }) => layers),
  );
  const named = new Set([...[...heads.values()].flatMap(layersOf), ...ofSnapshots.map(({ layer }) => layer)]);
  noteSnapshots(snapshots, evidence, notes);
  noteNames(evidence, notes);
  const leaving = evidence.kept.leaving.filter(({ layer }) => !named.has(layer));
  return {
    serial: records.state.serial,
    entries: planned.flatMap(({ entry }) => entry ?? []),
    ...{ snapshots, leaving },
    report: {
      ...{ behind: records.state.behind, isDone: false, incarnation: nextIncarnation(evidence, records) },
      ...{ images: planned.map(({ told }) => told), snapshots: snapshots.map(({ snapshot }) => snapshot) },
      ...{ unnamed: unnamed(evidence, named), away: evidence.away, notes },
    },
  };
}

/** What a person has set for an image no store's layer says: it is as it was. */
function withSettings(judgement: Judgement, known: Head | undefined): Judgement {
  if (known === undefined) return judgement;
  const { doubt: _, ...settings } = known;
  const { head, granted } = judgement.entry;
  return { ...judgement, entry: { head: { ...settings, ...head }, granted } };
}

/**
 * Of an image that was written at a store which went back under it, no store's word is the newest state: a person takes
 * what is there. Not while it is open: it would go on under an epoch whose numbers were given before (promise S3).
 */
function underRollback(judgement: Judgement, known: Head | undefined): Judgement {
  if (known?.rollback === undefined) return judgement;
  const { rollback, doubt = '' } = known;
  const { entry, verdict, wouldLose } = judgement;
  const { writer, stack, epoch } = entry.head;
  const isNowhere = verdict === 'uncertain' && wouldLose === '';
  return {
    ...judgement,
    verdict: 'uncertain',
    reason: writer === null ? doubt : `${doubt}; it is open at ${writer}, and is closed there before it is accepted`,
    wouldLose: isNowhere ? '' : `whatever was flushed at ${rollback} after the state that is there now`,
    entry: { ...entry, head: { ...entry.head, doubt, rollback } },
    ...(writer === null ? {} : { toClose: { node: writer, layer: stack.layer, epoch } }),
  };
}

/** Each image by its name. */
function judgeAll(evidence: RebuildEvidence, notes: string[]): [image: string, judgement: Judgement][] {
  const judged = new Map<string, Judgement>();
  for (const [image, tops] of evidence.tops()) judged.set(image, judgeTops(image, tops, evidence));
  for (const { image } of evidence.kept.heads) {
    if (judged.has(image)) continue;
    const judgement = judgeKept(evidence.kept.get(image), evidence);
    if (judgement !== undefined) judged.set(image, judgement);
    else
      notes.push(`image ${image} is in the kept records, and its newest layer at no store: it was deleted, or is lost`);
  }
  return [...judged];
}

/** A name may have been given anew while an older image of it was still somewhere. */
function judgeTops(image: string, tops: readonly string[], evidence: RebuildEvidence): Judgement {
  const judgements = tops.map((layer) => judgeTop(image, layer, evidence));
  const kept = evidence.kept.find(image)?.head;
  const isKept = ({ entry }: Judgement): boolean => {
    const { stack, cut } = entry.head;
    return (
      kept !== undefined &&
      [stack.layer, cut?.layer, ...stack.below.map(({ layer }) => layer)].includes(kept.stack.layer)
    );
  };
  const open = judgements.filter(({ verdict }) => verdict === 'open');
  const chosen =
    open.length === 1 ? open[0] : (judgements.find(isKept) ?? judgements.sort((a, b) => b.seen - a.seen)[0]);
  if (chosen === undefined) throw new Error(`image ${image} has no top`);
  if (judgements.length === 1 || open.length === 1 || isKept(chosen)) return chosen;
  const reason = `there are ${judgements.length} images of the name: layers ${tops.join(' and ')}`;
  const head = { ...chosen.entry.head, doubt: reason };
  const wouldLose = `the other one, which stays where it is, without a name`;
  return { ...chosen, verdict: 'uncertain', reason, wouldLose, entry: { ...chosen.entry, head } };
}

/** What becomes of the record that there is. */
function againstRecord(
  judgement: Judgement,
  known: Entry | undefined,
  { order }: RebuildEvidence,
  { state }: Records,
): Planned {
  const { verdict, reason, wouldLose, entry, seen, toClose } = judgement;
  const { image, writer, holder } = entry.head;
  const isAsked = order.accept.includes(image);
  const isSound = known !== undefined && known.head.doubt === undefined && state.behind === '';
  const open = toClose === undefined ? {} : { toClose };
  const told = { image, verdict, node: writer ?? holder, reason, wouldLose, isAccepted: false, ...open };
  if (isSound && !contradicts(judgement, known)) {
    const { head } = known;
    return {
      told: { ...told, verdict: 'known', node: head.writer ?? head.holder, reason: '', wouldLose: '' },
      entry: undefined,
    };
  }
  const isDoubtful = isSound || verdict === 'uncertain';
  const isAccepted = isAsked && isDoubtful && (isSound || wouldLose !== '');
  const isHigh = known !== undefined && state.behind === '' && known.granted >= seen;
  const { doubt: _doubt, rollback: _rollback, ...head } = entry.head;
  const made = {
    granted: isHigh ? known.granted : entry.granted,
    head: isAccepted || verdict !== 'uncertain' ? head : entry.head,
  };
  if (!isSound) return { told: { ...told, isAccepted }, entry: made };
  const conflict = { ...told, verdict: 'conflict' as const, isAccepted, wouldLose: `what the catalogue has of it now` };
  return { told: conflict, entry: isAccepted ? made : undefined };
}

/** A sound record is contradicted by nothing that is only older than it. */
function contradicts({ verdict, entry, seen }: Judgement, { head, granted }: Entry): boolean {
  if (seen > granted) return true;
  const { writer, epoch, last } = entry.head;
  if (verdict === 'open' && epoch === head.epoch) return head.transfer === null && head.writer !== writer;
  const isSameEnd =
    verdict === 'closed' && last.epoch === head.last.epoch && last.lastSequence === head.last.lastSequence;
  return isSameEnd && entry.head.stack.layer === head.stack.layer && last.digest !== head.last.digest;
}

/** Records that no store and no kept record speaks of: of a catalogue that is behind they may be of deleted images. */
function unconfirmed(planned: readonly Planned[], records: Records): Planned[] {
  if (records.state.behind === '') return [];
  const known = new Set(planned.map(({ told }) => told.image));
  return records.heads
    .filter(({ image }) => !known.has(image))
    .map(({ image }) => {
      const { head, granted } = records.get(image);
      const reason = 'neither a store nor the kept records have it: it was deleted, or is lost';
      const told = { image, verdict: 'uncertain', node: head.writer ?? head.holder, reason, wouldLose: '' } as const;
      return { told: { ...told, isAccepted: false }, entry: { head: { ...head, doubt: reason }, granted } };
    });
}

/** Above every catalogue that any store has heard of, unless this one only goes on. */
function nextIncarnation({ order }: RebuildEvidence, { state, heads, snapshots }: Records): number {
  const goesOn = state.behind === '' && heads.length + snapshots.length > 0;
  return goesOn ? state.incarnation : Math.max(state.incarnation, order.kept?.mark.incarnation ?? 0) + 1;
}

function noteSnapshots(snapshots: readonly Snapshot[], evidence: RebuildEvidence, notes: string[]): void {
  for (const { snapshot, disks } of snapshots) {
    for (const { layer } of new Set(disks.flatMap(({ layers }) => layers))) {
      if (evidence.of(layer).length === 0)
        notes.push(`snapshot ${snapshot}: its layer ${layer} is at no store that answered`);
    }
  }
}

/** What no store can know without the kept records. */
function noteNames({ order, away }: RebuildEvidence, notes: string[]): void {
  const { kept } = order;
  if (kept === null)
    notes.push(
      'no store keeps records of the catalogue: the names of snapshots are lost, and images that nobody opened',
    );
  else
    notes.push(
      `names of snapshots, and images that nobody opened, are those of commit ${kept.mark.serial} of incarnation ${kept.mark.incarnation}`,
    );
  if (away.length > 0) notes.push(`what the stores of ${away.join(', ')} hold is not known`);
}

/** Layers that would be named by nothing. What is on its way out is not meant. */
function unnamed(evidence: RebuildEvidence, named: ReadonlySet<string>): RebuildReport['unnamed'] {
  return [...evidence.layers].flatMap(([layer, said]) => {
    if (named.has(layer) || evidence.isLeaving(layer)) return [];
    return [{ layer, image: said[0]?.layer.image ?? '', nodes: said.map(({ node }) => node) }];
  });
}
