// How long a migration's memory waits for the blocks that go ahead of it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PushLead } from '../../../blockd/transfer/push-lead.ts';

const LITTLE = 1_024;

/** A look at which the image comes to b, where so many blocks are missing. */
function look(lead: PushLead, nowMs: number, missing: number | undefined): boolean {
  return lead.goesOn(nowMs, 'b', () => missing);
}

test('it is over once little was missing for a second in a row', async () => {
  const lead = new PushLead();
  const over = lead.begin('b', 60_000);
  assert.ok(look(lead, 0, LITTLE), 'the guest may only be about to write');
  assert.ok(look(lead, 900, LITTLE + 1));
  assert.ok(look(lead, 1_000, LITTLE));
  assert.ok(look(lead, 1_900, 3));
  assert.not(look(lead, 2_000, 2));
  assert.is(await over, 2);
  assert.not(lead.isOn);
});

test('it is over with its time, whatever is missing', async () => {
  const lead = new PushLead();
  const over = lead.begin('b', 10_000);
  assert.ok(look(lead, 9_900, 50_000));
  assert.not(look(lead, 10_000, 40_000));
  assert.is(await over, 40_000);
});

test('a place that takes nothing is not one where nothing is missing', async () => {
  const lead = new PushLead();
  const over = lead.begin('b', 10_000);
  assert.ok(look(lead, 0, undefined));
  assert.ok(look(lead, 5_000, undefined));
  assert.not(look(lead, 10_000, undefined));
  assert.is(await over, null);
});

test('it is over when the image comes elsewhere, and when another begins, which starts anew', async () => {
  const lead = new PushLead();
  const first = lead.begin('b', 10_000);
  assert.ok(look(lead, 0, LITTLE));
  const second = lead.begin('b', 10_000);
  assert.is(await first, LITTLE);
  assert.ok(look(lead, 1_000, LITTLE));
  assert.not(lead.goesOn(1_100, 'c', () => 0));
  assert.is(await second, LITTLE);
  assert.not(look(lead, 1_200, 0), 'there is none any more');
});

test.run();
