// An image that one node has written and another one writes next: after a close, after a transfer, and after it was taken from
// a writer that goes on. Either dies before any of its disk steps. Not a test itself.
import * as assert from 'uvu/assert';
import { abandonEpoch, addImage, beginTransfer, finishTransfer, openEpoch } from '../../blockd/catalogue/catalogue.ts';
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import { DiskHistory } from '../sim/block-history.ts';
import { context } from '../unit/blockd/catalogue-entries.ts';
import { BLOCKS, closingAtFirst, type Death, Died, IMAGE, LAYER, type Writer, WritersWorld } from './writers-world.ts';

const BYTES = BLOCKS * 4096;
const FROM = { a: { node: 'a', address: '127.0.0.1' }, b: { node: 'b', address: '127.0.0.1' } } as const;
const VERIFY_MS = 3_000;
/** So many epochs a catalogue skips that takes an image from a writer whose word it has not got (`rebuild-judgement.ts`). */
const SKIPPED = 4_096;
/** Written by who was taken over from: nobody else may ever read it. */
const STALE = 200;

export const HANDOVERS = ['take-over', 'close', 'transfer'] as const;
export type Handover = (typeof HANDOVERS)[number];
const HOWS: readonly Death['how'][] = ['killed', 'lose-all', 'lose-part'];

/** One world on its way. */
class Course {
  readonly world: WritersWorld;
  #migrations = 0;

  private constructor(world: WritersWorld) {
    this.world = world;
  }

  /** An image that b has written and closed, and a has open: with blocks of either, and of a some that are not flushed. */
  static async make(): Promise<Course> {
    const world = await WritersWorld.make();
    const course = new Course(world);
    await world.ask('b', (calls) => calls['image.create']({ image: IMAGE, layer: LAYER, bytes: BYTES }, context));
    world.commit(
      addImage(undefined, { image: IMAGE, layer: LAYER, bytes: BYTES, holder: 'b', closing: closingAtFirst() }),
    );
    await course.open('b');
    for (const block of [0, 1, 2]) await world.write('b', block, 10 + block, false);
    await world.close('b');
    return course;
  }

  /** At the node, under the next epoch; one that it never had, since it died meanwhile, is given back. */
  async open(node: Writer): Promise<void> {
    const { world } = this;
    for (;;) {
      world.commit(openEpoch(world.entry, node));
      const { bytes, stack, epoch, last, holder } = world.head;
      const order = { image: IMAGE, bytes, stack, epoch, last, from: FROM[holder === 'a' ? 'a' : 'b'] };
      try {
        await world.askOnce(node, (calls) => calls['image.open'](order, context));
        world.guest = node;
        return;
      } catch (error) {
        if (!(error instanceof Died)) throw error;
        await this.#giveBack(node, epoch);
      }
    }
  }

  async #giveBack(node: Writer, epoch: number): Promise<void> {
    const { world } = this;
    try {
      await world.close(node);
    } catch (error) {
      if (codeOf(error) !== 'IMAGE_NOT_OPEN') throw error;
      world.commit(abandonEpoch(world.entry, node, epoch));
    }
  }

  /** The guest writes; one that dies with its node is started again there, and the disk is what it reads as then. */
  async write(node: Writer, block: number, fill: number, fua: boolean, history = this.world.history): Promise<void> {
    const { world } = this;
    const guest = world.guest;
    try {
      await world.write(node, block, fill, fua, history);
    } catch (error) {
      if (!(error instanceof Died)) throw error;
      const kept = world.guest === guest ? 'answered' : 'flushed';
      world.guest = guest;
      await this.restarted(node, history, kept);
    }
  }

  async restarted(node: Writer, history: DiskHistory, kept: 'answered' | 'flushed'): Promise<void> {
    const at = history.restarted(await this.world.read(node), kept);
    assert.ok(at < 0, `after its restart ${node} reads at ${at} as nothing that it may be (S1)`);
  }

  /** What is read at the writer is what was written by whoever had the right to. */
  async check(node: Writer): Promise<void> {
    const { world } = this;
    const read = await world.read(node);
    const isStale = read.findIndex((byte) => byte >= STALE);
    assert.ok(isStale < 0, `${node} serves at ${isStale} what was written under an epoch that was taken away (S4)`);
    await this.restarted(node, world.history, 'flushed');
  }

  /** As the orchestrator and both agents do; the guest is quiet. A transfer that comes to nothing is begun again. */
  async transfer(from: Writer, to: Writer): Promise<void> {
    while (!(await this.#transfer(from, to)));
  }

  async #transfer(from: Writer, to: Writer): Promise<boolean> {
    const { world } = this;
    const migration = (++this.#migrations).toString(16).padStart(16, '0');
    world.commit(beginTransfer([world.entry], { migration, from, to })[0]);
    const guest = world.guest;
    const closings = await this.#held(migration, from, to).catch((error: unknown) => {
      if (!(error instanceof Died)) throw error;
      return undefined;
    });
    if (closings === undefined) {
      world.commit(finishTransfer([world.entry], migration, false, [])[0]);
      await world.ask(to, (calls) => calls['standby.cancel']({ migration }, context));
      await world.ask(from, (calls) => calls['writer.thaw']({ migration }, context));
      if (world.hasDied) await this.restarted(from, world.history, world.guest === guest ? 'answered' : 'flushed');
      world.guest = from;
      return false;
    }
    world.history.moved();
    world.commit(finishTransfer([world.entry], migration, true, closings)[0]);
    world.guest = to;
    await world.ask(to, (calls) => calls['standby.activate']({ migration }, context));
    await world.ask(from, (calls) => calls['writer.release']({ migration }, context));
    return true;
  }

  /** What the source was frozen with, once the destination has proven it; undefined when it could not. @throws Died */
  async #held(migration: string, from: Writer, to: Writer): Promise<Closing[] | undefined> {
    const { world } = this;
    const { transfer, bytes, stack } = world.head;
    if (transfer === null) throw new TypeError('a transfer stands');
    const order = { migration, image: IMAGE, bytes, stack, epoch: transfer.epoch, from: FROM[from] };
    await world.askOnce(to, (calls) => calls['standby.start'](order, context));
    await world.askOnce(to, (calls) => calls['standby.ready']({ migration }, context));
    const { closings } = await world.askOnce(from, (calls) =>
      calls['writer.freeze']({ migration, images: [IMAGE] }, context),
    );
    // Who lost its power before it was frozen has no memory to move.
    if (world.guest !== from) return undefined;
    const proof = { migration, closings, timeoutMs: VERIFY_MS };
    const { equal } = await world.askOnce(to, (calls) => calls['standby.verify'](proof, context));
    return equal ? closings : undefined;
  }
}

