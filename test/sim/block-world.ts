// The world of real stores: three nodes, one disk, its guest, whoever moves it about, and what goes wrong. One seed makes one
// course of events.
import { messageOf } from '../../common/errors.ts';
import type { PropagationSettings } from '../../wire/contracts/propagation.ts';
import { BlockCopies, type CopyPolicy } from './block-copies.ts';
import { type BlockFault, BlockFaults } from './block-faults.ts';
import { BlockGuest } from './block-guest.ts';
import { BlockHead, LAYER } from './block-head.ts';
import { BlockMover } from './block-mover.ts';
import { BlockNode } from './block-node.ts';
import { BlockPushes, PROACTIVE } from './block-pushes.ts';
import { BlockScript } from './block-script.ts';
import { SimStreams } from './block-streams.ts';
import type { LinkFaults } from './network.ts';
import { turn } from './turn.ts';
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
/** Where points are carried: most of the steps are cuts then. */
const CUT_EVERY_MS = 800;
const TELL_EVERY_MS = 2_000;

/** What kind of world it is. */
export interface BlockPlan {
  /** The other nodes follow the writer, which then has a barrier every second, and get blocks ahead. */
  readonly isPushed: boolean;
  /** The policy with copies; undefined when answers wait for none. */
  readonly policy?: CopyPolicy | undefined;
  /** A journal longer than this is replaced by a checkpoint; without it none comes to one. */
  readonly checkpointBytes?: number | undefined;
  /** The disk is also cut, grown, merged, and read while it is closed. */
  readonly isLayered?: boolean;
  /** Some of its snapshots are kept for a while, and read. */
  readonly isShown?: boolean;
  /** And some of those carried to another node as recovery points. */
  readonly hasPoints?: boolean;
  /** Blocks rot, disks fail, what is sent comes seconds later, and clocks are wrong by hours. */
  readonly isHarsh?: boolean;
}

export class BlockWorld {
  readonly world: World;
  readonly guest: BlockGuest;
  readonly mover: BlockMover;
  readonly pushes: BlockPushes;
  readonly nodes: readonly BlockNode[];
  moves = 0;
  /** Blocks that rotted. */
  rots = 0;
  readonly copies: BlockCopies | undefined;
  script: BlockScript | undefined;
  readonly #isLayered: boolean;
  readonly #plan: BlockPlan;
  readonly #seed: number;
  readonly #copiesMeant: number;
  readonly #head = new BlockHead(IMAGE);
  readonly #faults: BlockFaults;
  readonly #isPushed: boolean;
  #isOver = false;

