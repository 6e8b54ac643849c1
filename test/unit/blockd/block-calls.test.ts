import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { blockCalls } from '../../../blockd/image/block-calls.ts';
import type { Image } from '../../../blockd/image/image.ts';
import type { ImageShelf } from '../../../blockd/image/image-shelf.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import type { CallContext, Handlers } from '../../../common/rpc/server.ts';
import type { blockdContract, Closing } from '../../../wire/contracts/blockd.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { isSettled, settle } from './manual-clock.ts';
import { shelfOn } from './quiet-shelf.ts';

const FIRST = '00000000000000aa';
const SECOND = '00000000000000bb';
const BYTES = 16 * BLOCK_BYTES;
const LAYER = 'l00000000000000aa';
const STACK = { layer: LAYER, generation: 1, below: [] };
const HERE = { node: 'a', address: '127.0.0.1' };
const EMPTY: Closing = { image: 'web', epoch: 0, lastSequence: 0, entries: 0, digest: '0'.repeat(32), generation: 1 };
const STANDBY = { migration: FIRST, image: 'web', bytes: BYTES, stack: STACK };
const context: CallContext<never> = {
  peer: { node: 'a', role: 'controller' },
  progress: () => undefined,
  signal: new AbortController().signal,
};

/** A disk whose journals are synced only when the test says so, from `hold` on. */
class SlowDisk extends CrashDisk {
  #held: PromiseWithResolvers<void> | undefined;

  constructor() {
    super();
    const open = this.open.bind(this);
    this.open = async (path, mode) => {
      const file = await open(path, mode);
      const datasync = async (): Promise<void> => {
        if (path.includes('.journal')) await this.#held?.promise;
        await file.datasync();
      };
      return { ...file, datasync };
    };
  }

