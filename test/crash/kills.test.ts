// All sequences of up to three steps on an image of four blocks, then a kill of the daemon alone, whose client lives on: each
// block reads as the last answered change left it, flushed or not (S1), on a plain image and on one over a layer. A kill within
// the last of up to two leaves each sector as before or after it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import { type Kind, makeWorld, openOn, settle, type World } from './image-world.ts';

const BYTES = 4 * BLOCK_BYTES;
const SECTOR_BYTES = 512;

interface Killed {
  readonly world: World;
  readonly kind: Kind;
  /** What was answered. */
  readonly content: Buffer;
}

async function write({ world, content }: Killed, offset: number, data: Buffer, fua = false): Promise<void> {
  await world.image.write(offset, data, fua);
  data.copy(content, offset);
}

async function kill({ world, kind, content }: Killed): Promise<void> {
  world.image = await openOn(world.disk, kind);
  const read = Buffer.alloc(BYTES);
  assert.ok(world.image.tryRead(0, read), 'everything is local');
  assert.ok(read.equals(content), 'it reads as something older');
}

const STEPS: Readonly<Record<string, (killed: Killed, mark: number) => Promise<void>>> = {
  write: (killed, mark) => write(killed, 0, Buffer.alloc(2 * BLOCK_BYTES, mark)),
  unaligned: (killed, mark) => write(killed, BLOCK_BYTES + 1000, Buffer.alloc(BLOCK_BYTES, mark)),
  'write of zeros': (killed) => write(killed, 0, Buffer.alloc(2 * BLOCK_BYTES)),
  fua: (killed, mark) => write(killed, 2 * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, mark), true),
  async zero({ world, content }) {
    await world.image.zero(0, 2 * BLOCK_BYTES, false);
    content.fill(0, 0, 2 * BLOCK_BYTES);
  },
  async 'zero of parts'({ world, content }) {
    await world.image.zero(BLOCK_BYTES + 1024, 9000, false);
    content.fill(0, BLOCK_BYTES + 1024, BLOCK_BYTES + 10_024);
  },
  async trim({ world, content }) {
    await world.image.trim(0, 2 * BLOCK_BYTES, false);
    content.fill(0, 0, 2 * BLOCK_BYTES);
  },
  async flush({ world }) {
    await world.image.flush();
  },
  kill,
};

function sequences(length: number): string[][] {
  if (length === 0) return [[]];
  return sequences(length - 1).flatMap((steps) => Object.keys(STEPS).map((step) => [...steps, step]));
}

async function run(steps: readonly string[], kind: Kind): Promise<Killed> {
  const world = await makeWorld(kind);
  const content = Buffer.alloc(BYTES);
  assert.ok(world.image.tryRead(0, content));
  const killed = { world, kind, content };
  for (const [index, step] of steps.entries()) {
    await STEPS[step]?.(killed, index + 1);
    await settle();
  }
  return killed;
}

/** Kills it before each disk step of the last step. */
async function killWithin(steps: readonly string[], kind: Kind): Promise<void> {
  const after = await run(steps, kind);
  for (let diskSteps = 0; ; diskSteps++) {
    const { world, content } = await run(steps.slice(0, -1), kind);
    const before = world.disk.steps;
    world.disk.cutAfter(diskSteps);
    const last = STEPS[steps.at(-1) ?? '']?.({ world, kind, content: Buffer.from(content) }, steps.length);
    await Promise.race([last?.catch(() => undefined), world.disk.cut]);
    await settle();
    if (world.disk.steps - before < diskSteps) return;
    const image = await openOn(world.disk.afterKill(), kind);
    const read = Buffer.alloc(BYTES);
    assert.ok(image.tryRead(0, read), 'everything is local');
    const isEither = (at: number): boolean => [content, after.content].some((one) => isSame(read, one, at));
    for (let at = 0; at < BYTES; at += SECTOR_BYTES)
      assert.ok(
        isEither(at),
        `after ${diskSteps} disk steps: what is at ${at} was there neither before the last step nor after it`,
      );
  }
}

function isSame(one: Buffer, other: Buffer, at: number): boolean {
  return one.compare(other, at, at + SECTOR_BYTES, at, at + SECTOR_BYTES) === 0;
}

async function each(count: number, check: (steps: readonly string[]) => Promise<unknown>): Promise<void> {
  for (const steps of Array.from({ length: count }, (_, index) => index + 1).flatMap(sequences)) {
    try {
      await check(steps);
    } catch (error) {
      throw new Error(steps.join(', '), { cause: error });
    }
  }
}

for (const kind of [{}, { isLayered: true }, { checkpointBytes: 0 }]) {
  test(`nothing that was answered is lost with a kill: ${JSON.stringify(kind)}`, () =>
    each(3, (steps) => run([...steps, 'kill'], kind)));

  test(`nor with one within a step: ${JSON.stringify(kind)}`, () => each(2, (steps) => killWithin(steps, kind)));
}

test.run();
