// What the controller tells the nodes' agents of their guests: only where a tenant has a port, only once it has heard
// everything itself, again after a failure, and nothing twice.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Fixture, settle } from './controller-fixture.ts';
import { bindingOf, NODES } from './overlay-maker.ts';

const tellers = suite<{ fixture: Fixture }>('agent teller');
const SHOP = { tenant: 1, name: 'shop', subnets: [{ subnet: '10.88.0.0', bits: 24, services: '10.88.0.1' }] };
const BANK = { ...SHOP, tenant: 2, name: 'bank' };
const RETRY_MS = 2_000;

tellers.before.each(async (context) => {
  const fixture = new Fixture();
  await fixture.begin();
  await fixture.call('networks.set', { networks: [SHOP, BANK] });
  Object.assign(context, { fixture });
});
tellers.after.each(({ fixture }) => fixture.close());

/** What was told since the last call: `n0 shop g0 g1`, by node. */
async function told({ told }: Fixture): Promise<string[]> {
  await settle();
  const words = told.splice(0).map(({ node, news }) => {
    const networks = news.networks.map(({ name, guests }) => [name, ...guests.map(({ owner }) => owner)].join(' '));
    return [node, ...networks].join(' ');
  });
  return words.sort();
}

tellers('nothing before all was told to it, then every node, of its own tenants alone', async ({ fixture }) => {
  await fixture.call('binding.set', { binding: { ...bindingOf('g1', 'n1'), tenant: 2 } });
  await fixture.call('binding.set', { binding: bindingOf('g2', 'n2') });
  assert.equal(await told(fixture), []);
  await fixture.tellAll();
  assert.equal(await told(fixture), ['n0 shop g0 g2', 'n1 bank g1', 'n2 shop g0 g2', 'n3']);
});

tellers(
  'a change goes to those whom it concerns, later revisions higher; what is the same is not told',
  async ({ fixture }) => {
    await fixture.tellAll();
    const before = fixture.told.at(-1)?.news.revision ?? 0;
    assert.is((await told(fixture)).length, NODES.length);
    await fixture.call('binding.set', { binding: bindingOf('g1', 'n1') });
    await settle();
    assert.ok(fixture.told.every(({ news }) => news.revision > before));
    assert.equal(await told(fixture), ['n0 shop g0 g1', 'n1 shop g0 g1']);
    await fixture.call('networks.set', { networks: [SHOP, BANK] });
    await fixture.call('binding.set', { binding: bindingOf('g1', 'n1') });
    assert.equal(await told(fixture), []);
    await fixture.call('binding.remove', { owner: 'g1' });
    assert.equal(await told(fixture), ['n0 shop g0', 'n1']);
  },
);

tellers('an agent that is away is told when it can be reached, of what holds then', async ({ fixture }) => {
  fixture.deaf.add('n0');
  await fixture.tellAll();
  assert.equal(await told(fixture), ['n1', 'n2', 'n3']);
  await fixture.call('binding.set', { binding: bindingOf('g1', 'n0') });
  await settle();
  fixture.deaf.delete('n0');
  fixture.clock.turn(RETRY_MS);
  assert.equal(await told(fixture), ['n0 shop g0 g1']);
  fixture.clock.turn(RETRY_MS);
  assert.equal(await told(fixture), []);
});

tellers('a node whose switch comes again is told again, for its agent may have forgotten', async ({ fixture }) => {
  await fixture.tellAll();
  await told(fixture);
  await fixture.connect('n0');
  assert.equal(await told(fixture), ['n0 shop g0']);
});

tellers('where a guest migrates to its network is known before it is there', async ({ fixture }) => {
  await fixture.connect('n0', 'n1');
  await fixture.tellAll();
  await told(fixture);
  await fixture.call('migration.prepare', { migration: '00000000000000a1', to: bindingOf('g0', 'n1', 2) });
  assert.equal(await told(fixture), ['n1 shop g0']);
});

tellers.run();
