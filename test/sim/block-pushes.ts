// Has the other nodes follow the writer and blocks pushed to them, as the orchestrator does: again and again, by calls that
// are lost, late and come twice. It decides nothing and waits for nothing.
import { DEFAULT_SETTINGS } from '../../blockd/propagation/default-settings.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import type { PropagationSettings } from '../../wire/contracts/propagation.ts';
import { type Calls, CONTEXT, endpoint } from './block-calls.ts';
import type { BlockNode } from './block-node.ts';
import { SimProcess } from './process.ts';
import type { World } from './world.ts';

const CALL_TIMEOUT_MS = 4_000;
/** Everything goes, read or not. */
export const PROACTIVE: PropagationSettings = { ...DEFAULT_SETTINGS, policy: { mode: 'proactive' }, s: 0 };

export class BlockPushes {
  readonly #world: World;
  readonly #nodes: readonly BlockNode[];
  readonly #process: SimProcess;
  readonly #settings: PropagationSettings;

  constructor(world: World, nodes: readonly BlockNode[], settings: PropagationSettings) {
    this.#settings = settings;
    this.#world = world;
    this.#nodes = nodes;
    this.#process = new SimProcess('pushes', 'K', world.clock, () => undefined);
    this.#process.start();
  }

  /** What nodes' daemons, since they were started, have got so. */
  get pushedBlocks(): number {
    return this.#nodes.reduce((sum, node) => {
      if (node.process.isDown) return sum;
      return sum + node.shelf.layers.all.reduce((blocks, layer) => blocks + layer.fetchedBlocks.pushed, 0);
    }, 0);
  }

  /** Says once how things are. */
  tell({ image, bytes, stack, epoch, writer, transfer }: Head): void {
    const source = this.#nodes.find(({ name }) => name === writer);
    if (source === undefined || transfer !== null) return;
    this.#call(source, (calls) => calls['propagation.set']({ image, settings: this.#settings }, CONTEXT));
    const order = { image, bytes, stack, epoch, from: endpoint(source) };
    for (const node of this.#nodes) {
      if (node !== source) this.#call(node, (calls) => calls['replica.follow'](order, CONTEXT));
    }
  }

  #call(node: BlockNode, call: (calls: Calls) => Promise<unknown> | unknown): void {
    const nothing = (): void => undefined;
    this.#world.network.call<undefined>(
      this.#process,
      node.process,
      CALL_TIMEOUT_MS,
      (answer) => {
        const { started, calls } = node;
        const taken = started.then(() => call(calls));
        // What is refused is said again, if it is still so then.
        void taken.then(nothing, nothing).then(() => answer(undefined));
      },
      nothing,
      nothing,
    );
  }
}
