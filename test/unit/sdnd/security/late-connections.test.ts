// The source's answer on a guest's connections comes when that guest is gone and another one has its name and address.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Table } from '../../../../sdnd/pipeline.ts';
import { settle } from '../controller-fixture.ts';
import { addressOf, bindingOf, NODES } from '../overlay-maker.ts';
import { SeatWorld } from '../seat-world.ts';

const MIGRATION = 'a'.repeat(16);

for (const isGone of [false, true]) {
  test(`connections of a guest that ${isGone ? 'is gone go to nobody' : 'moves go with it'}`, async () => {
    const world = new SeatWorld(['x']);
    world.connect();
    await settle();
    await world.call('x', 'controller.take', { term: 1, links: [] });
    await world.call('x', 'members.set', { members: NODES.map((node) => ({ node, address: addressOf(node) })) });
    await world.call('x', 'groups.set', { groups: [{ name: 'web', rules: [], members: ['g0'] }] });
    await world.call('x', 'binding.set', { binding: bindingOf('g0', 'n0') });
    await world.call('x', 'state.told', { term: 1 });
    await settle();
    const answer = Promise.withResolvers<void>();
    const to = { address: '203.0.113.9', port: 443 };
    const opened = { protocol: 'tcp', from: { address: bindingOf('g0', 'n0').ip, port: 40_000 }, to } as const;
    world.connectionsAt = async () => {
      await answer.promise;
      return [opened];
    };
    await world.call('x', 'migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
    if (isGone) {
      await world.call('x', 'migration.cancel', { migration: MIGRATION });
      await world.call('x', 'binding.remove', { owner: 'g0' });
      // By the same name, with no rule that lets anybody in.
      await world.call('x', 'binding.set', { binding: bindingOf('g0', 'n1', 3) });
      await settle();
    }
    answer.resolve();
    await settle();
    const lets = world
      .flowsAt('n1')
      .filter((key) => key.includes(`table=${Table.groupsIn} `) && key.includes('tcpFlags'));
    assert.is(lets.length > 0, !isGone, lets.join('\n'));
    world.close();
  });
}

test.run();
