// Moves the disk of a simulated guest from node to node, as the orchestrator and its agents do: live by stand-by, hold
// and a decision, or cold by close and open. It never dies itself and forgets nothing (the hold has a simulation of its
// own).
import {
  abandonEpoch,
  beginTransfer,
  closeEpoch,
  finishTransfer,
  openEpoch,
} from '../../blockd/catalogue/catalogue.ts';
import { codeOf } from '../../common/errors.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { PropagationSettings } from '../../wire/contracts/propagation.ts';
import { BlockCalls, CONTEXT, endpoint, lost, RETRY_MS } from './block-calls.ts';
import type { BlockGuest } from './block-guest.ts';
import { type BlockHead, LAYER } from './block-head.ts';
import type { BlockNode } from './block-node.ts';
import type { World } from './world.ts';

const READY_TIMEOUT_MS = 20_000;
const VERIFY_TIMEOUT_MS = 3_000;

/** What is moved, and between which nodes. */
export interface MoverParts {
  readonly world: World;
  readonly nodes: readonly BlockNode[];
  readonly guest: BlockGuest;
  readonly head: BlockHead;
  /** As openings and stand-bys bring it along; as by default without. */
  readonly propagation: PropagationSettings | undefined;
}

/** The steps that change where the disk is. */
export class BlockMover {
  readonly #world: World;
  readonly #nodes: readonly BlockNode[];
  readonly #guest: BlockGuest;
  readonly #image: string;
  readonly #head: BlockHead;
  readonly #calls: BlockCalls;
  readonly #settings: { readonly propagation?: PropagationSettings };
  #underWay = false;
  /** Where the disk is being closed: its guest is gone, what it had not flushed is not durable yet. */
  closing: BlockNode | undefined;
  /** What is done with the disk while it is closed. */
  whileClosed: () => Promise<void> = () => Promise.resolve();

  constructor({ world, nodes, guest, head, propagation }: MoverParts) {
    this.#world = world;
    this.#nodes = nodes;
    this.#guest = guest;
    this.#image = head.image;
    this.#head = head;
    this.#settings = propagation === undefined ? {} : { propagation };
    this.#calls = new BlockCalls(world, 'mover');
  }

  /** Whether a step is being taken: the guest's start is its business then. */
  get isUnderWay(): boolean {
    return this.#underWay;
  }

  get writer(): BlockNode {
    return this.#node(this.#head.writer);
  }

