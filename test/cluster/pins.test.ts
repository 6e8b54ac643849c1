// A VM whose image is pinned to another place, in a running lab: its guest waits at its first read, a person sees it, and it
// goes on once it has migrated there. Real QEMUs move with a request that was never answered.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GUEST } from '../../lab/topology.ts';
import type { StubEvent } from '../../wire/contracts/events.ts';
import type { MachineSpec } from '../../wire/contracts/hypervisor.ts';
import { refusal } from '../refusal.ts';
import { ClusterStand, until } from './stand.ts';

const { vm, image } = GUEST;
const WEB = { kind: 'image', name: image } as const;
let stand: ClusterStand;

test.before(async () => {
  stand = await ClusterStand.start();
});

test.after(() => stand?.stop());

async function boot(cloud: string, { memoryMB, cpus, ip, mac, boot: from }: MachineSpec): Promise<void> {
  await stand.operator.call('vm.create', { vm, cloud, image, memoryMB, cpus, ip, mac, boot: from });
}

async function events(): Promise<StubEvent[]> {
  return (await stand.operator.call('event.list', {})).events;
}

/** Until the guest answers from memory and disk, with nothing lost. */
function untilWell(): Promise<void> {
  return until('the guest works', async () => {
    const { verified } = await stand.visitor.ask('status');
    return verified > 0 ? '' : 'nothing is verified yet';
  });
}

test('it is pinned only where it is; elsewhere its VM waits, and that is seen', async () => {
  const { operator } = stand;
  const { spec } = await operator.call('vm.show', { vm });
  const elsewhere = await refusal(operator.call('pin.set', { ...WEB, to: 'beta' }));
  assert.is(elsewhere.code, 'IMAGE_OPEN');
  await operator.call('vm.delete', { vm });
  const { pin } = await operator.call('pin.set', { ...WEB, to: 'alpha' });
  assert.is(pin?.place, 'alpha');
  assert.is((await refusal(operator.call('image.delete', { image }))).code, 'PINNED');
  await boot('beta', spec);
  await until('it waits', async () => {
    const [event] = await events();
    return event !== undefined && 'waiting' in event && event.waiting > 0 ? '' : 'no event yet';
  });
  const [event] = await events();
  if (event === undefined || !('image' in event)) throw new Error('it is of no image');
  assert.equal([event.vm, event.image, event.place, event.endedMs], [vm, image, 'alpha', null]);
  assert.is((await refusal(operator.call('vm.migrate', { vm, to: 'gamma' }))).code, 'MIGRATION_FAILED');
});

test('moved to the place it goes on from its first read, and does not move away', async () => {
  const { operator } = stand;
  await operator.call('vm.migrate', { vm, to: 'alpha' });
  await untilWell();
  await until('the event is over', async () => {
    return (await events()).every(({ endedMs }) => endedMs !== null) ? '' : 'it lasts';
  });
  const away = await refusal(operator.call('vm.migrate', { vm, to: 'beta' }));
  assert.match(away.message, 'pinned to alpha');
  assert.is((await operator.call('vm.show', { vm })).cloud, 'alpha');
});

test('without the pin it boots and moves wherever it likes', async () => {
  const { operator } = stand;
  await operator.call('pin.set', { ...WEB, to: null });
  await operator.call('vm.migrate', { vm, to: 'beta' });
  await untilWell();
});

test.run();