  constructor(seed: number, faults: LinkFaults, plan: BlockPlan) {
    const { isPushed, policy, checkpointBytes, isLayered = false } = plan;
    this.#plan = plan;
    this.#seed = seed;
    this.#isPushed = isPushed;
    const settings: PropagationSettings | undefined = policy && { ...PROACTIVE, policy };
    this.world = new World(seed, faults);
    const streams = new SimStreams(this.world);
    const around = { world: this.world, streams, others: () => this.nodes, checkpointBytes };
    this.nodes = NAMES.map((name) => new BlockNode(name, around));
    this.guest = new BlockGuest(this.world, IMAGE, BLOCKS * BLOCK_BYTES);
    const parts = { world: this.world, nodes: this.nodes, guest: this.guest, head: this.#head };
    this.mover = new BlockMover({ ...parts, propagation: settings });
    this.pushes = new BlockPushes(this.world, this.nodes, settings ?? PROACTIVE);
    if (policy !== undefined)
      this.copies = new BlockCopies(this.world, this.nodes, this.guest, { image: IMAGE, layer: LAYER, policy });
    this.#isLayered = isLayered;
    this.#copiesMeant = policy?.copies ?? 1;
    this.#faults = new BlockFaults({
      ...parts,
      kill: (node) => this.#kill(node),
      loses: (node) => this.#loses(node),
      rotted: () => this.#rotted(),
    });
  }

  strike(fault: BlockFault): void {
    this.#faults.strike(fault);
  }

  heal(): void {
    this.#faults.heal();
  }

  /** Makes the disk and lets the guest and the mover begin. */
  async begin(): Promise<void> {
    await this.#finish(this.mover.create());
    const members = this.nodes.map(({ name }) => ({ node: name, address: '127.0.0.1' }));
    const told = this.nodes.map((node) => node.started.then(() => node.shelf.members.set(members)));
    await this.#finish(Promise.all(told));
    if (this.copies !== undefined) await this.#finish(this.copies.begin());
    if (this.#isLayered) {
      const { world, nodes, guest, mover } = this;
      const parts = { world, nodes, guest, mover, head: this.#head };
      const { isShown = false, hasPoints = false } = this.#plan;
      const shown = { isShown, hasPoints, seed: this.#seed };
      this.script = new BlockScript({ ...parts, ...shown, copies: this.#copiesMeant });
    }
    this.#look();
  }

  /** Lets time pass. */
  async run(untilMs: number, until: () => boolean = () => false): Promise<boolean> {
    for (let events = 0; !until(); events++) {
      if (!this.world.clock.next(untilMs)) return false;
      await turn();
      await this.copies?.judged();
      await this.script?.points?.judged();
      this.#check();
      if (events < EVENTS_MAX) continue;
      this.world.violate(`it does not come to rest: ${EVENTS_MAX} events`);
      return false;
    }
    return true;
  }

  /** The end: everything that waits comes to its end, the whole disk is right, at every node that it still needs. */
  async settle(limitMs: number): Promise<void> {
    this.#isOver = true;
    const endMs = this.world.clock.nowMs + limitMs;
    const isCalm = (): boolean => !this.mover.isUnderWay && this.guest.node !== undefined;
    if (!(await this.run(endMs, isCalm))) return this.world.violate('the guest does not run again');
    await this.#within(endMs, this.guest.pause(), 'the guest waits for an answer for ever');
    await this.#readsRight(endMs, 'at the end');
    if (this.script !== undefined) {
      await this.#within(endMs, this.script.end(), 'its layers are never merged, or it is never read');
      await this.#readsRight(endMs, 'merged and opened again');
    }
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

  #loses(node: BlockNode): void {
    if (this.guest.node === node || this.mover.closing === node) this.guest.losePower();
  }

  /** Until it is read, and made good, there are fewer copies than are meant. */
  #rotted(): void {
    this.rots++;
    this.copies?.end();
  }

  /** Now and then the disk is moved; a guest that died with its node is started again. */
  #look(): void {
    const { prng, clock } = this.world;
    // Its operator does what the error says.
    for (const node of this.nodes.filter(({ wantsRestart }) => wantsRestart)) this.#kill(node);
    if (!this.mover.isUnderWay) {
      if (this.guest.node === undefined) this.#take(this.mover.restart());
      else if (!this.#isOver && prng.chance(LOOK_MS / this.#everyMs)) this.#move();
    }
    if (this.#isPushed && !this.#isOver && prng.chance(LOOK_MS / TELL_EVERY_MS)) this.pushes.tell(this.#head.head);
    this.script?.look();
    this.copies?.look();
    clock.after(LOOK_MS, () => this.#look());
  }

  get #everyMs(): number {
    return this.#plan.hasPoints === true ? CUT_EVERY_MS : MOVE_EVERY_MS;
  }

  #move(): void {
    this.#take(this.script?.step() ?? this.#moved());
  }

  #moved(): Promise<void> {
    const to = this.world.prng.pick(this.nodes as [BlockNode, ...BlockNode[]]);
    this.moves++;
    return this.world.prng.chance(0.75) ? this.mover.migrate(to) : this.mover.moveCold(to);
  }

  #take(work: Promise<void>): void {
    work.catch((error: unknown) => this.world.violate(`a step was refused: ${messageOf(error)}`));
  }

  /** What must hold after each event: one writer at most takes changes. */
  #check(): void {
    const writers = this.nodes.filter((node) => node.exports.has(IMAGE) && isOpen(node));
    this.script?.check();
    if (writers.length > 1) this.world.violate(`${writers.map(({ name }) => name).join(' and ')} both write (S4)`);
  }
}

function isOpen(node: BlockNode): boolean {
  return !node.process.isDown && node.shelf.find(IMAGE)?.image.gate.mayChange === true;
}
