// Moves the disk of a simulated guest from node to node, as the orchestrator and its agents do: live by stand-by, hold
// and a decision, or cold by close and open. It never dies itself and forgets nothing (the hold has a simulation of its
// own); its calls are lost, late and come twice.
import {
  abandonEpoch,
  addImage,
  beginTransfer,
  closeEpoch,
  type Entry,
  finishTransfer,
  openEpoch,
} from '../../blockd/catalogue/catalogue.ts';
import { codeOf } from '../../common/errors.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import type { blockdContract, Closing } from '../../wire/contracts/blockd.ts';
import type { PropagationSettings } from '../../wire/contracts/propagation.ts';
import type { BlockGuest } from './block-guest.ts';
import type { BlockNode } from './block-node.ts';
import { SimProcess } from './process.ts';
import type { World } from './world.ts';

export const LAYER = 'l00000000000000aa';
const CALL_TIMEOUT_MS = 4_000;
const READY_TIMEOUT_MS = 20_000;
const VERIFY_TIMEOUT_MS = 3_000;
const RETRY_MS = 200;
const MIGRATION_DIGITS = 16;

export type Calls = Handlers<typeof blockdContract>;

/** A call that came to nothing in time: it may have been taken, or be taken later. */
class LostCall extends Error {
  readonly code = 'LOST_CALL';
}

/** The disk's head, and the steps that change it. */
export class BlockMover {
  readonly #world: World;
  readonly #nodes: readonly BlockNode[];
  readonly #guest: BlockGuest;
  readonly #image: string;
  readonly #process: SimProcess;
  /** As openings and stand-bys bring it along; as by default without. */
  readonly #settings: { readonly propagation?: PropagationSettings };
  #entry: Entry | undefined;
  #migrations = 0;
  #underWay = false;
  /** Where the disk is being closed: its guest is gone, what it had not flushed is not durable yet. */
  closing: BlockNode | undefined;

  constructor(
    world: World,
    nodes: readonly BlockNode[],
    guest: BlockGuest,
    image: string,
    propagation?: PropagationSettings,
  ) {
    this.#world = world;
    this.#nodes = nodes;
    this.#guest = guest;
    this.#image = image;
    this.#settings = propagation === undefined ? {} : { propagation };
    this.#process = new SimProcess('mover', 'K', world.clock, () => undefined);
    this.#process.start();
  }

  /** Whether a move is being made: the guest's start is its business then. */
  get isUnderWay(): boolean {
    return this.#underWay;
  }

  get writer(): BlockNode {
    return this.#node(this.head.writer ?? this.head.holder);
  }