/** Both write, one after the other, and the first one again. */
async function inOrder(course: Course, handOver: (from: Writer, to: Writer) => Promise<void>): Promise<void> {
  await handOver('a', 'b');
  await course.check('b');
  await course.write('b', 0, 30, true);
  await course.write('b', 3, 31, false);
  await handOver('b', 'a');
  await course.check('a');
  await course.write('a', 1, 40, true);
  await course.check('a');
}

/**
 * The catalogue takes the image from a for good, which does not hear of it and writes on: b opens it as it closed it itself.
 * Then a comes back.
 */
async function takenOver(course: Course): Promise<void> {
  const { world } = course;
  const stale = new DiskHistory(BYTES);
  const before = await world.read('a');
  for (let block = 0; block < BLOCKS; block++) {
    const part = before.subarray(block * 4096, (block + 1) * 4096);
    stale.asked(block * 4096, part);
    stale.answered(block * 4096, part.length, true);
  }
  const staleGuest = async (block: number, fill: number, fua: boolean): Promise<void> => {
    world.guest = 'a';
    await course.write('a', block, fill, fua, stale);
  };
  await staleGuest(0, STALE, true);
  await staleGuest(3, STALE + 1, false);
  const { head, granted } = world.entry;
  world.commit({ head: { ...head, epoch: head.last.epoch, writer: null }, granted: granted + SKIPPED });
  await course.open('b');
  await staleGuest(1, STALE + 2, true);
  await course.check('b');
  world.guest = 'b';
  await course.write('b', 0, 30, true);
  await staleGuest(2, STALE + 3, false);
  world.guest = 'b';
  await course.write('b', 3, 31, false);
  await course.restarted('a', stale, 'flushed');
  await world.close('b');
  await course.open('a');
  await course.check('a');
  await course.write('a', 1, 40, true);
  await course.check('a');
}

/** Takes a course to its end with this death on its way. Answers whether it came. @throws AssertionError and others */
async function play(handover: Handover, death: Death): Promise<boolean> {
  const course = await Course.make();
  const { world } = course;
  await course.open('a');
  if (handover !== 'take-over') {
    await course.write('a', 1, 21, true);
    await course.write('a', 2, 22, false);
  }
  world.arm(death);
  if (handover === 'close')
    await inOrder(course, async (from, to) => {
      await world.close(from);
      await course.open(to);
    });
  else if (handover === 'transfer') await inOrder(course, (from, to) => course.transfer(from, to));
  else await takenOver(course);
  return world.hasDied;
}

/** A node dies before a step, in every way. Answers how often; not once where there is no such step. */
async function crashBefore(handover: Handover, node: Writer, afterSteps: number): Promise<number> {
  let deaths = 0;
  for (const how of HOWS) {
    const isDead = await play(handover, { node, afterSteps, how }).catch((cause: unknown) => {
      throw new Error(`${handover}: ${node} ${how} before its disk step ${afterSteps}: ${messageOf(cause)}`, { cause });
    });
    if (!isDead) return deaths;
    deaths++;
  }
  return deaths;
}

/** Each node dies before each of its disk steps, in every way. Answers how often. */
export async function crashHandovers(handover: Handover): Promise<number> {
  let deaths = 0;
  for (const node of ['a', 'b'] as const) {
    for (let afterSteps = 0, more = 1; more > 0; afterSteps++) {
      more = await crashBefore(handover, node, afterSteps);
      deaths += more;
    }
  }
  return deaths;
}
