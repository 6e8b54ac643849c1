// The orchestrator's durable state: what was committed is there after a reopen, what was only shown is not.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { State } from '../../../orchestrator/state.ts';
import { refusal } from '../../refusal.ts';
import { migrationRecord, vmRecord } from './records.ts';

const test = suite<{ directory: string }>('state');

test.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'supercloud-state-'));
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true }));

test('records survive a reopen and the term rises', async ({ directory }) => {
  const first = await State.open(directory);
  await first.put('vms', 'web', vmRecord({ vm: 'web', node: 'alpha' }));
  await first.put('migrations', 'm1', migrationRecord({ migration: 'm1', step: 'memory' }));
  await first.remove('vms', 'nobody');
  const { term } = first;
  await first.close();
  const second = await State.open(directory);
  assert.is(second.term, term + 1);
  assert.is(second.get('vms', 'web')?.node, 'alpha');
  assert.equal(
    second.all('migrations').map(({ migration }) => migration),
    ['m1'],
  );
  await second.close();
});

test('a removed record stays removed, and tables do not mix', async ({ directory }) => {
  const first = await State.open(directory);
  await first.put('vms', 'web', vmRecord({ vm: 'web' }));
  await first.put('images', 'web', { image: 'web', pullRateBytesPerSecond: 1 });
  await first.remove('vms', 'web');
  await first.close();
  const second = await State.open(directory);
  assert.equal(second.all('vms'), []);
  assert.is(second.all('images').length, 1);
  await second.close();
});

test('progress that was only shown is not durable, and watchers hear of every change until they stop', async ({
  directory,
}) => {
  const first = await State.open(directory);
  let heard = 0;
  const unwatch = first.watch(() => {
    heard += 1;
  });
  await first.put('migrations', 'm1', migrationRecord({ migration: 'm1', memoryBytes: 1 }));
  first.show('migrations', 'm1', migrationRecord({ migration: 'm1', memoryBytes: 99 }));
  assert.is(first.get('migrations', 'm1')?.memoryBytes, 99);
  unwatch();
  first.changed();
  assert.is(heard, 2);
  await first.close();
  const second = await State.open(directory);
  assert.is(second.get('migrations', 'm1')?.memoryBytes, 1);
  await second.close();
});

test('a state that is damaged is refused by its directory, not begun anew without members and VMs', async ({
  directory,
}) => {
  const first = await State.open(directory);
  await first.put('vms', 'web', vmRecord({ vm: 'web', node: 'alpha' }));
  await first.close();
  const current = join(directory, 'CURRENT');
  const good = readFileSync(current);
  for (const damage of [() => rmSync(current), () => writeFileSync(current, 'rubbish')]) {
    damage();
    const error = await refusal(State.open(directory));
    assert.is(error.code, 'STATE_DAMAGED');
    assert.match(error.message, directory);
  }
  writeFileSync(current, good);
  const again = await State.open(directory);
  assert.is(again.get('vms', 'web')?.node, 'alpha');
  await again.close();
});

test.run();
