// Which layers can become one: a sealed one and the next lower one, of which nothing needs either by itself. Pure; the
// catalogue judges again when it commits it.
import type { Head, Snapshot } from '../wire/contracts/catalogue.ts';
import type { SealedLayer } from '../wire/contracts/layers.ts';

/** Two layers that lie one on the other, and the node that had the upper one when something was made of it last. */
export interface LayerPair {
  readonly from: SealedLayer;
  readonly into: SealedLayer;
  readonly holder: string;
}

/** Layers as somebody names them, the newest first; of an image its top aside, which is written. */
interface Chain {
  readonly top: string | undefined;
  readonly layers: readonly SealedLayer[];
  readonly holder: string;
  /** It must stay as it is for now. */
  readonly isFixed: boolean;
}

/** Each lower layer once, with what lies on it; a lower pair first, since what is merged into it is moved once then. */
export function mergeablePairs(heads: readonly Head[], snapshots: readonly Snapshot[]): LayerPair[] {
  const chains = [...heads.map(chainOf), ...snapshots.flatMap(chainsOf)];
  const fixed = new Set(chains.flatMap(({ isFixed, layers }) => (isFixed ? layers.map(({ layer }) => layer) : [])));
  const pairs = new Map<string, LayerPair>();
  for (const { layers, holder } of chains) {
    for (let at = layers.length - 1; at > 0; at--) {
      const [from, into] = [layers[at - 1], layers[at]];
      if (from === undefined || into === undefined || pairs.has(into.layer) || fixed.has(into.layer)) continue;
      if (from.bytes === into.bytes && chains.every((chain) => hasBothOrNone(chain, from, into)))
        pairs.set(into.layer, { from, into, holder });
    }
  }
  // Of three that lie on one another the lower two are first.
  const upper = new Set([...pairs.values()].map(({ from }) => from.layer));
  return [...pairs.values()].filter(({ into }) => !upper.has(into.layer));
}

function hasBothOrNone({ top, layers }: Chain, from: SealedLayer, into: SealedLayer): boolean {
  if (top === from.layer || top === into.layer) return false;
  const upper = layers.findIndex(({ layer }) => layer === from.layer);
  const lower = layers.findIndex(({ layer }) => layer === into.layer);
  return upper < 0 ? lower < 0 : lower === upper + 1;
}

function chainOf({ stack, writer, holder, transfer, cut, doubt }: Head): Chain {
  const isFixed = transfer !== null || cut !== null || doubt !== undefined;
  return { top: stack.layer, layers: stack.below, holder: writer ?? holder, isFixed };
}

function chainsOf({ disks }: Snapshot): Chain[] {
  return disks.map(({ layers, holder }) => ({ top: undefined, layers, holder, isFixed: false }));
}
