// The topology by probes on real switches: three nodes with their agents and the controller as processes, hosts in place of
// guests. Needs root and Debian's openvswitch-switch. In order.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runCommand, runIn } from '../../lab/namespace.ts';
import { UNDERLAY_BRIDGE } from '../../lab/open-vswitch.ts';
import { portName } from '../../sdnd/agent/guest-ports.ts';
import type { TopologyLink } from '../../wire/contracts/topology.ts';
import { OverlayHosts } from './overlay-hosts.ts';
import { ADDRESS, NODES, type NodeName, ThreeSwitches } from './three-switches.ts';

const GUEST_FRAME_BYTES = 1_344;
/** 56 bytes of ICMP data, and the headers of ICMP, IPv4 and Ethernet. */
const PING_BYTES = 98;
const PROBE = '88b5';
const PROBER_COOKIE = 'cookie=0x300000000000000/-1';

const net = new ThreeSwitches();
const hosts = new OverlayHosts(net);
const topology = suite('topology by probes');

async function link(a: NodeName, b: NodeName): Promise<TopologyLink | undefined> {
  const { links } = await net.sdnd('links.show', {});
  return links.find((one) => one.a === a && one.b === b);
}

async function verdicts(): Promise<string> {
  const { links } = await net.sdnd('links.show', {});
  return links.map(({ a, b, verdict }) => `${a}-${b} ${verdict}`).join(', ');
}

function becomes(wanted: string): Promise<number> {
  return net.eventually(wanted, async () => (await verdicts()) === wanted);
}

const ALL_UP = 'alpha-beta up, alpha-gamma up, beta-gamma up';

/** What the underlay's switch at `at` does with tunnel frames from a node. */
async function cut(at: NodeName, from: NodeName): Promise<void> {
  await underlay(at, 'add-flow', `priority=9,udp,nw_src=${ADDRESS[from]},tp_dst=4789,actions=drop`);
}

async function mend(at: NodeName, from: NodeName): Promise<void> {
  await underlay(at, 'del-flows', `udp,nw_src=${ADDRESS[from]},tp_dst=4789`);
}

async function underlay(at: NodeName, command: string, flow: string): Promise<void> {
  const socket = net.switch(at).integrationBridgeManagementSocket.replace(/br-int\.mgmt$/, `${UNDERLAY_BRIDGE}.mgmt`);
  await runCommand('ovs-ofctl', ['-O', 'OpenFlow13', command, `unix:${socket}`, flow]);
}

async function flows(node: NodeName): Promise<string[]> {
  const text = await net.switch(node).ofctl('dump-flows', ['--no-stats']);
  return text.trim().split('\n').sort();
}

/** Probes that a node's switch has brought its agent, of one other. */
async function heard(node: NodeName, from: NodeName): Promise<number> {
  const text = await net.switch(node).ofctl('dump-flows', [`${PROBER_COOKIE},table=0`]);
  const line = text.split('\n').find((one) => one.includes(`tun_src=${ADDRESS[from]},`));
  return Number(/n_packets=(\d+)/.exec(line ?? '')?.[1] ?? 0);
}

/** What a guest at alpha has sent to an IPv4 address, as its node's agent has it. */
async function sentTo(owner: string, address: string): Promise<{ bytes: number; frames: number }> {
  const { sent } = await net.agent('alpha', 'figures.read', {});
  const { bytes = 0, frames = 0 } = sent.find((one) => one.owner === owner && one.to === address) ?? {};
  return { bytes, frames };
}

/** What a switch would do with a frame: the datapath's actions. */
async function traced(node: NodeName, frame: string): Promise<string> {
  const text = await net.switch(node).appctl(['ofproto/trace', 'br-int', frame]);
  return /Datapath actions: (.*)/.exec(text)?.[1] ?? text;
}

