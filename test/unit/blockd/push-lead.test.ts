// How long a migration's memory waits for the blocks that go ahead of it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PushLead } from '../../../blockd/image/push-lead.ts';

const LITTLE = 1_024;

test('it is over once little was missing for a second in a row', async () => {
  const lead = new PushLead('b', 60_000);
  assert.ok(lead.goesOn(0, LITTLE), 'the guest may only be about to write');
  assert.ok(lead.goesOn(900, LITTLE + 1));
  assert.ok(lead.goesOn(1_000, LITTLE));
  assert.ok(lead.goesOn(1_900, 3));
  assert.not(lead.goesOn(2_000, 2));
  assert.is(await lead.over, 2);
});

test('it is over with its time, whatever is missing', async () => {
  const lead = new PushLead('b', 10_000);
  assert.ok(lead.goesOn(9_900, 50_000));
  assert.not(lead.goesOn(10_000, 40_000));
  assert.is(await lead.over, 40_000);
});

test('a place that takes nothing is not one where nothing is missing', async () => {
  const lead = new PushLead('b', 10_000);
  assert.ok(lead.goesOn(0, undefined));
  assert.ok(lead.goesOn(5_000, undefined));
  assert.not(lead.goesOn(10_000, undefined));
  assert.is(await lead.over, null);
});

test.run();