  /** Makes the image at the first node and starts the guest there. */
  async create(): Promise<void> {
    const [node] = this.#nodes;
    if (node === undefined) throw new TypeError('a world has nodes');
    const { bytes } = this.#guest.history;
    await node.started;
    await node.calls['image.create']({ image: this.#image, layer: LAYER, bytes }, CONTEXT);
    this.#head.add(bytes, node.name, node.shelf.get(this.#image).image.closing());
    await this.#openAt(node);
    this.#guest.comeTo(node);
    this.#guest.resume();
  }

  /** Live, if all goes well; else the guest goes on where it is. */
  async migrate(to: BlockNode): Promise<void> {
    const from = this.writer;
    if (from === to || this.#guest.node !== from) return;
    await this.during(() => this.#migrate(from, to));
  }

  /** By close and open; the guest is stopped meanwhile. */
  async moveCold(to: BlockNode): Promise<void> {
    const from = this.writer;
    if (this.#guest.node !== from) return;
    await this.during(async () => {
      const isQuiet = this.#calls.within(this.#guest.pause()).then(() => true);
      if (!(await isQuiet.catch(() => false))) {
        await this.#startAt(from);
        return;
      }
      this.#guest.leave();
      await this.#close(from);
      await this.whileClosed();
      await this.#openAt(to);
      await this.#startAt(to);
    });
  }

  async #close(from: BlockNode): Promise<void> {
    this.closing = from;
    const closing = await this.#closed(from);
    this.closing = undefined;
    if (!this.#guest.hasLostPower) this.#guest.history.moved();
    this.#world.point('closed');
    this.#head.commit(closeEpoch(this.#head.entry, from.name, closing));
  }

  #closed(node: BlockNode): Promise<Closing> {
    const { epoch, stack } = this.#head.head;
    const order = { image: this.#image, layer: stack.layer, epoch };
    return this.#calls.persist(node, (calls) => calls['image.close'](order, CONTEXT));
  }

  /** The writer's node lost its power, and the guest with it: once it is back, the guest starts there again. */
  async restart(): Promise<void> {
    const node = this.writer;
    await this.during(async () => {
      await this.#isOpenAt(node);
      await this.#startAt(node);
    });
  }

  /** Every block comes to where the guest is; the others' copies are deleted. */
  async independent(): Promise<void> {
    const node = this.writer;
    const calls = this.#calls;
    const rateBytesPerSecond = 10_000_000;
    await calls.persist(node, (blockd) => blockd['pull.set']({ image: this.#image, rateBytesPerSecond }, CONTEXT));
    for (;;) {
      const { dependsOn } = await calls.persist(node, (blockd) =>
        blockd['image.show']({ image: this.#image }, CONTEXT),
      );
      if (dependsOn.length === 0) break;
      await calls.after(RETRY_MS);
    }
    const { stack } = this.#head.head;
    for (const other of this.#nodes.filter((one) => one !== node)) {
      for (const { layer } of [stack, ...stack.below])
        await calls.persist(other, (blockd) => blockd['layer.drop']({ layer }, CONTEXT), ['LAYER_IN_USE']);
    }
  }

  async #migrate(from: BlockNode, to: BlockNode): Promise<void> {
    const calls = this.#calls;
    const migration = this.#head.nextId();
    const image = this.#image;
    this.#head.commit(beginTransfer([this.#head.entry], { migration, from: from.name, to: to.name })[0]);
    const { transfer, bytes, stack } = this.#head.head;
    if (transfer === null) throw new TypeError('a transfer stands');
    const standBy = { migration, image, bytes, stack, epoch: transfer.epoch, from: endpoint(from), ...this.#settings };
    this.#world.point(`migration to ${to.name}`);
    let closings: Closing[] | undefined;
    try {
      await calls.call(to, (blockd) => blockd['standby.start'](standBy, CONTEXT));
      await calls.call(to, (blockd) => blockd['standby.ready']({ migration }, CONTEXT), READY_TIMEOUT_MS);
      await calls.within(this.#guest.pause());
      ({ closings } = await calls.call(from, (blockd) =>
        blockd['writer.freeze']({ migration, images: [image] }, CONTEXT),
      ));
      // Whoever loses its power before the hold has no memory to move.
      if (this.#guest.hasLostPower) lost();
      const proof = { migration, closings, timeoutMs: VERIFY_TIMEOUT_MS };
      const { equal } = await calls.call(
        to,
        (blockd) => blockd['standby.verify'](proof, CONTEXT),
        2 * VERIFY_TIMEOUT_MS,
      );
      if (!equal) closings = undefined;
    } catch (error) {
      if (codeOf(error) === undefined) throw error;
      closings = undefined;
    }
    if (closings === undefined) await this.#takeBack(migration, from, to);
    else await this.#complete(migration, from, to, closings);
  }

  async #complete(migration: string, from: BlockNode, to: BlockNode, closings: readonly Closing[]): Promise<void> {
    this.#world.point(`moved to ${to.name}`);
    this.#head.commit(finishTransfer([this.#head.entry], migration, true, closings)[0]);
    this.#guest.history.moved();
    this.#guest.leave();
    await this.#calls.persist(to, (calls) => calls['standby.activate']({ migration }, CONTEXT));
    this.#guest.arrive(to);
    await this.#calls.persist(from, (calls) => calls['writer.release']({ migration }, CONTEXT));
  }

  async #takeBack(migration: string, from: BlockNode, to: BlockNode): Promise<void> {
    this.#world.point(`stays at ${from.name}`);
    this.#head.commit(finishTransfer([this.#head.entry], migration, false, [])[0]);
    await Promise.all([
      this.#calls.persist(to, (calls) => calls['standby.cancel']({ migration }, CONTEXT)),
      this.#calls.persist(from, (calls) => calls['writer.thaw']({ migration }, CONTEXT)),
    ]);
    await this.#startAt(from);
  }

  /** Goes on, or starts again if it died with its node's power. */
  async #startAt(node: BlockNode): Promise<void> {
    if (this.#guest.node !== node) this.#guest.comeTo(node);
    if (this.#guest.hasLostPower) await this.#guest.start();
    else this.#guest.resume();
  }

  /** Grants an epoch, and opens under it; one that nothing was written under is given back for the next. */
  async #openAt(node: BlockNode): Promise<void> {
    for (;;) {
      this.#head.commit(openEpoch(this.#head.entry, node.name));
      const { bytes, stack, epoch, last, holder } = this.#head.head;
      const from = endpoint(this.#node(holder));
      const opening = { image: this.#image, bytes, stack, epoch, last, from, ...this.#settings };
      try {
        const context = this.#calls.waiting(READY_TIMEOUT_MS);
        await this.#calls.call(node, (calls) => calls['image.open'](opening, context), READY_TIMEOUT_MS);
        return;
      } catch (error) {
        if (codeOf(error) === undefined) throw error;
        await this.#giveBack(node, epoch);
      }
    }
  }

  async #giveBack(node: BlockNode, epoch: number): Promise<void> {
    try {
      const closing = await this.#closed(node);
      this.#head.commit(closeEpoch(this.#head.entry, node.name, closing));
    } catch (error) {
      if (codeOf(error) !== 'IMAGE_NOT_OPEN') throw error;
      this.#head.commit(abandonEpoch(this.#head.entry, node.name, epoch));
    }
  }

  async #isOpenAt(node: BlockNode): Promise<void> {
    for (;;) {
      const { role } = await this.#calls.persist(node, (calls) => calls['image.show']({ image: this.#image }, CONTEXT));
      if (role === 'writer') return;
      this.#world.violate(`${node.name} came back as a ${role}, though it is the writer`);
      await this.#calls.after(RETRY_MS);
    }
  }

  /** While something else is done with the disk, or with its guest, nothing is moved. */
  async during(work: () => Promise<void>): Promise<void> {
    this.#underWay = true;
    try {
      await work();
    } finally {
      this.#underWay = false;
    }
  }

  #node(name: string): BlockNode {
    const node = this.#nodes.find((one) => one.name === name);
    if (node === undefined) throw new TypeError(`there is no node ${name}`);
    return node;
  }
}
