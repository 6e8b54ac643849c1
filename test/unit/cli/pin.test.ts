// What `supercloud image pin` answers: where it is now, who else stands on it, who has still to let go.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describePin } from '../../../cli/commands/pin.ts';

const pin = { place: 'alpha', nodes: ['alpha'] };

test('one that stands on it too, and several', () => {
  assert.is(describePin('image', 'db', { pin, alsoHeld: [], stillAt: [] }), 'image db is pinned to alpha (alpha)');
  assert.match(
    describePin('image', 'db', { pin, alsoHeld: ['web'], stillAt: [] }),
    'image web stands on it too: elsewhere it waits',
  );
  const several = describePin('image', 'db', { pin, alsoHeld: ['web', 'log'], stillAt: ['beta'] });
  assert.match(several, 'web, log stand on it too: elsewhere they wait');
  assert.match(several, 'beta will let go of it later');
});

test.run();