  hold(): void {
    this.#held = Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }
}

interface Daemon {
  readonly disk: SlowDisk;
  readonly shelf: ImageShelf;
  readonly calls: Handlers<typeof blockdContract>;
}

/** A daemon without sockets on a disk that may have images already. */
async function daemonOn(disk: SlowDisk): Promise<Daemon> {
  const shelf = await shelfOn(disk, 'a');
  return { disk, shelf, calls: blockCalls(shelf) };
}

/** A daemon with the image open for writing under epoch 1. */
async function writing(): Promise<Daemon> {
  const daemon = await daemonOn(new SlowDisk());
  await daemon.calls['image.create']({ image: 'web', layer: LAYER, bytes: BYTES }, context);
  await open(daemon, 1);
  return daemon;
}

async function open({ calls }: Daemon, epoch: number, last = EMPTY): Promise<void> {
  await calls['image.open']({ image: 'web', bytes: BYTES, stack: STACK, epoch, last, from: HERE }, context);
}

async function freeze({ calls }: Daemon, migration: string): Promise<unknown> {
  return calls['writer.freeze']({ migration, images: ['web'] }, context);
}

async function codeFrom(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

function imageOf({ shelf }: Daemon): Image {
  return shelf.get('web').image;
}

for (const end of ['writer.thaw', 'writer.release'] as const) {
  test(`a freeze that comes after its ${end} has no effect, also after a restart`, async () => {
    const daemon = await writing();
    await daemon.calls[end]({ migration: FIRST }, context);
    assert.is(await codeFrom(() => freeze(daemon, FIRST)), 'MIGRATION_ENDED');
    const again = await daemonOn(daemon.disk);
    assert.is(await codeFrom(() => freeze(again, FIRST)), 'MIGRATION_ENDED');
    assert.is(again.shelf.get('web').show().role, 'writer');
    await freeze(again, SECOND);
    assert.is(again.shelf.get('web').show().role, 'frozen', 'another migration may freeze');
  });

  test(`a ${end} that comes while the freeze becomes durable is not lost`, async () => {
    const daemon = await writing();
    daemon.disk.hold();
    const freezing = freeze(daemon, FIRST);
    await settle();
    const ending = daemon.calls[end]({ migration: FIRST }, context);
    daemon.disk.release();
    await Promise.all([freezing, ending]);
    assert.is(daemon.shelf.get('web').show().role, end === 'writer.thaw' ? 'writer' : 'replica');
    assert.is(await codeFrom(() => freeze(daemon, FIRST)), 'MIGRATION_ENDED');
  });
}

test('a freeze that waits for its turn when the thaw comes has no effect', async () => {
  const daemon = await writing();
  const turn = Promise.withResolvers<void>();
  const before = daemon.shelf.inTurn('web', () => turn.promise);
  const freezing = codeFrom(() => freeze(daemon, FIRST));
  await daemon.calls['writer.thaw']({ migration: FIRST }, context);
  turn.resolve();
  await before;
  assert.is(await freezing, 'MIGRATION_ENDED');
  assert.is(imageOf(daemon).write(0, Buffer.alloc(BLOCK_BYTES), false) instanceof Promise, true);
  await settle();
  assert.is(imageOf(daemon).counters.writes, 1, 'the write went through');
});

test('a stand-by that comes after its cancel is refused', async () => {
  const daemon = await daemonOn(new SlowDisk());
  await daemon.calls['standby.cancel']({ migration: FIRST }, context);
  const order = { ...STANDBY, epoch: 2, from: { node: 'b', address: '127.0.0.2' } };
  assert.is(await codeFrom(() => daemon.calls['standby.start'](order, context)), 'MIGRATION_ENDED');
});

test('a cancel that comes while the stand-by is being made ready for is not lost', async () => {
  const daemon = await daemonOn(new SlowDisk());
  const added = Promise.withResolvers<void>();
  daemon.shelf.members.add = () => added.promise;
  const order = { ...STANDBY, epoch: 1, from: { ...HERE, node: 'b' } };
  const starting = codeFrom(() => daemon.calls['standby.start'](order, context));
  await settle();
  await daemon.calls['standby.cancel']({ migration: FIRST }, context);
  added.resolve();
  assert.is(await starting, 'MIGRATION_ENDED');
});

test('a stand-by answers before its table is here; waiting for that ends with its cancel', async () => {
  const daemon = await daemonOn(new SlowDisk());
  const order = { ...STANDBY, epoch: 2, from: { node: 'b', address: '127.0.0.2' } };
  const ready = (migration: string): unknown => daemon.calls['standby.ready']({ migration }, context);
  assert.is(await codeFrom(() => ready(FIRST)), 'UNKNOWN_MIGRATION');
  assert.equal(await daemon.calls['standby.start'](order, context), { socket: '/web.sock' });
  const waiting = codeFrom(() => ready(FIRST));
  assert.not.ok(await isSettled(waiting));
  await daemon.calls['standby.cancel']({ migration: FIRST }, context);
  assert.is(await waiting, 'CANCELLED');
  assert.is(await codeFrom(() => ready(FIRST)), 'UNKNOWN_MIGRATION');
});

test('waiting for a table ends with its caller', async () => {
  const daemon = await daemonOn(new SlowDisk());
  const order = { ...STANDBY, epoch: 2, from: { node: 'b', address: '127.0.0.2' } };
  await daemon.calls['standby.start'](order, context);
  const caller = new AbortController();
  const waiting = codeFrom(() =>
    daemon.calls['standby.ready']({ migration: FIRST }, { ...context, signal: caller.signal }),
  );
  caller.abort();
  assert.is(await waiting, 'CANCELLED');
});

test('a cancel ends a stand-by that is not durable yet', async () => {
  const daemon = await daemonOn(new SlowDisk());
  await daemon.shelf.ensure({ image: 'web', bytes: BYTES, stack: STACK, epoch: 2 });
  const order = { ...STANDBY, epoch: 2, from: { node: 'b', address: '127.0.0.2' } };
  daemon.disk.hold();
  const starting = codeFrom(() => daemon.calls['standby.start'](order, context));
  await settle();
  const cancelling = Promise.resolve(daemon.calls['standby.cancel']({ migration: FIRST }, context));
  await settle();
  daemon.disk.release();
  await settle();
  assert.ok(await isSettled(cancelling));
  assert.is(await starting, 'CANCELLED');
  assert.is(daemon.shelf.get('web').show().role, 'replica');
});

test('a new image of an old name counts from nothing', async () => {
  const daemon = await daemonOn(new SlowDisk());
  const create = (): unknown => daemon.calls['image.create']({ image: 'web', layer: LAYER, bytes: BYTES }, context);
  await create();
  daemon.shelf.layers.trafficOf(LAYER).meter('b', 'demand').bytesIn += 4_096;
  assert.is(daemon.shelf.get('web').show().counters.blockBytesIn, 4_096);
  await daemon.calls['layer.drop']({ layer: LAYER }, context);
  await create();
  assert.is(daemon.shelf.get('web').show().counters.blockBytesIn, 0);
});

test('closing tells what was written under the epoch, again and again, from what never was', async () => {
  const daemon = await daemonOn(new SlowDisk());
  const close = (epoch: number): unknown => daemon.calls['image.close']({ image: 'web', layer: LAYER, epoch }, context);
  assert.is(await codeFrom(() => close(1)), 'IMAGE_NOT_OPEN', 'there is no such image');
  await daemon.calls['image.create']({ image: 'web', layer: LAYER, bytes: BYTES }, context);
  assert.is(await codeFrom(() => close(2)), 'IMAGE_NOT_OPEN', 'it was never open');
  await open(daemon, 3);
  assert.is(await codeFrom(() => close(2)), 'NOT_WRITER', 'an older epoch');
  assert.is(await codeFrom(() => close(4)), 'IMAGE_NOT_OPEN', 'a newer one that it never had');
  const closing = await close(3);
  assert.equal(await close(3), closing);
  assert.equal(
    await (await daemonOn(daemon.disk)).calls['image.close']({ image: 'web', layer: LAYER, epoch: 3 }, context),
    closing,
  );
  assert.is(await codeFrom(() => close(5)), 'IMAGE_NOT_OPEN');
});

test('an opening that failed can be given back, and does not come through later', async () => {
  const daemon = await daemonOn(new SlowDisk());
  await daemon.calls['image.create']({ image: 'web', layer: LAYER, bytes: BYTES }, context);
  daemon.disk.isFull = true;
  assert.is(await codeFrom(() => open(daemon, 1)), 'ENOSPC');
  daemon.disk.isFull = false;
  assert.is(
    await codeFrom(() => daemon.calls['image.close']({ image: 'web', layer: LAYER, epoch: 1 }, context)),
    'IMAGE_NOT_OPEN',
  );
  assert.is(await codeFrom(() => open(daemon, 1)), 'EPOCH_ENDED');
  const again = await daemonOn(daemon.disk);
  assert.is(await codeFrom(() => open(again, 1)), 'EPOCH_ENDED');
  await open(again, 2);
});

test('a frozen image and a stand-by are not closed', async () => {
  const daemon = await writing();
  await freeze(daemon, FIRST);
  assert.is(
    await codeFrom(() => daemon.calls['image.close']({ image: 'web', layer: LAYER, epoch: 1 }, context)),
    'NOT_WRITER',
  );
});

test('an image that cannot be opened is neither taken for none nor written over, until it is deleted', async () => {
  const { disk } = await writing();
  const path = `/state/layers/${LAYER}.journal`;
  const file = await disk.open(path, 'write');
  await file.write(Buffer.alloc(64, 0xff), 0);
  const daemon = await daemonOn(disk);
  const close = (): unknown => daemon.calls['image.close']({ image: 'web', layer: LAYER, epoch: 1 }, context);
  assert.is(await codeFrom(close), 'IMAGE_UNUSABLE');
  assert.is(await codeFrom(() => open(daemon, 1)), 'IMAGE_UNUSABLE');
  assert.is(
    await codeFrom(() => daemon.calls['image.create']({ image: 'web', layer: LAYER, bytes: BYTES }, context)),
    'IMAGE_UNUSABLE',
  );
  await daemon.calls['layer.drop']({ layer: LAYER }, context);
  await daemon.calls['image.create']({ image: 'web', layer: LAYER, bytes: BYTES }, context);
  assert.is(await codeFrom(close), 'IMAGE_NOT_OPEN');
});

test('an image that is gone makes way for a new one of its name, and keeps its layer for whoever names it', async () => {
  const daemon = await writing();
  const other = 'l00000000000000bb';
  const create = (): unknown => daemon.calls['image.create']({ image: 'web', layer: other, bytes: BYTES }, context);
  assert.is(await codeFrom(create), 'IMAGE_EXISTS', 'it is open');
  await imageOf(daemon).write(0, Buffer.alloc(BLOCK_BYTES, 7), false);
  const last = await daemon.calls['image.close']({ image: 'web', layer: LAYER, epoch: 1 }, context);
  await create();
  assert.is(imageOf(daemon).store.layer, other);
  const close = (): unknown => daemon.calls['image.close']({ image: 'web', layer: other, epoch: 1 }, context);
  assert.is(await codeFrom(close), 'IMAGE_NOT_OPEN', 'how the old one closed is not how this one did');
  const below = [{ layer: LAYER, bytes: BYTES, lastSequence: last.lastSequence, entries: 1, digest: last.digest }];
  const stack = { layer: 'l00000000000000cc', generation: 1, below };
  const fresh = { ...EMPTY, image: 'clone', lastSequence: last.lastSequence };
  const opening = { image: 'clone', bytes: BYTES, stack, epoch: 1, last: fresh, from: HERE };
  await daemon.calls['image.open'](opening, context);
  const read = await daemon.shelf.get('clone').image.readLater(0, 1);
  assert.is(read[0], 7);
  assert.is(await codeFrom(() => daemon.calls['layer.drop']({ layer: LAYER }, context)), 'LAYER_IN_USE');
});

test('an image that was cut is closed by its new top only', async () => {
  const daemon = await writing();
  const cuts = [{ image: 'web', layer: 'l00000000000000bb' }];
  await daemon.calls['image.cut']({ cut: FIRST, cuts }, context);
  const close = (layer: string): unknown => daemon.calls['image.close']({ image: 'web', layer, epoch: 1 }, context);
  assert.is(await codeFrom(() => close(LAYER)), 'OTHER_TOP', 'its epoch is never given back as unused');
  assert.is(await codeFrom(() => close('l00000000000000bb')), undefined);
});

test.run();