topology.before(async () => {
  await net.start();
  await hosts.addGuest('web', 'alpha', 10);
  await hosts.addGuest('app', 'beta', 11);
  await hosts.addGuest('db', 'gamma', 12);
  await net.eventually('the agents are in session', async () =>
    (await net.sdnd('links.show', {})).nodes.every(({ reports }) => reports),
  );
});
topology.after(() => net.stop());

topology('links appear when nodes share a network, with their round trip and a guest frame proved', async () => {
  for (const [owner, node] of [
    ['web', 'alpha'],
    ['app', 'beta'],
    ['db', 'gamma'],
  ] as const) {
    await net.sdnd('binding.set', { binding: hosts.binding(owner, node, portName(owner), 1) });
    await net.agent(node, 'port.open', { owner });
  }
  process.stdout.write(`  up after ${await becomes(ALL_UP)} ms\n`);
  await net.eventually('long frames', async () => (await link('alpha', 'gamma'))?.provedBytes === GUEST_FRAME_BYTES);
  const { roundTripMs, isShared, via } = (await link('alpha', 'gamma')) ?? {};
  assert.equal({ isShared, via }, { isShared: true, via: [] });
  assert.ok(typeof roundTripMs === 'number' && roundTripMs > 0, String(roundTripMs));
});

topology('what a guest sends another is counted once, and goes on being counted while its agent is away', async () => {
  assert.is(await hosts.answered('web', 'db'), 5);
  assert.equal(await sentTo('web', hosts.host('db').ip), { bytes: 5 * PING_BYTES, frames: 5 });
  await net.killAgent('alpha');
  assert.is(await hosts.answered('web', 'db', 3, ['-s', '1000']), 3);
  await net.startAgent('alpha');
  assert.equal(await sentTo('web', hosts.host('db').ip), { bytes: 5 * PING_BYTES + 3 * 1_042, frames: 8 });
  const { pairs, switches, unreachable } = await net.sdnd('figures.show', {});
  const framesOf = (from: string, to: string): number =>
    pairs.find((pair) => pair.from === from && pair.to === to)?.frames ?? 0;
  // A host also looks now and then whether its neighbour is there.
  for (const [from, to] of [
    ['web', 'db'],
    ['db', 'web'],
  ] as const)
    assert.ok(framesOf(from, to) >= 8 && framesOf(from, to) < 20, `${from} to ${to}: ${framesOf(from, to)}`);
  assert.equal(unreachable, []);
  assert.equal(
    switches.map(({ node, connected }) => ({ node, connected })),
    NODES.map((node) => ({ node, connected: true })),
  );
  for (const { node, flows, flowMods, packetIns } of switches) {
    assert.ok(flows > 10 && flowMods >= flows, `${flowMods} flow-mods for ${flows} flows`);
    // Alpha's agent has only just started.
    assert.ok(packetIns !== null && (node === 'alpha' || packetIns.probes > 0), node);
  }
});

topology('a cut one way is seen, takes no flow away, and is seen to be mended', async () => {
  const before = await Promise.all(NODES.map(flows));
  await cut('gamma', 'beta');
  const downMs = await becomes('alpha-beta up, alpha-gamma up, beta-gamma down');
  assert.equal(await Promise.all(NODES.map(flows)), before);
  await mend('gamma', 'beta');
  process.stdout.write(`  down after ${downMs} ms, up after ${await becomes(ALL_UP)} ms\n`);
});

topology('the end of a session is not the end of a link: it is unheard, and takes no flow away', async () => {
  const before = await Promise.all(NODES.map(flows));
  await net.killAgent('gamma');
  await net.eventually('gamma reports no more', async () => {
    const { nodes } = await net.sdnd('links.show', {});
    return nodes.every(({ node, reports }) => reports === (node !== 'gamma'));
  });
  await becomes('alpha-beta up, alpha-gamma unheard, beta-gamma unheard');
  assert.equal(await Promise.all(NODES.map(flows)), before);
  await net.startAgent('gamma');
  await net.eventually('gamma reports', async () =>
    (await net.sdnd('links.show', {})).nodes.every(({ reports }) => reports),
  );
});

