// What is known when the catalogue is rebuilt: what the stores that answered say of their layers, and the newest copy of
// the records that one of them keeps. Orders it by layer and image; judges nothing.
import type { Leaving } from '../../wire/contracts/catalogue.ts';
import type { RebuildOrder } from '../../wire/contracts/rebuild.ts';
import type { ReportedLayer, StoreReport } from '../../wire/contracts/store-report.ts';
import { CatalogueTable } from './catalogue-table.ts';
import { isWritten } from './store-comparison.ts';

/** One store's word of one layer. */
export interface Said {
  readonly node: string;
  readonly layer: ReportedLayer;
}

/** All that a rebuild goes by. */
export class RebuildEvidence {
  /** Members whose stores have not answered: nobody knows what they hold. */
  readonly away: string[];
  readonly order: RebuildOrder;
  /** The kept records; empty where none were kept. */
  readonly kept = new CatalogueTable();
  readonly #layers = new Map<string, Said[]>();
  readonly #unusable = new Map<string, string[]>();
  readonly #leaving: ReadonlySet<string>;

  /** @throws OperationError CATALOGUE_DAMAGED when the kept records are not what a catalogue writes */
  constructor(order: RebuildOrder, reports: ReadonlyMap<string, StoreReport>, leaving: readonly Leaving[]) {
    this.order = order;
    const members = new Set(order.members);
    for (const node of order.answered) {
      const report = reports.get(node);
      for (const layer of report?.layers ?? []) add(this.#layers, layer.layer, { node, layer });
      for (const layer of report?.unusable ?? []) add(this.#unusable, layer, node);
      for (const member of report?.members ?? []) members.add(member);
    }
    for (const record of order.kept?.records ?? []) this.kept.take(record);
    this.away = [...members].filter((node) => !order.answered.includes(node) || !reports.has(node)).sort();
    this.#leaving = new Set([...leaving, ...this.kept.leaving].map(({ layer }) => layer));
  }

  /** What the stores say of a layer. */
  of(layer: string): readonly Said[] {
    return this.#layers.get(layer) ?? [];
  }

  get layers(): ReadonlyMap<string, readonly Said[]> {
    return this.#layers;
  }

  /** The nodes that have files of the layer and cannot use them. */
  unusableAt(layer: string): readonly string[] {
    return this.#unusable.get(layer) ?? [];
  }

  /** Layers that lie on top of an image, by the image; of a name that was given twice there are two. */
  tops(): Map<string, string[]> {
    const covered = this.#covered();
    const tops = new Map<string, string[]>();
    for (const [layer, said] of this.#layers) {
      const top = said.find(({ layer: one }) => isWritten(one) || one.role === 'replica' || one.role === 'standby');
      if (top === undefined || covered.has(layer) || this.#leaving.has(layer)) continue;
      add(tops, top.layer.image, layer);
    }
    return tops;
  }

  isLeaving(layer: string): boolean {
    return this.#leaving.has(layer);
  }

  /** Layers that lie below some top, by the stores or by the kept records. */
  #covered(): ReadonlySet<string> {
    const said = [...this.#layers.values()].flat().filter(({ layer }) => layer.role !== 'loose');
    const below = said.flatMap(({ layer }) => layer.below);
    const heads = this.kept.heads.flatMap(({ stack }) => stack.below);
    const snapshots = this.kept.snapshots.flatMap(({ disks }) => disks.flatMap(({ layers }) => layers));
    return new Set([...below, ...heads, ...snapshots].map(({ layer }) => layer));
  }
}

function add<V>(map: Map<string, V[]>, key: string, value: V): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else known.push(value);
}
