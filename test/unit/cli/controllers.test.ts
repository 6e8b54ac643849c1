// The overlay's controllers as a person reads them.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeControllers } from '../../../cli/controllers-text.ts';

test('a line for each, nothing made up of one that does not answer', () => {
  const text = describeControllers([
    { node: 'alpha', isChosen: false, role: 'unreachable', term: 0, switches: [] },
    { node: 'beta', isChosen: true, role: 'active', term: 7, switches: ['alpha', 'beta'] },
  ]);
  const words = text.split('\n').map((line) => line.trim().split(/\s+/).join(' '));
  assert.equal(words, ['NODE ROLE CHOSEN TERM SWITCHES', 'alpha unreachable', 'beta active yes 7 alpha beta']);
});

test.run();
