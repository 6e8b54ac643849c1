// A preparation that is asked for by several at once, or again after the controller was killed: nobody is answered before the
// destination's switch has confirmed. The orchestrator tells preparations again every few seconds beside the migration's own call.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../../common/errors.ts';
import { Fixture, isSettled, settle } from './controller-fixture.ts';
import { bindingOf } from './overlay-maker.ts';

const MIGRATION = 'a'.repeat(16);

for (const how of ['full', 'hangs'] as const)
  test(`asked for twice, of a destination whose switch ${how}: both are refused`, async () => {
    const fixture = new Fixture();
    await fixture.connect('n0', 'n1');
    await fixture.begin();
    const stuck = fixture.switches.get('n1');
    assert.ok(stuck);
    if (how === 'full') stuck.peer.isFull = true;
    else stuck.hangs = true;
    const to = bindingOf('g0', 'n1', 2);
    const prepare = () => fixture.call('migration.prepare', { migration: MIGRATION, to }).then(() => 'ok', codeOf);
    const told = prepare();
    for (let turn = 0; turn < 12; turn++) await Promise.resolve();
    const own = prepare();
    await fixture.pass(8_000);
    assert.ok(await isSettled(Promise.all([told, own])));
    await settle();
    assert.equal([await told, await own], ['DESTINATION_NOT_READY', 'DESTINATION_NOT_READY']);
    const completed = await fixture.call('migration.complete', { migration: MIGRATION }).then(() => 'ok', codeOf);
    assert.is(completed, 'MIGRATION_UNKNOWN');
    fixture.close();
  });

test('a controller that was killed before the destination confirmed: asked again, it confirms', async () => {
  const life = new Fixture();
  await life.connect('n0', 'n1');
  await life.begin();
  const stuck = life.switches.get('n1');
  assert.ok(stuck);
  stuck.hangs = true;
  const to = bindingOf('g0', 'n1', 2);
  void life.call('migration.prepare', { migration: MIGRATION, to }).catch(() => undefined);
  await settle();
  assert.is(life.journal.at(-1)?.kind, 'prepared');
  // Killed here. The next life finds it in its journal, and nothing of the destination's switch.
  const next = new Fixture(life.journal);
  await next.connect('n0');
  await next.tellAll();
  const prepare = (): Promise<unknown> =>
    next.call('migration.prepare', { migration: MIGRATION, to }).then(() => 'ok', codeOf);
  assert.is(await prepare(), 'DESTINATION_NOT_READY');
  await next.connect('n1');
  assert.is(await prepare(), 'ok', 'it stayed prepared, for the guest may run there by now');
  assert.ok((next.switches.get('n1')?.peer.flows.size ?? 0) > 0);
  for (const one of [life, next]) one.close();
});
test.run();
