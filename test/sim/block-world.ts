// The world of real stores: three nodes, one disk, its guest, and whoever moves it about; faults by name. One seed makes
// one course of events.
import { setImmediate as turn } from 'node:timers/promises';
import { messageOf } from '../../common/errors.ts';
import type { PropagationSettings } from '../../wire/contracts/propagation.ts';
import { BlockCopies, type CopyPolicy } from './block-copies.ts';
import { BlockGuest } from './block-guest.ts';
import { BlockMover, LAYER } from './block-mover.ts';
import { BlockNode } from './block-node.ts';
import { BlockPushes, PROACTIVE } from './block-pushes.ts';
import { SimStreams } from './block-streams.ts';
import type { LinkFaults } from './network.ts';
import { World } from './world.ts';

const IMAGE = 'web';
const NAMES = ['a', 'b', 'c'] as const;
const BLOCKS = 24;
const BLOCK_BYTES = 4096;
const EVENTS_MAX = 400_000;
/** On a link that loses every third message and is two seconds long, the first opening takes a while. */
const BEGIN_MS_MAX = 600_000;
const LOOK_MS = 400;
const MOVE_EVERY_MS = 3_000;
const TELL_EVERY_MS = 2_000;
/** A node without power has it again within this. */
const DARK_MS_MAX = 8_000;
const CUT_MS_MAX = 30_000;
const FROZEN_MS_MAX = 25_000;
const FULL_MS_MAX = 4_000;
const SLOW_MS_MAX = 4_000;
const SLOWNESS = 200;

export const BLOCK_FAULTS = ['kill', 'power', 'cut', 'one-way', 'freeze', 'full', 'slow'] as const;
export type BlockFault = (typeof BLOCK_FAULTS)[number];

/** What kind of world it is. */
export interface BlockPlan {
  /** The other nodes follow the writer, which then has a barrier every second, and get blocks ahead. */
  readonly isPushed: boolean;
  /** The policy with copies; undefined when answers wait for none. */
  readonly policy?: CopyPolicy | undefined;
  /** A journal longer than this is replaced by a checkpoint; without it none comes to one. */
  readonly checkpointBytes?: number | undefined;
}

export class BlockWorld {
  readonly world: World;
  readonly guest: BlockGuest;
  readonly mover: BlockMover;
  readonly pushes: BlockPushes;
  readonly nodes: readonly BlockNode[];
  moves = 0;
  readonly copies: BlockCopies | undefined;
  readonly #isPushed: boolean;
  #isOver = false;

  constructor(seed: number, faults: LinkFaults, { isPushed, policy, checkpointBytes }: BlockPlan) {
    this.#isPushed = isPushed;
    const settings: PropagationSettings | undefined = policy && { ...PROACTIVE, policy };
    this.world = new World(seed, faults);
    const streams = new SimStreams(this.world);
    const around = { world: this.world, streams, others: () => this.nodes, checkpointBytes };
    this.nodes = NAMES.map((name) => new BlockNode(name, around));
    this.guest = new BlockGuest(this.world, IMAGE, BLOCKS * BLOCK_BYTES);
    this.mover = new BlockMover(this.world, this.nodes, this.guest, IMAGE, settings);
    this.pushes = new BlockPushes(this.world, this.nodes, settings ?? PROACTIVE);
    if (policy !== undefined)
      this.copies = new BlockCopies(this.world, this.nodes, this.guest, { image: IMAGE, layer: LAYER, policy });
  }

  /** Makes the disk and lets the guest and the mover begin. */
  async begin(): Promise<void> {
    await this.#finish(this.mover.create());
    const members = this.nodes.map(({ name }) => ({ node: name, address: '127.0.0.1' }));
    const told = this.nodes.map((node) => node.started.then(() => node.shelf.members.set(members)));
    await this.#finish(Promise.all(told));
    if (this.copies !== undefined) await this.#finish(this.copies.begin());
    this.#look();
  }

  /** Strikes once; what it breaks is mended after a while. */
  strike(fault: BlockFault): void {
    const { prng } = this.world;
    const node = prng.pick(this.nodes as [BlockNode, ...BlockNode[]]);
    const other = prng.pick(this.nodes.filter((one) => one !== node) as [BlockNode, ...BlockNode[]]);
    this.world.point(`${fault} ${node.name} ${other.name}`);
    this.#faults[fault](node, other);
  }

