// What somebody takes from a running node's switch by hand comes back with its flows, and the hosts go on: three nodes with
// their agents and the controller as processes. Needs root and Debian's openvswitch-switch. In order.
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { portName } from '../../sdnd/agent/guest-ports.ts';
import { killed } from './killed.ts';
import { OverlayHosts } from './overlay-hosts.ts';
import { type NodeName, ThreeSwitches } from './three-switches.ts';

/** Six seconds of pings, more than anything here takes away. */
const PINGS = 600;
const PING_EVERY_MS = 10;

const net = new ThreeSwitches();
const hosts = new OverlayHosts(net);
const repair = suite('repair of a switch');

async function flows(node: NodeName): Promise<string> {
  const text = await net.switch(node).ofctl('dump-flows', ['--no-stats']);
  return text
    .trim()
    .split('\n')
    .map((line) => line.trim())
    .sort()
    .join('\n');
}

async function ports(): Promise<string> {
  const names = await net.switch('alpha').ovsVsctl(['list-ports', 'br-int']);
  const all = names.trim().split('\n').sort();
  const numbers = await Promise.all(
    all.map((name) => net.switch('alpha').ovsVsctl(['get', 'interface', name, 'ofport'])),
  );
  return all.map((name, at) => `${name} ${numbers[at]?.trim()}`).join(' ');
}

/** What alpha's switch has when all is well. */
const well = { flows: '', ports: '' };

/** Takes something away at alpha while a host beyond the tunnel pings one there; resolves when all is as it was. */
async function comesBack(what: string, take: () => Promise<unknown>): Promise<void> {
  const running = hosts.pings('db', 'web', PINGS).catch(() => 0);
  await sleep(PING_EVERY_MS * 30);
  await take();
  await net.eventually(`the ports after ${what}`, async () => (await ports().catch(() => '')) === well.ports);
  // The controller has then heard of all ports that went and came: its answer follows what the switch told it.
  await net.sdnd('switch.verify', {});
  await net
    .eventually(`the flows after ${what}`, async () => (await flows('alpha').catch(() => '')) === well.flows)
    .catch(async (error: unknown) => assert.is(await flows('alpha'), well.flows, String(error)));
  await net.eventually(`pings after ${what}`, async () => (await hosts.pings('db', 'web', 3)) === 3);
  const lostMs = (PINGS - (await running)) * PING_EVERY_MS;
  process.stdout.write(`  ${what}: pings of ${lostMs} ms were lost\n`);
}

function vsctl(...words: readonly string[]): () => Promise<string> {
  return () => net.switch('alpha').ovsVsctl(words);
}

repair.before(async () => {
  await net.start();
  await hosts.addGuest('web', 'alpha', 10);
  await hosts.addGuest('db', 'beta', 12);
  await net.sdnd('binding.set', { binding: hosts.binding('web', 'alpha', portName('web'), 1) });
  await net.sdnd('binding.set', { binding: hosts.binding('db', 'beta', portName('db'), 1) });
  await net.agent('alpha', 'port.open', { owner: 'web' });
  await net.agent('beta', 'port.open', { owner: 'db' });
  await net.eventually('pings are answered', async () => (await hosts.pings('db', 'web', 3)) === 3);
  await net.sdnd('switch.verify', {});
  Object.assign(well, { flows: await flows('alpha'), ports: await ports() });
});
repair.after(() => net.stop());

repair("a guest's port, the tunnel, the controller: removed by hand, they come back with their flows", async () => {
  await comesBack("a guest's port removed", vsctl('del-port', 'br-int', portName('web')));
  await comesBack('the tunnel port removed', vsctl('del-port', 'br-int', 'vxlan0'));
  await comesBack(
    "the tunnel's remote end changed",
    vsctl('set', 'interface', 'vxlan0', 'options:remote_ip=10.77.0.9'),
  );
  await comesBack('the controller removed', vsctl('del-controller', 'br-int'));
});

repair('the whole bridge, removed by hand, comes back', async () => {
  await comesBack('the bridge removed', vsctl('del-br', 'br-int'));
});

repair('what was removed while the agent was away comes back with the agent', async () => {
  await comesBack('a port removed without an agent', async () => {
    await net.killAgent('alpha');
    await net.switch('alpha').ovsVsctl(['del-port', 'br-int', portName('web')]);
    assert.is(await hosts.pings('db', 'web', 1), 0);
    await net.startAgent('alpha');
  });
});

repair(
  'an agent whose state is gone takes the ports as it finds them: no ping is lost, the services are back',
  async () => {
    const running = hosts.unanswered('db', 'web', PINGS);
    await net.killAgent('alpha');
    net.emptyAgentState('alpha');
    await net.startAgent('alpha');
    assert.equal(await running, [], 'pings over the loss of the state');
    await net.eventually('the flows of all guests', async () => (await flows('alpha')) === well.flows);
    assert.is(await ports(), well.ports);
    await net.agent('alpha', 'port.close', { owner: 'web' });
    assert.is(await hosts.pings('db', 'web', 1), 0);
    await net.agent('alpha', 'port.open', { owner: 'web' });
    await net.eventually('pings are answered', async () => (await hosts.pings('db', 'web', 3)) === 3);
  },
);

repair('after a killed database server is back frames pass again, and repairs go on', async () => {
  const openVswitch = net.switch('alpha');
  // Without its database ovs-vswitchd forwards nothing in user space (docs/LAB.md).
  await comesBack('the database server killed', async () => {
    await killed(await openVswitch.databasePid());
    await openVswitch.startDatabase();
  });
  await comesBack("a guest's port removed after that", vsctl('del-port', 'br-int', portName('web')));
});

repair(
  'without a controller a switch that is killed has its last flows again, and one that is back changes nothing',
  async () => {
    await net.killController();
    await net.eventually('the agent keeps them', async () => existsSync(net.agentFile('alpha', 'last-tables')));
    await killed(await net.switch('alpha').switchPid());
    await net.switch('alpha').startSwitch();
    await net.eventually('pings without a controller', async () => (await hosts.pings('db', 'web', 3)) === 3);
    await net.eventually('the flows without a controller', async () => (await flows('alpha')) === well.flows);
    await net.startController();
    await net.eventually('they are nothing', async () => !existsSync(net.agentFile('alpha', 'last-tables')));
    await net.sdnd('switch.verify', {});
    assert.is(await flows('alpha'), well.flows);
    assert.is(await hosts.pings('db', 'web', 3), 3);
  },
);

repair("the underlay bridge, which is not the agent's, is as it was", async () => {
  assert.is((await net.switch('alpha').ovsVsctl(['list-ports', 'br-phy'])).trim(), 'up0');
  assert.equal(await net.switch('alpha').ovsVsctl(['get', 'bridge', 'br-phy', 'external_ids']), '{}\n');
});

repair.run();
