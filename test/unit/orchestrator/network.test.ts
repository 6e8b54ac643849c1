// What the overlay's controller is told again: all of it, in an order in which nothing can be taken for the past too early.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import type { Binding } from '../../../wire/contracts/sdnd.ts';
import { ControlStand } from './control-stand.ts';
import { migrationRecord, vmRecord } from './records.ts';

const test = suite<{ stand: ControlStand; told: string[] }>('network');

const STANDING = { migration: 'a'.repeat(16), step: 'memory', port: 'tap1', toUndo: ['port', 'flows'] } as const;
const NETWORK = '1 main 10.88.0.0 24 10.88.0.1';
const words = ({ owner, node, port, epoch }: Binding): string => `${owner} ${node} ${port} ${epoch}`;

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  const told: string[] = [];
  const { answers } = stand.cluster.sdnd;
  answers['binding.list'] = () => ({ bindings: [], isMore: false, term: 7 });
  answers['networks.set'] = ({ networks }) => {
    told.push(
      ...networks.map(({ tenant, name, subnets: [one] }) =>
        [tenant, name, one?.subnet, one?.bits, one?.services].join(' '),
      ),
    );
    return {};
  };
  answers['binding.set'] = ({ binding }) => {
    told.push(`bound ${words(binding)}`);
    return {};
  };
  answers['migration.prepare'] = ({ to, isStanding }) => {
    told.push(`prepared ${words(to)}${isStanding === true ? ', it stands' : ''}`);
    return {};
  };
  answers['state.told'] = ({ term }) => {
    told.push(`all in term ${term}`);
    return {};
  };
  await stand.control.state.put('vms', 'web', vmRecord());
  Object.assign(context, { stand, told });
});
test.after.each(({ stand }) => stand.close());

function put({ control }: ControlStand, change: Parameters<typeof migrationRecord>[0]): Promise<void> {
  const record = migrationRecord({ ...STANDING, ...change });
  return control.state.put('migrations', record.migration, record);
}

test('the network, every binding, every migration that is prepared and not over, and then that this was all', async ({
  stand,
  told,
}) => {
  await put(stand, {});
  await put(stand, { migration: 'b'.repeat(16), step: 'failed', epoch: 3 });
  await put(stand, { migration: 'c'.repeat(16), step: 'prepare', epoch: 4, toUndo: ['port'] });
  await stand.control.network.repeat(stand.cluster.sdnd);
  assert.equal(told, [NETWORK, 'bound web alpha tap0 1', 'prepared web beta tap1 2, it stands', 'all in term 7']);
});

test('one whose memory does not go yet does not stand: it needs its destination', async ({ stand, told }) => {
  await put(stand, { step: 'ahead' });
  await stand.control.network.repeat(stand.cluster.sdnd);
  assert.is(told.at(-2), 'prepared web beta tap1 2');
});

test('a preparation that was not taken is not the end of it: not all is told', async ({ stand, told }) => {
  await put(stand, { step: 'incoming' });
  stand.cluster.sdnd.answers['migration.prepare'] = () => {
    throw new OperationError('DESTINATION_NOT_READY', 'its switch is not connected');
  };
  assert.is((await stand.refusal(stand.control.network.repeat(stand.cluster.sdnd))).code, 'DESTINATION_NOT_READY');
  assert.equal(told, [NETWORK, 'bound web alpha tap0 1']);
});

test('a migration whose end the controller knows already needs no telling', async ({ stand, told }) => {
  await put(stand, { step: 'complete' });
  for (const code of ['MIGRATION_OVER', 'EPOCH_STALE']) {
    stand.cluster.sdnd.answers['migration.prepare'] = () => {
      throw new OperationError(code, 'it has moved');
    };
    await stand.control.network.repeat(stand.cluster.sdnd);
  }
  assert.equal(
    told.filter((one) => one === 'all in term 7'),
    ['all in term 7', 'all in term 7'],
  );
});

const CLIENT = { owner: 'client', node: 'alpha', port: 'eth1', mac: '02:00:00:00:00:09', ip: '10.88.0.9' };