topology('without the controller the agents go on, also one that starts; no flow goes', async () => {
  await becomes(ALL_UP);
  const before = await Promise.all(NODES.map(flows));
  await net.killController();
  await net.killAgent('beta');
  await net.startAgent('beta');
  const count = await heard('alpha', 'beta');
  await net.eventually('beta probes', async () => (await heard('alpha', 'beta')) > count + 2);
  assert.equal(await Promise.all(NODES.map(flows)), before);
  await net.startController();
  await becomes(ALL_UP);
  assert.equal(await Promise.all(NODES.map(flows)), before);
});

topology('flows of probes that somebody takes out come back', async () => {
  const before = await flows('alpha');
  await net.switch('alpha').ofctl('del-flows', [PROBER_COOKIE]);
  await net.eventually('the flows', async () => String(await flows('alpha')) === String(before));
  // Alpha heard nobody for a while, and its links may have been down: that is over before anything else is asked of them.
  for (const from of ['beta', 'gamma'] as const) {
    await net.eventually(`alpha hears ${from}`, async () => (await heard('alpha', from)) > 2);
  }
  await becomes(ALL_UP);
});

topology('no guest sends a probe or receives one', async () => {
  const { mac } = hosts.host('web');
  const port = portName('web');
  assert.is(await traced('alpha', `in_port=${port},dl_src=${mac},dl_dst=02:53:43:00:00:02,dl_type=0x${PROBE}`), 'drop');
  assert.is(await traced('alpha', `in_port=${port},tun_id=0,dl_src=02:53:43:00:00:01,dl_type=0x${PROBE}`), 'drop');
  const tunnel = (from: string): string => `in_port=vxlan0,tun_id=0,tun_src=${from},tun_dst=${ADDRESS.alpha}`;
  const probe = `dl_src=02:53:43:00:00:01,dl_dst=${mac},dl_type=0x${PROBE}`;
  assert.match(await traced('alpha', `${tunnel(ADDRESS.beta)},${probe}`), /^userspace\(.*controller/);
  assert.is(await traced('alpha', `${tunnel('10.77.0.9')},${probe}`), 'drop', 'of no member');
  const data = `dl_src=${hosts.host('app').mac},dl_dst=${mac},ip,nw_src=${hosts.host('app').ip},nw_dst=10.88.0.10`;
  assert.is(await traced('alpha', `${tunnel(ADDRESS.beta)},${data}`), 'drop');
});

topology('what a guest really sends as a probe reaches nobody, and nobody is misled by it', async () => {
  const frame = ['02:53:43:00:00:02'.replaceAll(':', ''), hosts.host('web').mac.replaceAll(':', ''), PROBE, '53435031'];
  const send = `import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("eth0", 0));
[s.send(bytes.fromhex("${frame.join('')}") + bytes(130)) for _ in range(20)]`;
  const before = await Promise.all((['app', 'db'] as const).map((name) => hosts.received(name)));
  await runIn(hosts.host('web').namespace, 'python3', ['-c', send]);
  assert.is(await hosts.answered('web', 'db', 2), 2, 'what was sent later has arrived');
  const [app, db] = await Promise.all((['app', 'db'] as const).map((name) => hosts.received(name)));
  assert.is(app, before[0]);
  assert.ok((db ?? 0) - (before[1] ?? 0) <= 4, 'the pings and their ARP');
  await becomes(ALL_UP);
});

topology('what a guest has sent is known when its port is gone, and its table is gone with it', async () => {
  const before = await sentTo('web', hosts.host('db').ip);
  assert.ok(before.frames >= 8);
  await net.agent('alpha', 'port.detach', { owner: 'web' });
  assert.equal(await sentTo('web', hosts.host('db').ip), before);
  const tables = await runIn(net.namespaceOf('alpha'), 'nft', ['list', 'tables']);
  assert.not.match(tables, portName('web'));
});

topology.run();
