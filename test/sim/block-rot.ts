// Bit rot in a simulated store: a byte of a block turns into another one, where some other store has that block too, has it
// whole, and is not letting it go: what nobody else has may be lost. Not where writes may be under way.
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import { type BlockNode, mayBeTorn } from './block-node.ts';
import type { Prng } from './prng.ts';

/** Comes after every node's name: whoever asks under it is promised only what is not about to go. */
const LAST_NAME = '~';

interface Place {
  readonly layer: string;
  readonly block: number;
}

/** Spoils a block of the node, if there is one that may be. Whether it did. */
export function rotSomewhere(prng: Prng, nodes: readonly BlockNode[], node: BlockNode): boolean {
  if (node.process.isDown) return false;
  const others = nodes.filter((one) => one !== node && !one.process.isDown);
  const [first, ...places] = placesOf(node).filter((place) => others.some((other) => keeps(other, node, place)));
  if (first === undefined) return false;
  const place = prng.pick([first, ...places]);
  node.rot(place.layer, place.block * BLOCK_BYTES + prng.integer(BLOCK_BYTES), contentAt(node, place));
  return true;
}

/** Blocks that lie in the node's files as they were synced. */
function placesOf(node: BlockNode): Place[] {
  return node.shelf.layers.all.flatMap(({ store }) => {
    const { layer, table, blocks } = store;
    const isHere = (block: number): boolean =>
      table.allInFile(block, block + 1) && !table.isChanged(block) && !mayBeTorn(store, block);
    return Array.from({ length: blocks }, (_, block) => ({ layer, block })).filter(({ block }) => isHere(block));
  });
}

function keeps(other: BlockNode, node: BlockNode, place: Place): boolean {
  const { layer, block } = place;
  const version = node.shelf.layers.find(layer)?.store.table.versionOf(block);
  const store = other.shelf.layers.find(layer)?.store;
  if (version === undefined || store === undefined) return false;
  // It may have been made good since; that it is not known here costs a fault.
  if (other.rotted.has(contentAt(node, place))) return false;
  return block < store.blocks && store.copies.promises(block, version.high, version.low, LAST_NAME);
}

function contentAt(node: BlockNode, { layer, block }: Place): string {
  const version = node.shelf.layers.find(layer)?.store.table.versionOf(block);
  return `${layer} ${block} ${version?.high} ${version?.low}`;
}
