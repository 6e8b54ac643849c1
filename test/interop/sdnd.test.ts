// The overlay on real switches: three nodes with Open vSwitch, an agent each and the controller as processes, hosts in
// place of guests. Needs root and Debian's openvswitch-switch. The tests build on each other, in order.
import { setTimeout as sleep } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../common/errors.ts';
import { runIn } from '../../lab/namespace.ts';
import { portName } from '../../sdnd/agent/guest-ports.ts';
import { Table } from '../../sdnd/pipeline.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import type { NetworkTrace } from '../../wire/contracts/trace.ts';
import { killed } from './killed.ts';
import { OverlayHosts } from './overlay-hosts.ts';
import { ADDRESS, NODES, type NodeName, ThreeSwitches } from './three-switches.ts';

const [PINGS, PING_EVERY_MS] = [150, 10];
const MIGRATION = '00000000000000a1';

const net = new ThreeSwitches();
const hosts = new OverlayHosts(net);
const overlay = suite('overlay on Open vSwitch');

/** Waits until a switch's flows are the wanted ones; fails with the difference. */
async function flowsBecome(node: NodeName, wanted: readonly string[]): Promise<void> {
  const isThere = async (): Promise<boolean> => String(await flows(node)) === String(wanted);
  await net.eventually(`the flows of ${node}`, isThere).catch(async (error: unknown) => {
    assert.equal(await flows(node), wanted, String(error));
  });
}

