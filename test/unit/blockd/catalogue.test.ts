import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  abandonEpoch,
  addImage,
  beginTransfer,
  checkRemovable,
  closeEpoch,
  type Entry,
  finishTransfer,
  openEpoch,
} from '../../../blockd/catalogue/catalogue.ts';
import { OperationError } from '../../../common/errors.ts';
import type { Closing } from '../../../wire/contracts/blockd.ts';

const MOVE = { migration: '00000000000000aa', from: 'a', to: 'b' };

function closing(epoch: number, lastSequence: number, image = 'web'): Closing {
  return { image, epoch, lastSequence, entries: 1, digest: '0'.repeat(32), generation: 1 };
}

function added(image = 'web'): Entry {
  return addImage(undefined, {
    image,
    layer: 'l00000000000000aa',
    bytes: 4096,
    holder: 'a',
    closing: closing(0, 1, image),
  });
}

function code(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof OperationError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}

test('one epoch is granted at a time, and the same again to the same node', () => {
  const open = openEpoch(added(), 'a');
  assert.equal([open.head.epoch, open.head.writer], [1, 'a']);
  assert.is(openEpoch(open, 'a'), open);
  assert.is(
    code(() => openEpoch(open, 'b')),
    'IMAGE_OPEN',
  );
  assert.is(
    code(() => checkRemovable(open)),
    'IMAGE_OPEN',
  );
  const closed = closeEpoch(open, 'a', closing(1, 9));
  assert.equal(
    [closed.head.writer, closed.head.holder, closed.head.closings],
    [null, 'a', [{ epoch: 1, lastSequence: 9 }]],
  );
  assert.is(closeEpoch(closed, 'a', closing(1, 9)), closed);
  assert.is(openEpoch(closed, 'b').head.epoch, 2);
});

test('only the writer ends its epoch, and never backwards', () => {
  const open = openEpoch(added(), 'a');
  assert.is(
    code(() => closeEpoch(open, 'b', closing(1, 9))),
    'NOT_WRITER',
  );
  assert.is(
    code(() => closeEpoch(open, 'a', closing(2, 9))),
    'WRONG_EPOCH',
  );
  assert.is(
    code(() => closeEpoch(open, 'a', closing(1, 0))),
    'WRONG_EPOCH',
  );
  assert.is(
    code(() => closeEpoch(open, 'a', closing(1, 9, 'other'))),
    'WRONG_EPOCH',
  );
});

test('a transfer shuts out every other open until it is decided', () => {
  const [moving] = beginTransfer([openEpoch(added(), 'a')], MOVE);
  if (moving === undefined) throw new Error('no transfer');
  assert.equal(moving.head.transfer, { ...MOVE, epoch: 2 });
  assert.is(moving.head.epoch, 1);
  assert.equal(beginTransfer([moving], MOVE), [moving]);
  for (const act of [
    () => openEpoch(moving, 'c'),
    () => closeEpoch(moving, 'a', closing(1, 9)),
    () => checkRemovable(moving),
    () => beginTransfer([moving], { ...MOVE, migration: '00000000000000bb' }),
  ])
    assert.is(code(act), 'TRANSFER_STANDS');
});

test('moved: the destination writes and the source holds what it closed', () => {
  const moving = beginTransfer([openEpoch(added(), 'a'), openEpoch(added('data'), 'a')], MOVE);
  assert.is(
    code(() => finishTransfer(moving, MOVE.migration, true, [closing(1, 9)])),
    'CLOSING_MISSING',
  );
  const [web] = finishTransfer(moving, MOVE.migration, true, [closing(1, 9), closing(1, 4, 'data')]);
  assert.equal([web?.head.epoch, web?.head.writer, web?.head.holder, web?.head.transfer], [2, 'b', 'a', null]);
  assert.equal(web?.head.last, closing(1, 9));
});

test('stayed: the epoch of the refused transfer is never granted again (S3)', () => {
  const moving = beginTransfer([openEpoch(added(), 'a')], MOVE);
  const [stayed] = finishTransfer(moving, MOVE.migration, false, []);
  if (stayed === undefined) throw new Error('no entry');
  assert.equal([stayed.head.epoch, stayed.head.writer, stayed.head.transfer], [1, 'a', null]);
  const [again] = beginTransfer([stayed], { ...MOVE, migration: '00000000000000bb' });
  assert.is(again?.head.transfer?.epoch, 3);
  assert.is(
    code(() => finishTransfer([stayed], MOVE.migration, true, [])),
    'NO_TRANSFER',
  );
});

test('an epoch given back is burnt', () => {
  const open = openEpoch(added(), 'a');
  const back = abandonEpoch(open, 'a', 1);
  assert.is(back.head.writer, null);
  assert.is(abandonEpoch(back, 'a', 1), back);
  assert.is(
    code(() => abandonEpoch(open, 'b', 1)),
    'NOT_WRITER',
  );
  assert.is(openEpoch(back, 'b').head.epoch, 2);
  assert.equal(back.head.last, closing(0, 1));
});

test('all of a machine or nothing: one image that cannot move refuses the others', () => {
  const entries = [openEpoch(added(), 'a'), openEpoch(added('data'), 'c')];
  assert.is(
    code(() => beginTransfer(entries, MOVE)),
    'NOT_WRITER',
  );
  assert.is(
    code(() => beginTransfer(entries, { ...MOVE, to: 'a' })),
    'SAME_NODE',
  );
});

test('the same image may be added twice alike, not otherwise', () => {
  const entry = added();
  const fresh = { image: 'web', layer: 'l00000000000000aa', bytes: 4096, holder: 'a', closing: closing(0, 1) };
  assert.is(addImage(entry, fresh), entry);
  assert.is(
    code(() => addImage(entry, { ...fresh, bytes: 8192 })),
    'IMAGE_EXISTS',
  );
});

test.run();
