// What a store says of a layer, whole but for what a test says. Not a test itself.
import type { ReportedLayer } from '../../../wire/contracts/store-report.ts';

export function reportedLayer(change: Partial<ReportedLayer> & Pick<ReportedLayer, 'layer'>): ReportedLayer {
  return {
    ...{ image: 'web', bytes: 4096, role: 'replica', generation: 1, below: [], epoch: 0, ends: [], closing: null },
    ...{
      table: { lastSequence: 1, entries: 1, digest: '0'.repeat(32) },
      migration: null,
      localBlocks: 1,
      missingBlocks: 0,
    },
    ...change,
  };
}
