// VMs are made whole or taken away whole, however calls are lost; of two orders that come together one is refused.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import type { VmRequest } from '../../../orchestrator/vms.ts';
import { ControlStand } from './control-stand.ts';
import { head, machineState } from './fake-cluster.ts';
import { capabilities, memberRecord, vmRecord } from './records.ts';

const test = suite<{ stand: ControlStand }>('vms');

test.before.each(async (context) => {
  context.stand = await ControlStand.open();
});
test.after.each(({ stand }) => stand.close());

function request(change: Partial<VmRequest> = {}): VmRequest {
  return {
    ...{ vm: 'web', cloud: 'alpha', image: 'web', memoryMB: 256, cpus: 1, ip: '10.88.0.10' },
    boot: { kernel: '', initrd: '', commandLine: '' },
    ...change,
  };
}

const lost = (): never => {
  throw new OperationError('CONNECTION_LOST', 'the answer was lost');
};

/** The codes of orders given at the same moment; empty for the ones that went well. */
function together(...orders: Promise<unknown>[]): Promise<string[]> {
  return Promise.all(
    orders.map((order) =>
      order.then(
        () => '',
        (error: OperationError) => error.code,
      ),
    ),
  );
}

/** The catalogue as it is after the grant of an epoch at alpha. */
function openAtAlpha({ cluster }: ControlStand): void {
  cluster.catalogue.answers['image.list'] = () => ({ heads: [head({ writer: 'alpha', epoch: 1 })] });
}

test('of two at the same moment by one name, on one image or under one address one is made', async ({ stand }) => {
  const { vms } = stand.control;
  assert.equal(await together(vms.create(request()), vms.create(request({ image: 'b' }))), ['', 'VM_EXISTS']);
  const other = { vm: 'c', image: 'c', ip: '10.88.0.12' };
  const onImage = [vms.create(request(other)), vms.create(request({ ...other, vm: 'd', ip: '10.88.0.13' }))];
  assert.equal(await together(...onImage), ['', 'IMAGE_OPEN']);
  const address = { ip: '10.88.0.14' };
  const twice = [
    vms.create(request({ ...address, vm: 'e', image: 'e' })),
    vms.create(request({ ...address, vm: 'f', image: 'f' })),
  ];
  assert.equal(await together(...twice), ['', 'ADDRESS_TAKEN']);
  assert.is(stand.cluster.count('alpha hypervisor machine.create'), 3);
});

test('before a VM is at its port its groups are told, also where nobody heard that it was put into one', async ({
  stand,
}) => {
  const { vms, groups } = stand.control;
  const { sdnd } = stand.cluster;
  const told: string[] = [];
  sdnd.isAway = true;
  assert.equal(await together(groups.assign('default', ['web'])), ['OVERLAY_UNTOLD']);
  sdnd.isAway = false;
  sdnd.answers['groups.set'] = (request) => {
    told.push(...request.groups.flatMap(({ members }) => members));
    return {};
  };
  sdnd.answers['binding.set'] = ({ binding }) => {
    told.push(`${binding.owner} is there`);
    return {};
  };
  await vms.create(request());
  assert.equal(told, ['web', 'web is there']);
});

test('memory is not promised twice to two that come together, nor beside one that is on its way', async ({ stand }) => {
  const small = memberRecord({ capabilities: capabilities({ memoryMB: 300 }) });
  stand.cluster.nodeOf = (node) => ({ ...small, node, cloud: node });
  const { vms, state } = stand.control;
  const second = { vm: 'b', image: 'b', ip: '10.88.0.11' };
  assert.equal(await together(vms.create(request()), vms.create(request(second))), ['', 'NO_ROOM']);
  assert.equal(await together(stand.migrate('beta'), vms.create(request({ ...second, cloud: 'beta' }))), [
    '',
    'NO_ROOM',
  ]);
  assert.is(state.all('vms').length, 1);
});

