// Figure 5 of TOCS 2017 on real switches, as the lab has it: a gateway with a tunnel port into each of its networks, a node
// in a private network behind it, a cloud behind a 1:1 NAT, which at last is a second gateway of that network. Needs root and
// Debian's openvswitch-switch. In order.
import { isDeepStrictEqual } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Cloud } from '../../lab/cloud.ts';
import { SWITCH_AGENT } from '../../lab/daemons.ts';
import { TWO_GATEWAYS } from '../../lab/figure5.ts';
import { runCommand, runIn } from '../../lab/namespace.ts';
import { INSIDE_BRIDGE, INTEGRATION_BRIDGE } from '../../lab/open-vswitch.ts';
import { DOWN_MS } from '../../sdnd/topology/measured-links.ts';
import { VXLAN_PORT } from '../../wire/ports.ts';
import { until as eventually } from '../until.ts';
import { bindingOf, Figure5Stand, macOf } from './figure5-stand.ts';
import { killed } from './killed.ts';
import { RunningPings } from './pings.ts';

const MIGRATION = '00000000000000f5';
/** Last octets of the hosts' addresses. */
const APP = 11;
const DB = 12;
const WEB = 13;
/** So many are enough to see that pings go on. */
const PINGS_MORE = 5;
const BROADCASTS = 20;

let stand: Figure5Stand;
const gateways = suite('a gateway, a private network, a 1:1 NAT');

/** The underlay addresses to which a switch's flows send by a tunnel port. */
async function destinations(node: string): Promise<string[]> {
  const flows = await stand.cloud(node).openVswitch.ofctl('dump-flows', ['--no-stats']);
  return [...new Set([...flows.matchAll(/set_field:([\d.]+)->tun_dst/g)].map(([, address = '']) => address))].sort();
}

/** Everyone reaches everyone, the first frame to a neighbour that is not known yet aside. */
async function allReach(): Promise<void> {
  for (const [role, others] of [
    ['app', [DB, WEB]],
    ['db', [APP, WEB]],
    ['web', [APP, DB]],
  ] as const) {
    for (const other of others)
      await eventually(`${role} reaches ${other}`, async () => (await stand.pings(role, other)) === 2);
  }
}

gateways.before(async () => {
  stand = await Figure5Stand.start();
  const hosts = [
    ['app', 'alpha', APP],
    ['db', 'beta', DB],
    ['web', 'delta', WEB],
  ] as const;
  for (const [owner, node, last] of hosts) {
    await stand.addHost(owner, node, { role: owner, last });
    await stand.sdnd('binding.set', { binding: bindingOf(owner, node, last) });
    await stand.agent(node, 'port.open', { owner });
  }
});
gateways.after(() => stand?.stop());

gateways('guests in a cloud, behind the NAT and in the private network reach each other', async () => {
  await allReach();
  // That all reach each other may be by a way round: a link that is not measured yet carries nothing.
  const wanted = {
    // The private node sends to its gateway alone,
    delta: ['10.78.0.1'],
    // and beta has its outer address.
    alpha: ['10.77.0.2', '10.77.0.3'],
    gamma: ['10.77.0.1', '10.77.0.2', '10.78.0.2'],
  };
  let seen: Record<string, string[]> = {};
  await eventually('each sends straight to its neighbours', async () => {
    seen = {};
    for (const node of Object.keys(wanted)) seen[node] = await destinations(node);
    return isDeepStrictEqual(seen, wanted);
  }).catch(() => assert.equal(seen, wanted));
  let switches: unknown;
  const whole = ['alpha', 'beta', 'delta', 'gamma'].map((node) => [node, true]);
  await eventually('every switch has its flows', async () => {
    const verified = await stand.sdnd('switch.verify', {});
    switches = verified.switches.map(({ node, connected, differences }) => [node, connected, ...differences]);
    return isDeepStrictEqual(switches, whole);
  }).catch(() => assert.equal(switches, whole));
});

