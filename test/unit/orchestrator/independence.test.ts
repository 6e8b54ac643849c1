// When a VM that has moved is independent of the node it came from: by its stores' word alone, noted once, and kept.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { StoreImage } from '../../../wire/contracts/blockd.ts';
import { ControlStand } from './control-stand.ts';
import { machineState, storeImage } from './fake-cluster.ts';
import { vmRecord } from './records.ts';

const test = suite<{ stand: ControlStand }>('independence');

const STILL_AT_ALPHA = [{ node: 'alpha', blocks: 5 }];

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  context.stand = stand;
  await stand.control.state.put('vms', 'web', vmRecord());
  stand.cluster.clients('alpha').hypervisor.answers['machine.list'] = () => ({ machines: [machineState()] });
  says(stand, { dependsOn: STILL_AT_ALPHA });
});
test.after.each(({ stand }) => stand.close());

function says({ cluster }: ControlStand, store: Partial<StoreImage>, node = 'beta'): void {
  cluster.clients(node).blockd.answers['image.show'] = () => storeImage(store);
}

async function look({ control }: ControlStand): Promise<void> {
  await control.pulls.look((vm, stores) => control.migrations.stores(vm, stores));
}

test('it is noted within the minute in which figures are followed, and kept', async ({ stand }) => {
  assert.is((await stand.over(stand.migrate())).independentMs, null);
  stand.clock.turn(10_000);
  says(stand, { dependsOn: [] });
  await stand.until(() => stand.migration().independentMs !== null);
  const { independentMs } = stand.migration();
  assert.ok(Number(independentMs) >= 10_000 && Number(independentMs) < 60_000, String(independentMs));
  await stand.stop();
  await stand.start();
  assert.is(stand.migration().independentMs, independentMs);
  stand.clock.turn(60_000);
  await look(stand);
  assert.is(stand.migration().independentMs, independentMs);
});

test('the look at the pulls finds it later, also after a restart', async ({ stand }) => {
  await stand.over(stand.migrate());
  await stand.stop();
  await stand.start();
  stand.clock.turn(300_000);
  await look(stand);
  assert.is(stand.migration().independentMs, null);
  says(stand, { dependsOn: [] });
  await look(stand);
  assert.ok(Number(stand.migration().independentMs) >= 300_000);
});

test('a store that writes no image yet, and a VM that has moved on, say nothing', async ({ stand }) => {
  await stand.over(stand.migrate());
  says(stand, { dependsOn: [], role: 'standby' });
  await look(stand);
  assert.is(stand.migration().independentMs, null);
  const { migration } = stand.migration();
  says(stand, { dependsOn: STILL_AT_ALPHA }, 'gamma');
  says(stand, { dependsOn: STILL_AT_ALPHA });
  await stand.over(stand.migrate('gamma'));
  says(stand, { dependsOn: [] }, 'gamma');
  await look(stand);
  assert.ok(Number(stand.migration().independentMs) >= 0);
  assert.is(stand.control.state.get('migrations', migration)?.independentMs, null);
});

test.run();
