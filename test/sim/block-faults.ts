// What goes wrong in a world of real stores: faults by name, each mended after a while.
import type { BlockNode } from './block-node.ts';
import { rotSomewhere } from './block-rot.ts';
import type { World } from './world.ts';

/** A node without power has it again within this. */
const DARK_MS_MAX = 8_000;
const CUT_MS_MAX = 30_000;
const FROZEN_MS_MAX = 25_000;
const FULL_MS_MAX = 4_000;
const SLOW_MS_MAX = 4_000;
const SLOWNESS = 200;
const LAGGING_MS_MAX = 20_000;
const LAG_MS_MAX = 5_000;
const HOUR_MS = 3_600_000;
/** So long it takes whoever operates a node with a failing disk to start it anew. */
const FAILING_MS_MAX = 5_000;
/** Whoever finds its daemon down looks again. */
const DOWN_MS_MAX = 500;

export const BLOCK_FAULTS = ['kill', 'power', 'cut', 'one-way', 'freeze', 'full', 'slow'] as const;
/** Of harsh worlds besides; much of what might rot nobody else has, and does not. */
export const HARSH_FAULTS = ['rot', 'rot', 'rot', 'lag', 'clock', 'eio'] as const;
export type BlockFault = (typeof BLOCK_FAULTS | typeof HARSH_FAULTS)[number];

export interface FaultParts {
  readonly world: World;
  readonly nodes: readonly BlockNode[];
  /** The guest's client asks again once the daemon is up. */
  readonly kill: (node: BlockNode) => void;
  /** The node is about to lose its power. */
  readonly loses: (node: BlockNode) => void;
  /** A copy is none any more. */
  readonly rotted: () => void;
}

export class BlockFaults {
  readonly #parts: FaultParts;

  constructor(parts: FaultParts) {
    this.#parts = parts;
  }

  /** Strikes once; what it breaks is mended after a while. */
  strike(fault: BlockFault): void {
    const { world, nodes } = this.#parts;
    const { prng } = world;
    const node = prng.pick(nodes as [BlockNode, ...BlockNode[]]);
    const other = prng.pick(nodes.filter((one) => one !== node) as [BlockNode, ...BlockNode[]]);
    world.point(`${fault} ${node.name} ${other.name}`);
    this.#faults[fault](node, other);
  }

  readonly #faults: Readonly<Record<BlockFault, (node: BlockNode, other: BlockNode) => void>> = {
    kill: (node) => this.#parts.kill(node),
    power: (node) => this.#cutPower(node),
    cut: (node, other) => {
      this.#cut(node, other);
      this.#cut(other, node);
    },
    'one-way': (node, other) => this.#cut(node, other),
    freeze: (node) => {
      node.process.freeze();
      this.#after(FROZEN_MS_MAX, () => node.process.thaw());
    },
    full: (node) => {
      node.isFull = true;
      this.#after(FULL_MS_MAX, () => {
        node.isFull = false;
      });
    },
    slow: (node) => {
      node.manner.slowness = SLOWNESS;
      this.#after(SLOW_MS_MAX, () => {
        node.manner.slowness = 1;
      });
    },
    rot: (node) => {
      if (rotSomewhere(this.#parts.world.prng, this.#parts.nodes, node)) this.#parts.rotted();
    },
    lag: (node, other) => {
      const { network, prng } = this.#parts.world;
      network.lag(node.name, other.name, prng.between(0, LAG_MS_MAX));
      this.#after(LAGGING_MS_MAX, () => network.lag(node.name, other.name, 0));
    },
    eio: (node) => {
      if (node.process.isDown) return;
      node.failSyncs();
      this.#after(FAILING_MS_MAX, () => this.#startAnew(node));
    },
    clock: (node) => {
      node.clockErrorMs += this.#parts.world.prng.chance(0.5) ? HOUR_MS : -HOUR_MS;
    },
  };

  /** Nothing fails any more. */
  heal(): void {
    const { world, nodes } = this.#parts;
    world.network.heal();
    for (const node of nodes) {
      node.isFull = false;
      node.manner.slowness = 1;
      node.process.thaw();
      if (node.isFailing) this.#losePower(node);
      if (node.process.isDown) node.powerOn();
    }
  }

  #cut(from: BlockNode, to: BlockNode): void {
    const { network } = this.#parts.world;
    network.cut(from.name, to.name);
    this.#after(CUT_MS_MAX, () => network.mend(from.name, to.name));
  }

  #startAnew(node: BlockNode): void {
    if (!node.isFailing) return;
    if (node.process.isDown) this.#after(DOWN_MS_MAX, () => this.#startAnew(node));
    else this.#cutPower(node);
  }

  #cutPower(node: BlockNode): void {
    if (node.process.isDown) return;
    const { clock, prng } = this.#parts.world;
    this.#losePower(node);
    clock.after(prng.between(500, DARK_MS_MAX), () => node.powerOn());
  }

  #losePower(node: BlockNode): void {
    this.#parts.loses(node);
    node.cutPower();
  }

  #after(msMax: number, mend: () => void): void {
    const { clock, prng } = this.#parts.world;
    clock.after(prng.between(0, msMax), mend);
  }
}