test('an address that the overlay refuses is kept by nobody; one that stood before stands', async ({ stand }) => {
  const { network, state } = stand.control;
  const { answers } = stand.cluster.sdnd;
  const taken = answers['binding.set'];
  const refused = (): never => {
    throw new OperationError('PORT_BAD', `that is the tunnels' own`);
  };
  answers['binding.set'] = refused;
  assert.is((await stand.refusal(network.setAddress(CLIENT))).code, 'PORT_BAD');
  assert.equal(state.all('addresses'), []);
  Object.assign(answers, { 'binding.set': taken });
  await network.setAddress(CLIENT);
  answers['binding.set'] = refused;
  assert.is((await stand.refusal(network.setAddress({ ...CLIENT, port: 'vxlan0' }))).code, 'PORT_BAD');
  assert.equal(state.all('addresses'), [{ ...CLIENT, epoch: 1 }]);
});

test('an address whose controller is away is kept, and told later', async ({ stand }) => {
  const { network, state } = stand.control;
  stand.cluster.sdnd.isAway = true;
  assert.is((await stand.refusal(network.setAddress(CLIENT))).code, 'UNREACHABLE');
  assert.equal(state.all('addresses'), [{ ...CLIENT, epoch: 1 }]);
});

test('one that can have no place keeps nobody else waiting, nor the word that this was all', async ({
  stand,
  told,
}) => {
  const { answers } = stand.cluster.sdnd;
  const taken = answers['binding.set'];
  answers['binding.set'] = (params, options) => {
    if (params.binding.owner === 'web') throw new OperationError('ADDRESS_TAKEN', 'another one has it');
    return taken?.(params, options) ?? {};
  };
  answers['migration.prepare'] = () => {
    throw new OperationError('NOT_BOUND', 'it has no binding that could move');
  };
  await stand.control.state.put('addresses', 'client', { ...CLIENT, epoch: 1 });
  await put(stand, {});
  await stand.control.network.repeat(stand.cluster.sdnd);
  assert.equal(told, [NETWORK, 'bound client alpha eth1 1', 'all in term 7']);
});

test('where many are refused nothing is called told', async ({ stand, told }) => {
  stand.cluster.sdnd.answers['binding.set'] = () => {
    throw new OperationError('BAD_PARAMS', 'another release');
  };
  for (const owner of ['a', 'b', 'c', 'd'])
    await stand.control.state.put('addresses', owner, { ...CLIENT, owner, epoch: 1 });
  assert.is((await stand.refusal(stand.control.network.repeat(stand.cluster.sdnd))).code, 'NOT_TOLD');
  assert.equal(told, [NETWORK]);
});

test('who goes or moves while others are told is not told as it was', async ({ stand, told }) => {
  const { state, network } = stand.control;
  const { answers } = stand.cluster.sdnd;
  const taken = answers['binding.set'];
  await state.put('addresses', 'gone', { ...CLIENT, owner: 'gone', epoch: 1 });
  await state.put('addresses', 'moved', { ...CLIENT, owner: 'moved', epoch: 1 });
  answers['binding.set'] = async (params, options) => {
    if (params.binding.owner === 'web') {
      await state.remove('addresses', 'gone');
      await state.put('addresses', 'moved', { ...CLIENT, owner: 'moved', node: 'beta', epoch: 2 });
    }
    return taken?.(params, options) ?? {};
  };
  await network.repeat(stand.cluster.sdnd);
  assert.equal(told, [NETWORK, 'bound web alpha tap0 1', 'bound moved beta eth1 2', 'all in term 7']);
});

test('what it knows comes in parts, and from the beginning again when it was restarted in between', async ({
  stand,
  told,
}) => {
  const { answers } = stand.cluster.sdnd;
  const known = (owner: string): Binding => ({
    owner,
    mac: '02:88:00:00:00:99',
    ip: '10.88.0.99',
    node: 'alpha',
    port: 'tap9',
    epoch: 9,
  });
  const asked: (number | undefined)[] = [];
  const terms = [7, 8, 8, 8];
  answers['binding.list'] = ({ from }) => {
    asked.push(from);
    const term = terms[asked.length - 1] ?? 8;
    return { bindings: [known(from === undefined ? 'other' : 'web')], isMore: from === undefined, term };
  };
  await stand.control.network.repeat(stand.cluster.sdnd);
  assert.equal(asked, [undefined, 1, undefined, 1]);
  assert.equal(told, [NETWORK, 'all in term 8']);
});

test.run();
