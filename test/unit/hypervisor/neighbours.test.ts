// The way from the destination's agent to the overlay's controller: a member may say that a migration is complete, and
// the connection stands before there is something to say.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { type Handlers, startRpcServer } from '../../../common/rpc/server.ts';
import { Neighbours } from '../../../hypervisor/neighbours.ts';
import { sdndContract } from '../../../wire/contracts/sdnd.ts';
import { failure, member, quiet, within } from '../common/members.ts';

const ADDRESS = '127.77.3.1';
const PORTS = { blockd: 17442, switchAgent: 17445, hypervisor: 17443, sdnd: 17444 };
const MIGRATION = '0123456789abcdef';

test('warm, then told: the controller hears of the migration from the node, and of nothing else', async () => {
  const heard: string[] = [];
  const handlers = {
    ...Object.fromEntries(Object.keys(sdndContract.methods).map((name) => [name, () => heard.push(name)])),
    'migration.complete': ({ migration }: { migration: string }, { peer }: { peer: { node: string } }) => {
      if (migration !== MIGRATION) throw new OperationError('MIGRATION_UNKNOWN', 'it was not prepared');
      heard.push(`${peer.node} ${migration}`);
      return {};
    },
  } as unknown as Handlers<typeof sdndContract>;
  const listen = { address: ADDRESS, port: PORTS.sdnd };
  const server = await startRpcServer({
    ...{ contract: sdndContract, handlers, listen, log: quiet },
    identity: await member('alpha', 'controller'),
  });
  const controller = { node: 'alpha', address: ADDRESS };
  const neighbours = new Neighbours(await member('beta'), ADDRESS, PORTS, controller);
  try {
    await within(neighbours.warm('web', [], 'port.close'));
    assert.equal(heard, []);
    await within(neighbours.moved(MIGRATION));
    assert.equal(heard, [`beta ${MIGRATION}`]);
    assert.is((await failure(neighbours.moved('f'.repeat(16)))).code, 'MIGRATION_UNKNOWN');
  } finally {
    neighbours.close();
    await server.close();
  }
});

test.run();
