// Compares the catalogue's records with what a store says of itself: a catalogue that was lost, or put back as it was once,
// must not grant an epoch that was granted before (promises S3 and S4, SOUNDNESS D1). Pure; it only ever finds fault.
import { isNewerMark } from '../../common/catalogue-mark.ts';
import type { CatalogueState, Head, Leaving } from '../../wire/contracts/catalogue.ts';
import type { ReportedLayer, StoreReport } from '../../wire/contracts/store-report.ts';
import type { Entry } from './catalogue.ts';

/** The records that a store is compared with. */
export interface ComparedRecords {
  readonly state: CatalogueState;
  readonly entries: readonly Entry[];
  readonly leaving: readonly Leaving[];
}

/** What is wrong with the records: with all of them, or with those of images. */
export interface Comparison {
  /** In a sentence; empty when they are as new as the store's knowledge. */
  readonly behind: string;
  /** The entries that are in doubt from now on. */
  readonly doubted: Entry[];
}

/** The newest epoch that the store has had to do with, of the image whose top the layer is or was. */
export function seenEpoch({ epoch, ends, closing }: ReportedLayer): number {
  return ends.reduce((most, end) => Math.max(most, end.epoch), Math.max(epoch, closing?.epoch ?? 0));
}

/** Whether somebody writes it there, or may go on doing so. */
export function isWritten({ role }: ReportedLayer): boolean {
  return role === 'writer' || role === 'frozen' || role === 'cutting';
}

/** Compares; what is in doubt already stays as it is. */
export function compareStore(
  { state, entries, leaving }: ComparedRecords,
  node: string,
  report: StoreReport,
): Comparison {
  const isLeaving = (layer: string): boolean => leaving.some((one) => one.layer === layer && one.nodes.includes(node));
  const layers = report.layers.filter(({ layer }) => !isLeaving(layer));
  const doubted = entries.flatMap((entry) => {
    const doubt = entry.head.doubt === undefined ? doubtOf(entry, node, layers) : undefined;
    return doubt === undefined ? [] : [{ ...entry, head: { ...entry.head, doubt } }];
  });
  return { behind: behind(state, node, report, strangers(entries, layers)), doubted };
}

function behind(state: CatalogueState, node: string, { kept }: StoreReport, unknown: readonly ReportedLayer[]): string {
  if (kept !== null && isNewerMark(kept, state)) {
    return (
      `node ${node} keeps the records as they were at commit ${kept.serial} of incarnation ${kept.incarnation}; ` +
      `the newest here is commit ${state.serial} of incarnation ${state.incarnation}`
    );
  }
  const [open] = unknown;
  // A store that keeps records has just said how old these are; what it says of its layers may be some seconds old.
  if (open === undefined || kept !== null) return '';
  return `image ${open.image} is open for writing at node ${node} under epoch ${open.epoch} and is not known here`;
}

/** Layers that are written there as tops of images that the records do not name. */
function strangers(entries: readonly Entry[], layers: readonly ReportedLayer[]): ReportedLayer[] {
  const known = new Set(entries.map(({ head }) => head.image));
  return layers.filter((layer) => isWritten(layer) && !known.has(layer.image));
}

function doubtOf({ head, granted }: Entry, node: string, layers: readonly ReportedLayer[]): string | undefined {
  const top = layers.find(({ layer }) => layer === head.stack.layer);
  const seen = top === undefined ? 0 : seenEpoch(top);
  if (seen > granted)
    return `node ${node} has seen epoch ${seen} of it, and no more than ${granted} are known as granted`;
  const above = layers.find((layer) => liesAbove(layer, head));
  if (above === undefined) return undefined;
  return `node ${node} has layer ${above.layer} on top of it, which is not known here`;
}

/** Whether the image was cut, or made larger, without these records knowing of it. */
function liesAbove({ layer, image, role, below }: ReportedLayer, { image: name, stack, cut }: Head): boolean {
  if (image !== name || role === 'sealed' || role === 'loose' || layer === cut?.layer) return false;
  return below[0]?.layer === stack.layer;
}
