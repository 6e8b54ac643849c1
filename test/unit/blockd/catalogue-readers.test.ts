// Who may read a closed image, and that nobody writes meanwhile.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  beginTransfer,
  checkRemovable,
  closeEpoch,
  type Entry,
  finishTransfer,
  openEpoch,
} from '../../../blockd/catalogue/catalogue.ts';
import { resizeImage } from '../../../blockd/catalogue/catalogue-layers.ts';
import { pinImage } from '../../../blockd/catalogue/catalogue-pins.ts';
import { closeReading, openReading, readersOf } from '../../../blockd/catalogue/catalogue-readers.ts';
import { codeOf } from '../../../common/errors.ts';
import { closing, newEntry } from './catalogue-entries.ts';
import { layerName } from './layered-image.ts';

function codeFrom(decide: () => unknown): unknown {
  try {
    decide();
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

const read = (...nodes: readonly string[]): Entry =>
  nodes.reduce((entry, node) => openReading(entry, node), newEntry('web'));

test('several read while nobody writes; the writer comes when the last has closed', () => {
  const both = read('b', 'a', 'b');
  assert.equal(both.head.readers, ['a', 'b']);
  assert.is(both.head.epoch, 0, 'no epoch is granted for it');
  assert.is(
    codeFrom(() => openEpoch(both, 'c')),
    'IMAGE_READ',
  );
  const one = closeReading(both, 'a');
  assert.is(
    codeFrom(() => openEpoch(one, 'b')),
    'IMAGE_READ',
    'at the reader itself too',
  );
  const none = closeReading(closeReading(one, 'b'), 'b');
  assert.ok(!('readers' in none.head));
  assert.is(openEpoch(none, 'c').head.writer, 'c');
});

test('while it is written nobody opens it for reading, and a later reader reads what was closed', () => {
  const written = openEpoch(newEntry('web'), 'a');
  assert.is(
    codeFrom(() => openReading(written, 'b')),
    'IMAGE_OPEN',
  );
  const closed = closeEpoch(written, 'a', closing('web', 1, 5));
  const [shown] = readersOf(openReading(closed, 'b'));
  assert.equal([shown?.node, shown?.epoch, shown?.layers.map(({ lastSequence }) => lastSequence)], ['b', 1, [5]]);
});

test('an epoch that a refused transfer was granted ends no later reading', () => {
  const written = openEpoch(newEntry('web'), 'a');
  const transfer = { migration: '00000000000000aa', from: 'a', to: 'b' };
  const stayed = finishTransfer(beginTransfer([written], transfer), transfer.migration, false, []);
  const [entry = written] = stayed;
  const [shown] = readersOf(openReading(closeEpoch(entry, 'a', closing('web', 1, 5)), 'b'));
  // A stand-by of epoch 2 was begun at b: what is read there is later.
  assert.is(shown?.epoch, 2);
});

test('under readers an image is neither deleted nor resized, and a pin must be to where they are', () => {
  const entry = read('b');
  assert.is(
    codeFrom(() => checkRemovable(entry)),
    'IMAGE_READ',
  );
  assert.is(
    codeFrom(() => resizeImage(entry, layerName(2), 8_192)),
    'IMAGE_READ',
  );
  assert.is(
    codeFrom(() => pinImage(entry, { place: 'a', nodes: ['a'] }, 'a')),
    'IMAGE_READ',
  );
  const pinned = pinImage(entry, { place: 'b', nodes: ['b'] }, 'b');
  assert.is(
    codeFrom(() => openReading(pinned, 'a')),
    'PINNED',
  );
});

test('a store is told the layers that say something; of an image that nobody wrote its top', () => {
  const { head, granted } = read('b');
  const top = { ...head, last: { ...head.last, entries: 0 } };
  const below = { layer: layerName(7), bytes: 4_096, lastSequence: 3, entries: 2, digest: 'cd'.repeat(16) };
  const covered = { ...top, stack: { ...head.stack, below: [below] } };
  assert.equal(readersOf({ head: covered, granted })[0]?.layers, [below]);
  assert.equal(
    readersOf({ head: top, granted })[0]?.layers.map(({ layer }) => layer),
    [head.stack.layer],
  );
});

test.run();