gateways('each tunnel port hears what was sent to its own address', async () => {
  let ports = '';
  // Open vSwitch counts a tunnel's frames when it looks its flows through.
  await eventually('both have counted frames', async () => {
    ports = await stand.cloud('gamma').openVswitch.ofctl('dump-ports', []);
    return [1, 2].every((port) => {
      const [, frames] = new RegExp(`port +"?(?:vxlan${port - 1}|${port})"?: rx pkts=(\\d+)`).exec(ports) ?? [];
      return Number(frames) > 0;
    });
  }).catch((error: unknown) => assert.unreachable(`${error}: ${ports}`));
});

gateways('the links are probed by each port, and the way over the gateway is shown', async () => {
  const shown = async (): Promise<string> => {
    const { links } = await stand.sdnd('links.show', {});
    return links.map(({ a, b, verdict, via }) => `${a}-${b} ${verdict} ${via?.join() ?? 'no way'}`).join('; ');
  };
  const wanted = [
    'alpha-beta up ',
    'alpha-delta unknown gamma',
    'alpha-gamma up ',
    'beta-delta unknown gamma',
    'beta-gamma up ',
    'delta-gamma up ',
  ].join('; ');
  let seen = '';
  await eventually('the links', async () => {
    seen = await shown();
    return seen === wanted;
  }).catch(() => assert.is(seen, wanted));
});

gateways('no tunnel is routed past the gateway’s switch', async () => {
  const { namespace } = stand.cloud('gamma');
  const dropped = async (): Promise<number> =>
    Number(/packets (\d+)/.exec(await runIn(namespace, 'nft', ['list', 'table', 'ip', 'gateway']))?.[1]);
  assert.is(await dropped(), 0);
  const send = `echo none > /dev/udp/10.78.0.2/${VXLAN_PORT}`;
  await runIn(stand.cloud('alpha').namespace, 'bash', ['-c', send]);
  await eventually('the gateway drops it', async () => (await dropped()) === 1);
});

gateways('the Internet is reached from every node, and sees public addresses alone', async () => {
  const asked = async (node: string): Promise<string> =>
    (await runIn(stand.cloud(node).namespace, 'curl', ['-s', '-m', '15', `http://${stand.internetHost}/`])).trim();
  assert.equal(await Promise.all(['alpha', 'beta', 'gamma', 'delta'].map(asked)), [
    '10.77.0.1',
    '10.77.0.2',
    '10.77.0.3',
    '10.77.0.3',
  ]);
});

gateways('a guest moves from behind the NAT into the private network, and all reach it there', async () => {
  await stand.addHost('db', 'delta', { role: 'db-delta', last: DB });
  await stand.sdnd('migration.prepare', { migration: MIGRATION, to: bindingOf('db', 'delta', DB, 2) });
  assert.is(await stand.answered('app', DB), 2, 'still behind the NAT');
  await stand.agent('beta', 'port.close', { owner: 'db' });
  assert.is(await stand.pings('app', DB), 0);
  await stand.agent('delta', 'port.open', { owner: 'db' });
  // Alpha still sends to beta, which sends on over the gateway: nobody waits for the controller.
  await eventually('late frames are sent on', async () => (await stand.pings('app', DB)) === 2);
  await stand.sdnd('migration.complete', { migration: MIGRATION });
  assert.is(await stand.answered('app', DB), 2);
  assert.is(await stand.answered('db-delta', WEB), 2);
  assert.equal(await destinations('delta'), ['10.78.0.1']);
});

gateways('without the gateway’s switch the private node is alone, and with it again it is not', async () => {
  const { openVswitch } = stand.cloud('gamma');
  await killed(await openVswitch.switchPid());
  await eventually('delta is cut off', async () => (await stand.pings('app', WEB)) === 0);
  await openVswitch.startSwitch();
  await eventually('delta is back', async () => (await stand.pings('app', WEB)) === 2);
});

/** The last gateway before the private network, on the way from the host in alpha: there may be another before it. */
async function gatewayNow(): Promise<string> {
  const { links } = await stand.sdnd('links.show', {});
  return links.find(({ a, b }) => a === 'alpha' && b === 'delta')?.via?.at(-1) ?? '';
}

