// Which layers stay at which node for a recovery point: those of a snapshot that is there or on its way there, and what was
// merged into them and lies there by itself still. Pure.
import type { Leaving, Snapshot } from '../../wire/contracts/catalogue.ts';
import type { LayerPoint } from '../../wire/contracts/store-report.ts';
import { layersOfSnapshot } from './catalogue-layers.ts';

/** Where a snapshot is to be a recovery point, or is one: it may still be on its way to another place. */
export function pointNodes({ carriedTo, recovery }: Snapshot): string[] {
  return [...new Set([carriedTo, recovery?.node])].flatMap((node) => node ?? []);
}

/** Each layer once for each node. */
export function layerPoints(records: {
  readonly snapshots: readonly Snapshot[];
  readonly leaving: readonly Leaving[];
}): LayerPoint[] {
  const byNode = new Map<string, Set<string>>();
  for (const snapshot of records.snapshots) {
    for (const node of pointNodes(snapshot)) {
      const layers = byNode.get(node) ?? new Set();
      for (const layer of layersOfSnapshot(snapshot)) layers.add(layer);
      byNode.set(node, layers);
    }
  }
  return [...byNode].flatMap(([node, layers]) => {
    const isPart = ({ nodes, merge }: Leaving): boolean =>
      merge !== undefined && nodes.includes(node) && layers.has(merge.target);
    const parts = records.leaving.filter(isPart).map(({ layer }) => layer);
    return [...layers, ...parts].map((layer) => ({ layer, node }));
  });
}