  /** Makes the image at the first node and starts the guest there. */
  async create(): Promise<void> {
    const [node] = this.#nodes;
    if (node === undefined) throw new TypeError('a world has nodes');
    const { bytes } = this.#guest.history;
    await node.started;
    await node.calls['image.create']({ image: this.#image, layer: LAYER, bytes }, CONTEXT);
    const closing = node.shelf.get(this.#image).image.closing();
    this.#entry = addImage(undefined, { image: this.#image, layer: LAYER, bytes, holder: node.name, closing });
    await this.#openAt(node);
    this.#guest.comeTo(node);
    this.#guest.resume();
  }

  /** Live, if all goes well; else the guest goes on where it is. */
  async migrate(to: BlockNode): Promise<void> {
    const from = this.writer;
    if (from === to || this.#guest.node !== from) return;
    await this.#during(() => this.#migrate(from, to));
  }

  /** By close and open; the guest is stopped meanwhile. */
  async moveCold(to: BlockNode): Promise<void> {
    const from = this.writer;
    if (this.#guest.node !== from) return;
    await this.#during(async () => {
      const isQuiet = this.#guest.pause().then(() => true);
      if (!(await Promise.race([isQuiet, this.#after(CALL_TIMEOUT_MS).then(() => false)]))) {
        await this.#startAt(from);
        return;
      }
      this.#guest.leave();
      const { epoch } = this.head;
      this.closing = from;
      const closing = await this.#persist(from, (calls) =>
        calls['image.close']({ image: this.#image, layer: LAYER, epoch }, CONTEXT),
      );
      this.closing = undefined;
      this.#world.point('closed');
      this.#entry = closeEpoch(this.#known, from.name, closing);
      await this.#openAt(to);
      await this.#startAt(to);
    });
  }

  /** The writer's node lost its power, and the guest with it: once it is back, the guest starts there again. */
  async restart(): Promise<void> {
    const node = this.writer;
    await this.#during(async () => {
      await this.#isOpenAt(node);
      await this.#startAt(node);
    });
  }

  /** Every block comes to where the guest is; the others' copies are deleted. */
  async independent(): Promise<void> {
    const node = this.writer;
    const rateBytesPerSecond = 10_000_000;
    await this.#persist(node, (calls) => calls['pull.set']({ image: this.#image, rateBytesPerSecond }, CONTEXT));
    for (;;) {
      const { dependsOn } = await this.#persist(node, (calls) => calls['image.show']({ image: this.#image }, CONTEXT));
      if (dependsOn.length === 0) break;
      await this.#after(RETRY_MS);
    }
    for (const other of this.#nodes.filter((one) => one !== node)) {
      await this.#persist(other, (calls) => calls['layer.drop']({ layer: LAYER }, CONTEXT));
    }
  }

  async #migrate(from: BlockNode, to: BlockNode): Promise<void> {
    const migration = (++this.#migrations).toString(16).padStart(MIGRATION_DIGITS, '0');
    const image = this.#image;
    [this.#entry] = beginTransfer([this.#known], { migration, from: from.name, to: to.name });
    const { transfer, bytes, stack } = this.head;
    if (transfer === null) throw new TypeError('a transfer stands');
    const standBy = { migration, image, bytes, stack, epoch: transfer.epoch, from: endpoint(from), ...this.#settings };
    this.#world.point(`migration to ${to.name}`);
    let closings: Closing[] | undefined;
    try {
      await this.#call(to, (calls) => calls['standby.start'](standBy, CONTEXT));
      await this.#call(to, (calls) => calls['standby.ready']({ migration }, CONTEXT), READY_TIMEOUT_MS);
      await Promise.race([this.#guest.pause(), this.#after(CALL_TIMEOUT_MS).then(lost)]);
      ({ closings } = await this.#call(from, (calls) =>
        calls['writer.freeze']({ migration, images: [image] }, CONTEXT),
      ));
      // Whoever loses its power before the hold has no memory to move.
      if (this.#guest.hasLostPower) lost();
      const proof = { migration, closings, timeoutMs: VERIFY_TIMEOUT_MS };
      const { equal } = await this.#call(to, (calls) => calls['standby.verify'](proof, CONTEXT), 2 * VERIFY_TIMEOUT_MS);
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
    [this.#entry] = finishTransfer([this.#known], migration, true, closings);
    this.#guest.leave();
    await this.#persist(to, (calls) => calls['standby.activate']({ migration }, CONTEXT));
    this.#guest.comeTo(to);
    this.#guest.resume();
    await this.#persist(from, (calls) => calls['writer.release']({ migration }, CONTEXT));
  }

  async #takeBack(migration: string, from: BlockNode, to: BlockNode): Promise<void> {
    this.#world.point(`stays at ${from.name}`);
    [this.#entry] = finishTransfer([this.#known], migration, false, []);
    await Promise.all([
      this.#persist(to, (calls) => calls['standby.cancel']({ migration }, CONTEXT)),
      this.#persist(from, (calls) => calls['writer.thaw']({ migration }, CONTEXT)),
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
      this.#entry = openEpoch(this.#known, node.name);
      const { bytes, stack, epoch, last, holder } = this.head;
      const from = endpoint(this.#node(holder));
      const opening = { image: this.#image, bytes, stack, epoch, last, from, ...this.#settings };
      try {
        await this.#call(node, (calls) => calls['image.open'](opening, CONTEXT), READY_TIMEOUT_MS);
        return;
      } catch (error) {
        if (codeOf(error) === undefined) throw error;
        await this.#giveBack(node, epoch);
      }
    }
  }

  async #giveBack(node: BlockNode, epoch: number): Promise<void> {
    try {
      const closing = await this.#persist(node, (calls) =>
        calls['image.close']({ image: this.#image, layer: LAYER, epoch }, CONTEXT),
      );
      this.#entry = closeEpoch(this.#known, node.name, closing);
    } catch (error) {
      if (codeOf(error) !== 'IMAGE_NOT_OPEN') throw error;
      this.#entry = abandonEpoch(this.#known, node.name, epoch);
    }
  }

  async #isOpenAt(node: BlockNode): Promise<void> {
    for (;;) {
      const { role } = await this.#persist(node, (calls) => calls['image.show']({ image: this.#image }, CONTEXT));
      if (role === 'writer') return;
      this.#world.violate(`${node.name} came back as a ${role}, though it is the writer`);
      await this.#after(RETRY_MS);
    }
  }

  async #during(work: () => Promise<void>): Promise<void> {
    this.#underWay = true;
    try {
      await work();
    } finally {
      this.#underWay = false;
    }
  }

  /** Until it is taken: what was lost is asked again, what is refused is refused. */
  async #persist<T>(node: BlockNode, call: (calls: Calls) => Promise<T> | T): Promise<T> {
    for (;;) {
      try {
        return await this.#call(node, call);
      } catch (error) {
        const code = codeOf(error);
        // A disk that was full when the daemon began: its operator does what the error says.
        if (code === 'IMAGE_UNUSABLE') node.kill();
        else if (code !== 'LOST_CALL' && code !== 'ENOSPC' && code !== 'IMAGE_IN_USE') throw error;
      }
      await this.#after(RETRY_MS);
    }
  }

  #call<T>(node: BlockNode, call: (calls: Calls) => Promise<T> | T, timeoutMs = CALL_TIMEOUT_MS): Promise<T> {
    type Outcome = { readonly value: T } | { readonly error: unknown };
    return new Promise((resolve, reject) => {
      this.#world.network.call<Outcome>(
        this.#process,
        node.process,
        timeoutMs,
        (answer) => {
          const taken = node.started.then(() => call(node.calls));
          taken.then(
            (value) => answer({ value }),
            (error: unknown) => answer({ error }),
          );
        },
        (outcome) => ('value' in outcome ? resolve(outcome.value) : reject(outcome.error)),
        () => reject(new LostCall(`a call of ${node.name} was not answered`)),
      );
    });
  }

  #after(ms: number): Promise<void> {
    return new Promise((resolve) => this.#world.clock.after(ms, resolve));
  }

  #node(name: string): BlockNode {
    const node = this.#nodes.find((one) => one.name === name);
    if (node === undefined) throw new TypeError(`there is no node ${name}`);
    return node;
  }

  get #known(): Entry {
    if (this.#entry === undefined) throw new TypeError('the image is made first');
    return this.#entry;
  }

  get head(): Entry['head'] {
    return this.#known.head;
  }
}

export const CONTEXT = {
  peer: { node: 'k', role: 'controller' },
  progress: () => undefined,
  signal: new AbortController().signal,
} as const;

export function endpoint({ name }: BlockNode): { node: string; address: string } {
  return { node: name, address: '127.0.0.1' };
}

function lost(): never {
  throw new LostCall('the guest was not quiet in time');
}