test('delete and migrate at the same moment: the second is refused', async ({ stand }) => {
  const { vms, state } = stand.control;
  await state.put('vms', 'web', vmRecord());
  stand.cluster.clients('alpha').hypervisor.answers['machine.delete'] = lost;
  assert.equal(await together(vms.delete('web'), stand.migrate()), ['CONNECTION_LOST', 'VM_BUSY']);
  assert.is(vms.record('web').phase, 'deleting');
});

test('an image is neither deleted nor made while a VM is made on it, nor the other way round', async ({ stand }) => {
  const { vms, images } = stand.control;
  await vms.create(request());
  assert.equal(await together(images.delete('web')), ['IMAGE_OPEN']);
  assert.is(stand.cluster.count('alpha blockd image.delete'), 0);
  const other = request({ vm: 'b', image: 'b', ip: '10.88.0.11' });
  stand.cluster.clients('alpha').blockd.answers['image.list'] = async () => {
    assert.is((await stand.refusal(vms.create(other))).code, 'IMAGE_BUSY');
    return { images: [] };
  };
  await stand.over(images.delete('b'));
});

test('a failed creation takes all back, and gives an epoch back under which nothing was written', async ({ stand }) => {
  const { cluster, control } = stand;
  const { blockd } = cluster.clients('alpha');
  cluster.catalogue.answers['epoch.open'] = () => {
    openAtAlpha(stand);
    return head({ writer: 'alpha', epoch: 1 });
  };
  blockd.answers['image.open'] = lost;
  blockd.answers['image.close'] = ({ epoch }) => {
    throw new OperationError('IMAGE_NOT_OPEN', `never open under epoch ${epoch}`);
  };
  assert.is((await stand.refusal(control.vms.create(request()))).code, 'CONNECTION_LOST');
  assert.is(cluster.count('catalogue epoch.abandon'), 1);
  assert.is(cluster.count('catalogue epoch.close'), 0);
  assert.is(control.state.get('vms', 'web'), undefined);
});

test('an epoch that may have been written under is closed or kept, never given back', async ({ stand }) => {
  const { cluster, control } = stand;
  openAtAlpha(stand);
  cluster.clients('alpha').hypervisor.answers['machine.create'] = lost;
  cluster.clients('alpha').blockd.answers['image.close'] = lost;
  await stand.refusal(control.vms.create(request()));
  assert.is(control.vms.record('web').phase, 'deleting');
  assert.is(cluster.count('catalogue epoch.abandon'), 0);
  cluster.clients('alpha').blockd.answers['image.close'] = () => ({ ...head().last, epoch: 1 });
  await control.vms.tidy();
  assert.is(cluster.count('catalogue epoch.close'), 1);
  assert.is(control.state.get('vms', 'web'), undefined);
});

test('a machine whose making was not answered is ended, now or when its node is back', async ({ stand }) => {
  const alpha = stand.cluster.clients('alpha');
  alpha.hypervisor.answers['machine.create'] = () => {
    alpha.isAway = true;
    return lost();
  };
  await stand.refusal(stand.control.vms.create(request()));
  assert.is(stand.control.vms.show('web').state, 'deleting');
  await stand.stop();
  await stand.start();
  stand.cluster.down.add('alpha');
  await stand.control.vms.tidy();
  assert.is(stand.cluster.count('alpha hypervisor machine.delete'), 1);
  stand.cluster.down.delete('alpha');
  alpha.isAway = false;
  await stand.control.vms.tidy();
  assert.is(stand.control.state.get('vms', 'web'), undefined);
  for (const call of ['hypervisor machine.delete', 'switch port.detach'])
    assert.ok(stand.cluster.count(`alpha ${call}`) > 0);
});

test('what was being created when the orchestrator ended is taken away', async ({ stand }) => {
  await stand.control.state.put('vms', 'web', vmRecord({ phase: 'creating' }));
  await stand.control.vms.recover();
  await stand.control.vms.tidy();
  assert.is(stand.control.state.get('vms', 'web'), undefined);
});