  readonly #faults: Readonly<Record<BlockFault, (node: BlockNode, other: BlockNode) => void>> = {
    kill: (node) => this.#kill(node),
    power: (node) => this.#cutPower(node),
    cut: (node, other) => {
      for (const [from, to] of [
        [node, other],
        [other, node],
      ] as const) {
        this.world.network.cut(from.name, to.name);
        this.#after(CUT_MS_MAX, () => this.world.network.mend(from.name, to.name));
      }
    },
    'one-way': (node, other) => {
      this.world.network.cut(node.name, other.name);
      this.#after(CUT_MS_MAX, () => this.world.network.mend(node.name, other.name));
    },
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
  };

  #after(msMax: number, mend: () => void): void {
    this.world.clock.after(this.world.prng.between(0, msMax), mend);
  }

  /** Lets time pass. */
  async run(untilMs: number, until: () => boolean = () => false): Promise<boolean> {
    for (let events = 0; !until(); events++) {
      if (!this.world.clock.next(untilMs)) return false;
      await turn();
      await this.copies?.judged();
      this.#check();
      if (events < EVENTS_MAX) continue;
      this.world.violate(`it does not come to rest: ${EVENTS_MAX} events`);
      return false;
    }
    return true;
  }

  /** Nothing fails any more. */
  heal(): void {
    this.world.network.heal();
    for (const node of this.nodes) {
      node.isFull = false;
      node.manner.slowness = 1;
      node.process.thaw();
      if (node.process.isDown) node.powerOn();
    }
  }

  /** The end: everything that waits comes to its end, the whole disk is right, at every node that it still needs. */
  async settle(limitMs: number): Promise<void> {
    this.#isOver = true;
    const endMs = this.world.clock.nowMs + limitMs;
    const isCalm = (): boolean => !this.mover.isUnderWay && this.guest.node !== undefined;
    if (!(await this.run(endMs, isCalm))) return this.world.violate('the guest does not run again');
    await this.#within(endMs, this.guest.pause(), 'the guest waits for an answer for ever');
    await this.#readsRight(endMs, 'at the end');
    this.copies?.end();
    await this.#within(endMs, this.mover.independent(), 'it never becomes independent of other nodes');
    await this.#readsRight(endMs, 'without the other nodes');
  }

  async #readsRight(endMs: number, when: string): Promise<void> {
    await this.#within(
      endMs,
      this.guest.readAll().then((read) => {
        const at = this.guest.history.differsAt(0, read);
        if (at >= 0) this.world.violate(`${when} the disk at ${at} is not what was written`);
      }),
      `the disk cannot be read ${when}`,
    );
  }

  async #within(endMs: number, work: Promise<void>, otherwise: string): Promise<void> {
    let isDone = false;
    const done = work.then(
      () => {
        isDone = true;
      },
      (error: unknown) => {
        isDone = true;
        this.world.violate(messageOf(error));
      },
    );
    if (!(await this.run(endMs, () => isDone))) this.world.violate(otherwise);
    else await done;
  }

  async #finish(work: Promise<unknown>): Promise<void> {
    await this.#within(
      this.world.clock.nowMs + BEGIN_MS_MAX,
      work.then(() => undefined),
      'the world does not begin',
    );
  }

  #kill(node: BlockNode): void {
    node.kill();
    if (this.guest.node !== node) return;
    const isUp = (): void => {
      if (this.guest.node !== node) return;
      if (node.process.isDown) this.world.clock.after(LOOK_MS, isUp);
      else this.guest.reconnect();
    };
    this.world.clock.after(LOOK_MS, isUp);
  }

  #cutPower(node: BlockNode): void {
    if (node.process.isDown) return;
    if (this.guest.node === node || this.mover.closing === node) this.guest.losePower();
    node.cutPower();
    this.world.clock.after(this.world.prng.between(500, DARK_MS_MAX), () => node.powerOn());
  }

  /** Now and then the disk is moved; a guest that died with its node is started again. */
  #look(): void {
    const { prng, clock } = this.world;
    // Its operator does what the error says.
    for (const node of this.nodes.filter(({ wantsRestart }) => wantsRestart)) this.#kill(node);
    if (!this.mover.isUnderWay) {
      if (this.guest.node === undefined) this.#take(this.mover.restart());
      else if (!this.#isOver && prng.chance(LOOK_MS / MOVE_EVERY_MS)) this.#move();
    }
    if (this.#isPushed && !this.#isOver && prng.chance(LOOK_MS / TELL_EVERY_MS)) this.pushes.tell(this.mover.head);
    if (this.mover.isUnderWay) this.copies?.moving();
    else this.copies?.look();
    clock.after(LOOK_MS, () => this.#look());
  }

  #move(): void {
    const to = this.world.prng.pick(this.nodes as [BlockNode, ...BlockNode[]]);
    this.moves++;
    this.#take(this.world.prng.chance(0.75) ? this.mover.migrate(to) : this.mover.moveCold(to));
  }

  #take(work: Promise<void>): void {
    const isOver = (): unknown => this.copies?.moving();
    work.then(isOver, (error: unknown) => this.world.violate(`a step was refused: ${messageOf(error)}`));
  }

  /** What must hold after each event: one writer at most takes changes. */
  #check(): void {
    const writers = this.nodes.filter((node) => node.exports.has(IMAGE) && isOpen(node));
    if (writers.length > 1) this.world.violate(`${writers.map(({ name }) => name).join(' and ')} both write (S4)`);
  }
}

function isOpen(node: BlockNode): boolean {
  return !node.process.isDown && node.shelf.find(IMAGE)?.image.gate.mayChange === true;
}
