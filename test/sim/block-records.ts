// Keeps the catalogue's records at the stores of a simulated world, as the orchestrator does: by calls that are lost, late and
// come twice, until each store says that it keeps them.

import { readersOf } from '../../blockd/catalogue/catalogue-readers.ts';
import { layerPoints } from '../../blockd/catalogue/layer-points.ts';
import type { CatalogueMark, KeptRecords } from '../../wire/contracts/store-report.ts';
import { BlockCalls, CONTEXT } from './block-calls.ts';
import type { BlockHead } from './block-head.ts';
import type { BlockNode } from './block-node.ts';
import type { World } from './world.ts';

export class BlockRecords {
  readonly #calls: BlockCalls;
  readonly #head: BlockHead;
  readonly #copies: number;

  /** `copies`: of each layer, as the policy says. */
  constructor(world: World, head: BlockHead, copies: number) {
    this.#copies = copies;
    this.#calls = new BlockCalls(world, 'records');
    this.#head = head;
  }

  get now(): KeptRecords {
    const { entry, serial, snapshots, leaving } = this.#head;
    const { image, epoch, writer, holder, stack } = entry.head;
    const named = this.#copies > 1 ? [stack, ...stack.below] : [];
    const copies = named.map(({ layer }) => ({ layer, copies: this.#copies }));
    const kept = snapshots.map(({ snapshot, disks }) => ({
      snapshot,
      disks: disks.map(({ image, bytes, layers }) => ({ image, bytes, layers })),
    }));
    const mark = { incarnation: 1, serial };
    const shown = kept.length === 0 ? {} : { snapshots: kept };
    const minded = {
      copies,
      points: layerPoints({ snapshots, leaving }),
      ...shown,
      readers: readersOf(entry),
      heads: [{ image, epoch, writer, holder, isDoubtful: false }],
    };
    return { mark, pins: [], ...minded, leaving: leaving.map(({ layer, nodes }) => ({ layer, nodes })), records: [] };
  }

  /** Once, as they are now. @throws LostCall */
  keep(node: BlockNode): Promise<{ mark: CatalogueMark }> {
    const records = this.now;
    return this.#calls.call(node, (calls) => calls['records.keep'](records, CONTEXT));
  }

  /** Says them once to each; who does not hear of them does so the next time. */
  tell(nodes: readonly BlockNode[]): void {
    for (const node of nodes) this.keep(node).catch(() => undefined);
  }
}