test('a new VM of an old name begins above every epoch of the old one', async ({ stand }) => {
  const { vms } = stand.control;
  await stand.over(vms.create(request()));
  await stand.over(stand.migrate());
  assert.is(vms.record('web').epoch, 2);
  await stand.over(vms.delete('web'));
  await stand.over(vms.create(request()));
  assert.is(vms.record('web').epoch, 3);
});

test('a machine that is gone is not called running, and a report from before its start says nothing', async ({
  stand,
}) => {
  const { vms, reports } = stand.control;
  const { hypervisor } = stand.cluster.clients('alpha');
  await reports.ask('alpha');
  stand.clock.turn(1);
  await vms.create(request());
  assert.is(vms.show('web').state, 'running');
  stand.clock.turn(1);
  hypervisor.answers['machine.list'] = () => ({ machines: [machineState({ state: 'paused' })] });
  await reports.ask('alpha');
  assert.is(vms.show('web').state, 'running');
  hypervisor.answers['machine.list'] = () => ({ machines: [machineState({ state: 'stopped' })] });
  await reports.ask('alpha');
  assert.is(vms.show('web').state, 'stopped');
  stand.cluster.down.add('alpha');
  assert.is(vms.show('web').state, 'unknown');
  stand.cluster.down.delete('alpha');
  await stand.over(vms.delete('web'));
  assert.is(stand.control.state.get('vms', 'web'), undefined);
});

test('a restarted orchestrator asks every node at once what runs there, and until then says that it does not know', async ({
  stand,
}) => {
  const { cluster } = stand;
  await stand.control.state.put('vms', 'web', vmRecord());
  await stand.control.state.put('vms', 'gone', vmRecord({ vm: 'gone', node: 'beta' }));
  await stand.stop();
  await stand.start();
  for (const { node } of cluster.members) cluster.down.add(node);
  const { vms, reports } = stand.control;
  const states = (): string[] => vms.list().map(({ vm, state }) => `${vm} ${state}`);
  assert.equal(states(), ['gone unknown', 'web unknown']);
  cluster.clients('alpha').hypervisor.answers['machine.list'] = () => ({ machines: [machineState()] });
  const { promise: never } = Promise.withResolvers<{ machines: [] }>();
  cluster.clients('gamma').hypervisor.answers['machine.list'] = () => never;
  const begunMs = stand.clock.nowMs();
  reports.lookRound();
  // A node that does not answer keeps a person waiting for some seconds, not for ever.
  await stand.over(reports.looked());
  assert.ok(stand.clock.nowMs() - begunMs <= 3_100);
  assert.equal(states(), ['gone stopped', 'web running']);
  assert.equal([...cluster.down], ['gamma'], 'an answer is a sign of life');
});

test('a node that gave a sign of life has not yet said what runs there', async ({ stand }) => {
  await stand.control.state.put('vms', 'web', vmRecord());
  const { vms, reports } = stand.control;
  assert.is(vms.show('web').state, 'unknown');
  stand.cluster.clients('alpha').hypervisor.answers['machine.list'] = () => ({ machines: [machineState()] });
  await reports.ask('alpha');
  assert.is(vms.show('web').state, 'running');
});

test('a VM is not made where a migration of that name is not taken back', async ({ stand }) => {
  const { state, vms } = stand.control;
  await state.put('vms', 'web', vmRecord());
  const beta = stand.cluster.clients('beta');
  beta.hypervisor.answers['migration.incoming'] = () => {
    beta.isAway = true;
    return lost();
  };
  await stand.refusal(stand.migrate());
  await stand.over(vms.delete('web'));
  assert.is(state.all('migrations').length, 1);
  assert.is((await stand.refusal(vms.create(request({ cloud: 'beta' })))).code, 'LEFT_OVER');
  beta.isAway = false;
  await stand.over(stand.control.migrations.tidy());
  assert.is(state.all('migrations').length, 0);
});

test.run();
