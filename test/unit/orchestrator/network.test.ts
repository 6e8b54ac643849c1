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
  answers['binding.list'] = () => ({ bindings: [], term: 7 });
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
  answers['migration.prepare'] = ({ to }) => {
    told.push(`prepared ${words(to)}`);
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
  await stand.control.network.repeat();
  assert.equal(told, [NETWORK, 'bound web alpha tap0 1', 'prepared web beta tap1 2', 'all in term 7']);
});

test('a preparation that was not taken is not the end of it: not all is told', async ({ stand, told }) => {
  await put(stand, {});
  stand.cluster.sdnd.answers['migration.prepare'] = () => {
    throw new OperationError('DESTINATION_NOT_READY', 'its switch is not connected');
  };
  assert.is((await stand.refusal(stand.control.network.repeat())).code, 'DESTINATION_NOT_READY');
  assert.equal(told, [NETWORK, 'bound web alpha tap0 1']);
});

test('a migration whose end the controller knows already needs no telling', async ({ stand, told }) => {
  await put(stand, { step: 'complete' });
  for (const code of ['MIGRATION_OVER', 'EPOCH_STALE']) {
    stand.cluster.sdnd.answers['migration.prepare'] = () => {
      throw new OperationError(code, 'it has moved');
    };
    await stand.control.network.repeat();
  }
  assert.equal(
    told.filter((one) => one === 'all in term 7'),
    ['all in term 7', 'all in term 7'],
  );
});

test.run();