/** Guests' frames that a switch has sent by its tunnel port: those that took a flow there, which the agent's probes do not. */
async function tunnelled(node: NodeName): Promise<number> {
  const lines = (await net.switch(node).ofctl('dump-flows', [])).split('\n');
  const last = [Table.gateOut, Table.relay].map((table) => ` table=${table},`);
  const leaving = lines.filter((line) => last.some((table) => line.includes(table)));
  const ways = leaving.filter((line) => / actions=.*(output:1\b|output:"?vxlan0|IN_PORT)/.test(line));
  return ways.reduce((sum, line) => sum + Number(/n_packets=(\d+)/.exec(line)?.[1] ?? Number.NaN), 0);
}

async function flows(node: NodeName): Promise<string[]> {
  const text = await net.switch(node).ofctl('dump-flows', ['--no-stats']);
  return text
    .trim()
    .split('\n')
    .map((line) => line.trim())
    .sort();
}

async function differences(): Promise<string[]> {
  const { switches } = await net.sdnd('switch.verify', {});
  return switches.flatMap((one) => [...(one.connected ? [] : [`${one.node} is not connected`]), ...one.differences]);
}

function traced(from: string, to: string): Promise<NetworkTrace> {
  return net.sdnd('network.trace', { from, to, compare: true });
}

/** The way that the switches' tables make, and how it ends. */
function realWay({ real }: NetworkTrace): string {
  return `${real?.hops.map(({ node }) => node).join(' ')}: ${real?.verdict}`;
}

/** A frame as a neighbour of the tunnel, or a fenced node, could send it: out of `node`'s switch into the tunnel. */
function inject(node: NodeName, to: NodeName, tunnelId: number, frame: { from: string; to: string }): Promise<string> {
  const hex = (mac: string): string => mac.replaceAll(':', '');
  const packet = `${hex(frame.to)}${hex(frame.from)}0800${'00'.repeat(46)}`;
  const actions = `set_field:${ADDRESS[to]}->tun_dst,set_field:${tunnelId}->tun_id,output:1`;
  return net.switch(node).ofctl('packet-out', [`in_port=LOCAL packet=${packet} actions=${actions}`]);
}

overlay.before(async () => {
  await net.start();
  await hosts.addGuest('web', 'alpha', 10);
  await hosts.addGuest('app', 'alpha', 11);
  await hosts.addGuest('db', 'beta', 12);
  hosts.add('visitor', await net.addHost('visitor', 'gamma', 'visitor0', '02:88:00:00:00:c8', '10.88.0.200'));
  await net.switch('gamma').addPort({ port: 'visitor0' });
});
overlay.after(() => net.stop());

overlay('an agent port passes nothing until its agent opens it', async () => {
  await net.sdnd('binding.set', { binding: hosts.binding('web', 'alpha', portName('web'), 1) });
  await net.sdnd('binding.set', { binding: hosts.binding('app', 'alpha', portName('app'), 1) });
  await net.sdnd('binding.set', { binding: hosts.binding('db', 'beta', portName('db'), 1) });
  await net.sdnd('binding.set', { binding: hosts.binding('visitor', 'gamma', 'visitor0', 1) });
  assert.is(await hosts.pings('visitor', 'web', 2), 0);
  await net.agent('alpha', 'port.open', { owner: 'web' });
  await net.agent('alpha', 'port.open', { owner: 'app' });
  await net.agent('beta', 'port.open', { owner: 'db' });
  assert.is(await hosts.answered('visitor', 'web'), 5);
  assert.equal(await differences(), []);
  const { wanted, real, differences: differing } = await traced('web', 'db');
  assert.equal([wanted.verdict, wanted.hops.map(({ node }) => node)], ['delivered', ['alpha', 'beta']]);
  assert.equal([real, differing], [wanted, []]);
});

overlay('every host reaches every other, by the switch and by the tunnel', async () => {
  for (const from of hosts.names) {
    for (const to of hosts.names) {
      if (from === to) continue;
      // The first frame to a node may be dropped while the switch asks for the MAC address of its underlay.
      await hosts.pings(from, to, 1);
      assert.is(await hosts.answered(from, to, 2), 2, `${from} to ${to}`);
    }
  }
});

overlay('a dead controller costs nothing: ARP is answered; its restart changes no flow', async () => {
  const before = await Promise.all(NODES.map(flows));
  await net.killController();
  await runIn(hosts.host('visitor').namespace, 'ip', ['neigh', 'flush', 'dev', 'eth0']);
  assert.is(await hosts.answered('visitor', 'web'), 5);
  const startedMs = performance.now();
  await net.startController();
  await net.eventually('all switches are back', async () => (await differences()).length === 0);
  assert.equal(await Promise.all(NODES.map(flows)), before);
  const startedSec = (performance.now() - startedMs) / 1_000;
  const ages = await net.switch('alpha').ofctl('dump-flows', []);
  const youngestSec = Math.min(...[...ages.matchAll(/duration=([\d.]+)s/g)].map(([, age]) => Number(age)));
  const { bindings } = await net.sdnd('binding.list', {});
  assert.is(bindings.length, 4);
  // Flows that were sent again would be younger than the new controller's process.
  assert.ok(youngestSec > startedSec, `the youngest flow is ${youngestSec} s old, the controller ${startedSec} s`);
});

overlay('a guest sends only from its own addresses', async () => {
  const { namespace, mac } = hosts.host('app');
  await runIn(namespace, 'ip', ['address', 'add', '10.88.0.99/24', 'dev', 'eth0']);
  const ignored = await hosts.received('db');
  assert.is(await hosts.pings('app', 'db', 3, ['-I', '10.88.0.99']), 0);
  const neighbour = ['neigh', 'replace', hosts.host('db').ip, 'lladdr', hosts.host('db').mac, 'dev', 'eth0'];
  await runIn(namespace, 'ip', ['link', 'set', 'eth0', 'address', '02:88:00:00:00:77']);
  await runIn(namespace, 'ip', neighbour);
  assert.is(await hosts.pings('app', 'db', 3), 0);
  assert.is(await hosts.received('db'), ignored);
  await runIn(namespace, 'ip', ['link', 'set', 'eth0', 'address', mac]);
  await runIn(namespace, 'ip', ['address', 'del', '10.88.0.99/24', 'dev', 'eth0']);
  assert.is(await hosts.answered('app', 'db', 3), 3);
});

overlay('from the tunnel only to local guests, from the right node and tenant', async () => {
  const web = hosts.host('web').mac;
  await net.counted('beta');
  const beta = await tunnelled('beta');
  const before = { db: await hosts.received('db'), visitor: await hosts.received('visitor') };
  const direct = (1 << 3) | 1;
  await inject('alpha', 'beta', direct, { from: web, to: '02:88:00:00:00:ee' });
  await inject('alpha', 'beta', direct, { from: web, to: 'ff:ff:ff:ff:ff:ff' });
  await inject('alpha', 'beta', direct, { from: web, to: hosts.host('visitor').mac });
  await inject('alpha', 'beta', direct, { from: hosts.host('visitor').mac, to: hosts.host('db').mac });
  await inject('alpha', 'beta', (2 << 3) | 1, { from: web, to: hosts.host('db').mac });
  await inject('alpha', 'beta', direct, { from: web, to: hosts.host('db').mac });
  await net.eventually('the good frame arrives', async () => (await hosts.received('db')) > before.db);
  assert.is(await hosts.received('db'), before.db + 1);
  assert.is(await hosts.received('visitor'), before.visitor);
  await net.counted('beta');
  assert.ok(beta > 0);
  assert.is(await tunnelled('beta'), beta);
});

overlay('a flow deleted by hand comes back, a stranger goes, a gate is put right', async () => {
  const wanted = await flows('beta');
  const beta = net.switch('beta');
  const deletedMs = performance.now();
  await beta.ofctl('del-flows', [`table=${Table.forward}`]);
  await beta.ofctl('del-flows', ['cookie=0x200000000000000/-1']);
  await beta.ofctl('add-flow', ['table=0,priority=999,actions=NORMAL']);
  await beta.ofctl('add-flow', [
    `cookie=0x200000000000000,table=${Table.gateOut},priority=200,reg1=4242 actions=output:4242`,
  ]);
  await flowsBecome('beta', wanted);
  // They may be back before anybody has looked: then they are as old as that.
  const anew = await beta.ofctl('dump-flows', [`table=${Table.forward}`]);
  const ages = Array.from(anew.matchAll(/duration=([\d.]+)s/g), ([, seconds]) => Number(seconds));
  const sinceSeconds = (performance.now() - deletedMs) / 1_000;
  assert.ok(ages.length > 0 && Math.max(...ages) <= sinceSeconds, `${ages.join()} s, in ${sinceSeconds} s`);
  assert.is(await hosts.answered('visitor', 'db'), 5);
});

overlay('a migration: local switching by the gates, then the others by the controller', async () => {
  const others = ['app', 'db', 'visitor'] as const;
  const assertAnswered = async (): Promise<void> => {
    for (const from of others) assert.is(await hosts.answered(from, 'web', 3), 3, `${from} is answered`);
  };
  await hosts.addGuest('web', 'beta', 10, 'web-beta');
  const to = hosts.binding('web', 'beta', portName('web'), 2);
  await net.sdnd('migration.prepare', { migration: MIGRATION, to });
  await assertAnswered();
  const quiet = await hosts.received('web-beta');

  await net.agent('alpha', 'port.close', { owner: 'web' });
  const closed = await hosts.received('web');
  for (const from of others) assert.is(await hosts.pings(from, 'web', 3), 0, `${from} is not answered`);
  assert.is(await hosts.received('web'), closed);
  assert.is(await hosts.received('web-beta'), quiet);
  const nowhere = await traced('visitor', 'web');
  assert.is(realWay(nowhere), 'gamma alpha beta: dropped');
  assert.is(nowhere.real?.why, 'it ends at beta in gate-out: the port of web is closed');
  assert.equal(
    nowhere.differences.map(({ node, table }) => `${node} ${table}`),
    ['alpha gate-out'],
  );

  await net.agent('beta', 'port.open', { owner: 'web' });
  assert.is(realWay(await traced('visitor', 'web')), 'gamma alpha beta: delivered');
  // The visitor's frames still go to alpha, which sends them on: nobody waits for the controller. The first one that takes
  // this way may be lost to a neighbour that is not known yet.
  await hosts.pings('visitor', 'web', 1);
  await assertAnswered();
  assert.ok((await hosts.received('web-beta')) >= quiet + 9);

  await net.sdnd('migration.complete', { migration: MIGRATION });
  assert.is(realWay(await traced('visitor', 'web')), 'gamma beta: delivered');
  await assertAnswered();
  assert.is(await hosts.received('web'), closed);
  await net.sdnd('migration.complete', { migration: MIGRATION });
  assert.equal(await differences(), []);
});

overlay('an older epoch is refused, and so is another guest with the same addresses', async () => {
  const code = async (other: Binding): Promise<string | undefined> => {
    try {
      await net.sdnd('binding.set', { binding: other });
    } catch (error) {
      return codeOf(error);
    }
    return undefined;
  };
  assert.is(await code(hosts.binding('web', 'alpha', portName('web'), 1)), 'EPOCH_STALE');
  assert.is(await code({ ...hosts.binding('web', 'alpha', 'thief0', 9), owner: 'thief' }), 'ADDRESS_TAKEN');
});

overlay('a move back loses no ping but those of the hold, with a switch that cannot be reached', async () => {
  const back = '00000000000000a2';
  await net.sdnd('migration.prepare', { migration: back, to: hosts.binding('web', 'alpha', portName('web'), 3) });
  // Without its agent, which would put the controller right. With none at all the switch would drop its flows.
  await net.killAgent('gamma');
  await net.switch('gamma').ovsVsctl(['set-controller', 'br-int', `ssl:${ADDRESS.alpha}:1`]);
  const running = hosts.pings('db', 'web', PINGS);
  await sleep(300);
  const closedAtMs = performance.now();
  await net.agent('beta', 'port.close', { owner: 'web' });
  await net.agent('alpha', 'port.open', { owner: 'web' });
  const holdMs = performance.now() - closedAtMs;
  await net.sdnd('migration.complete', { migration: back });
  // Gamma's switch has not heard; beta sends its frames on, for five seconds.
  const sentOn = hosts.answered('visitor', 'web', 2);
  const lost = PINGS - (await running);
  assert.ok(lost <= holdMs / PING_EVERY_MS + 2, `${lost} pings were lost, the hold took ${holdMs.toFixed(1)} ms`);
  assert.is(await sentOn, 2);
  await net.eventually('nothing is sent on', async () => (await hosts.pings('visitor', 'web', 1)) === 0);
  await net.startAgent('gamma');
  await net.eventually('gamma has followed', async () => (await hosts.pings('visitor', 'web', 2)) === 2);
});

overlay('a prepared migration that is cancelled leaves nothing', async () => {
  const before = await Promise.all(NODES.map(flows));
  const migration = '00000000000000a3';
  await net.sdnd('migration.prepare', { migration, to: hosts.binding('web', 'beta', portName('web'), 4) });
  assert.not.equal(await Promise.all(NODES.map(flows)), before);
  await net.sdnd('migration.cancel', { migration });
  assert.equal(await Promise.all(NODES.map(flows)), before);
});

overlay('a killed switch and a killed agent come back with gates and flows as they were', async () => {
  const before = await flows('alpha');
  await net.killAgent('alpha');
  await killed(await net.switch('alpha').switchPid());
  await net.switch('alpha').startSwitch();
  await net.eventually('the controller has been there', async () => (await flows('alpha')).length > 5);
  assert.is(await hosts.pings('db', 'web', 2), 0);
  await net.startAgent('alpha');
  await flowsBecome('alpha', before);
  await net.eventually('pings are answered', async () => (await hosts.pings('db', 'web', 2)) === 2);
});

overlay('a port is made as a tap device without IPv6, and goes without a trace', async () => {
  const tap = { owner: 'tapped', mac: '02:88:00:00:00:55' };
  const { port } = await net.agent('gamma', 'port.attach', tap);
  assert.equal(await net.agent('gamma', 'port.attach', tap), { port });
  const device = await runIn(net.namespaceOf('gamma'), 'ip', ['-d', 'link', 'show', 'dev', port]);
  assert.match(device, /mtu 1330/);
  assert.match(device, /tun type tap/);
  assert.match(device, /[<,]UP[,>]/);
  assert.is(
    (await runIn(net.namespaceOf('gamma'), 'cat', [`/proc/sys/net/ipv6/conf/${port}/disable_ipv6`])).trim(),
    '1',
  );
  assert.match(await net.switch('gamma').ovsVsctl(['get', 'interface', port, 'ofport']), /^4096\n/);
  await net.agent('gamma', 'port.open', { owner: 'tapped' });
  await net.agent('gamma', 'port.detach', { owner: 'tapped' });
  await net.agent('gamma', 'port.detach', { owner: 'tapped' });
  assert.not.match(await net.switch('gamma').ovsVsctl(['list-ports', 'br-int']), new RegExp(port));
  assert.not.match(await runIn(net.namespaceOf('gamma'), 'ip', ['link']), new RegExp(port));
  assert.not.ok((await flows('gamma')).some((flow) => flow.includes('4096')));
});

overlay('ten turns of a gate are timed, and leave it open', async () => {
  const tookMs: number[] = [];
  for (let round = 0; round < 10; round++) {
    for (const call of ['port.close', 'port.open'] as const) {
      await net.agent('alpha', call, { owner: 'web' });
      tookMs.push(net.tookMs);
    }
  }
  const median = tookMs.sort((a, b) => a - b)[10];
  process.stdout.write(`  port.close/open: median ${median?.toFixed(1)} ms, worst ${tookMs.at(-1)?.toFixed(1)} ms\n`);
  assert.is(await hosts.answered('db', 'web', 2), 2);
});

overlay.run();