/** Both gateways may be taken, from either side, and every switch has the flows that it is to have. */
async function areBothThere(): Promise<boolean> {
  const { links } = await stand.sdnd('controller.show', {});
  const isTaken = (side: string, gateway: string): boolean => {
    const link = links.find(({ a, b }) => [a, b].includes(side) && [a, b].includes(gateway));
    return typeof link?.latencyMs === 'number' && link.latencyMs < DOWN_MS;
  };
  if (!['alpha', 'delta'].every((side) => isTaken(side, 'beta') && isTaken(side, 'gamma'))) return false;
  const { switches } = await stand.sdnd('switch.verify', {});
  return switches.every(({ connected, differences }) => connected && differences.length === 0);
}

/** Pings that are sent after this moment come back. */
async function goOn(what: string, pings: RunningPings): Promise<void> {
  const { newest } = pings;
  await eventually(what, async () => pings.newest > newest + PINGS_MORE);
}

/** The gateway on the way is lost and comes back: pings go on over the other one, and none comes twice. */
async function outlasts(lose: (cloud: Cloud) => Promise<unknown>, comeBack: (cloud: Cloud) => Promise<unknown>) {
  const pings = new RunningPings(stand.nameOf('app'), `10.88.0.${WEB}`);
  try {
    await goOn('pings run', pings);
    const lost = await gatewayNow();
    const other = lost === 'beta' ? 'gamma' : 'beta';
    await lose(stand.cloud(lost));
    const lostMs = performance.now();
    await eventually(`${other} is on the way`, async () => (await gatewayNow()) === other);
    await goOn(`pings go on over ${other}`, pings);
    process.stdout.write(`  over ${other} ${Math.round(performance.now() - lostMs)} ms after ${lost} was lost\n`);
    await comeBack(stand.cloud(lost));
    await eventually(`${lost} is there again`, areBothThere);
    await goOn('pings go on with both', pings);
  } finally {
    await pings.stop();
  }
  assert.equal(pings.twice, []);
}

/** What a gateway's bridge in the private network does with tunnels' frames from now on. */
function inside({ openVswitch }: Cloud, command: string, flow: string): Promise<string> {
  const socket = openVswitch.integrationBridgeManagementSocket.replace(INTEGRATION_BRIDGE, INSIDE_BRIDGE);
  return runCommand('ovs-ofctl', ['-O', 'OpenFlow13', command, `unix:${socket}`, flow]);
}

/** Frames that a host has received. */
async function received(role: string): Promise<number> {
  const text = await runIn(stand.nameOf(role), 'cat', ['/proc/self/net/dev']);
  return Number(/eth0:\s*\d+\s+(\d+)/.exec(text)?.[1] ?? Number.NaN);
}

gateways(
  'one of two gateways dies: traffic goes on over the other, and nothing comes twice, also when it is back',
  async () => {
    await stand.tellMembers(TWO_GATEWAYS);
    await eventually('both gateways are there', areBothThere);
    await outlasts(
      async (cloud) => {
        await killed(await cloud.openVswitch.switchPid());
        await cloud.daemon(SWITCH_AGENT).kill();
      },
      async (cloud) => {
        await cloud.openVswitch.startSwitch();
        await cloud.startDaemon(SWITCH_AGENT);
      },
    );
  },
);

gateways('one of two gateways is cut off from the private network: it is gone round', async () => {
  const tunnels = `udp,tp_dst=${VXLAN_PORT}`;
  await outlasts(
    (cloud) => inside(cloud, 'add-flow', `priority=9,${tunnels},actions=drop`),
    (cloud) => inside(cloud, 'del-flows', tunnels),
  );
});

gateways('what is for all goes over neither of two gateways', async () => {
  const send = `import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("eth0", 0))
[s.send(b"\\xff" * 6 + bytes.fromhex("${macOf(APP).replaceAll(':', '')}") + b"\\x88\\xb6" + bytes(60)) for _ in range(${BROADCASTS})]`;
  const before = await received('web');
  await runIn(stand.nameOf('app'), 'python3', ['-c', send]);
  assert.is(await stand.answered('app', WEB), 2, 'what was sent later has arrived');
  const more = (await received('web')) - before;
  // The pings, and it may be some ARP.
  assert.ok(more < BROADCASTS, `${more} frames`);
});

gateways.run();
