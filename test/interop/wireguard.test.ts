// The underlay by real WireGuard (wireguard-go) in real namespaces: members reach one another, directly or by a relay,
// strangers and the removed do not, and a node exchanges its key while its neighbours speak to it. Needs root.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../common/errors.ts';
import { CONTROL_SOCKETS } from '../../common/wireguard-socket.ts';
import {
  CommandFailed,
  createNamespaces,
  createVethPairs,
  destroyNamespaces,
  runIn,
  spawnIn,
} from '../../lab/namespace.ts';
import { drawRunId } from '../../lab/run-directory.ts';
import { isServed } from '../../lab/wireguard.ts';
import { type UnderlayMember, wantedPeers } from '../../sdnd/underlay/underlay-peers.ts';
import { WireGuardDevice } from '../../sdnd/underlay/wireguard-device.ts';
import { type KeyPair, newKeyPair } from '../../sdnd/underlay/wireguard-keys.ts';
import { until } from '../until.ts';
import { answeredPings } from './pings.ts';

const PORT = 51_820;
const runId = drawRunId();
const NET = `sc-${runId}-net`;
const NODES = ['alpha', 'beta', 'gamma', 'delta', 'stranger'] as const;
type NodeName = (typeof NODES)[number];

/** One node: a namespace with an uplink to the network and a WireGuard device. */
interface Node {
  readonly name: NodeName;
  readonly namespace: string;
  readonly device: WireGuardDevice;
  readonly address: string;
  key: KeyPair;
}

let nodes: Record<NodeName, Node>;
const daemons: ChildProcess[] = [];

function nodeOf(name: NodeName, index: number): Node {
  const namespace = `sc-${runId}-${name}`;
  const run = (command: string, args: readonly string[], input?: string): Promise<string> =>
    runIn(namespace, command, args, input === undefined ? {} : { input });
  // The control socket is named after the device, and one directory is all namespaces'.
  const sockets = (): string => readFileSync(`/proc/${daemons[index]?.pid}/net/unix`, 'utf8');
  const nowSeconds = (): number => Date.now() / 1_000;
  const device = new WireGuardDevice({ name: `${runId}${index}`, run, sockets, nowSeconds });
  return { name, namespace, device, address: `10.99.0.${index + 1}`, key: newKeyPair() };
}

/** Gamma and delta are hidden: a filter lets nothing in that they did not ask for. */
async function makeNetwork(): Promise<void> {
  const all = Object.values(nodes);
  await createNamespaces([NET, ...all.map(({ namespace }) => namespace)]);
  await createVethPairs(
    all.map(({ namespace }, index) => [
      { namespace, device: 'uplink', address: `10.80.0.${index + 1}/24` },
      { namespace: NET, device: `node${index}` },
    ]),
  );
  const bridge = all.map((_, index) => `ip link set node${index} master net\n`).join('');
  await runIn(NET, 'sh', ['-e'], { input: `ip link add net type bridge\nip link set net up\n${bridge}` });
  const filter = `table inet hidden {
    chain in {
      type filter hook input priority 0; policy accept;
      iifname "uplink" ct state established,related accept
      iifname "uplink" meta l4proto udp drop
    }
  }`;
  for (const { namespace } of [nodes.gamma, nodes.delta]) await runIn(namespace, 'nft', ['-f', '-'], { input: filter });
}

async function startDevice(node: Node, index: number): Promise<void> {
  const name = `${runId}${index}`;
  const daemon = spawnIn(node.namespace, 'wireguard-go', ['--foreground', name], { stdio: 'ignore' });
  daemons.push(daemon);
  await until(`wireguard-go serves ${node.name}`, async () => isServed(daemon.pid, name));
  await node.device.setKey(node.key.privateKey, PORT);
  const script = `ip address add ${node.address}/24 dev ${name}\nip link set ${name} mtu 1420 up\nsysctl -qw net.ipv4.ip_forward=1\n`;
  await runIn(node.namespace, 'sh', ['-e'], { input: script });
}

function memberOf({ name, address, key }: Node, next?: string): UnderlayMember {
  const inner = { address: `10.80.0.${NODES.indexOf(name) + 1}`, port: PORT };
  const keys = next === undefined ? ([key.publicKey] as const) : ([key.publicKey, next] as const);
  const isHidden = name === 'gamma' || name === 'delta';
  return { node: name, cloud: name, address, keys, inner, outer: isHidden ? undefined : inner };
}

/** Every member is told of these, as each node's agent will be. */
async function tell(members: readonly UnderlayMember[]): Promise<void> {
  await Promise.all(
    members.map(async ({ node }) => {
      const { device } = nodes[node as NodeName];
      const { peers } = await device.show();
      const proven = new Set(peers.filter((peer) => peer.handshakeSeconds > 0).map((peer) => peer.publicKey));
      await device.setPeers(wantedPeers(node, { members }, (key) => proven.has(key)));
    }),
  );
}

/** Whether an answer comes, asked so many times in a second each. */
async function reaches(from: NodeName, to: NodeName, times = 1): Promise<boolean> {
  const args = ['-q', '-n', '-c', String(times), '-i', '0.2', '-W', '1', nodes[to].address];
  try {
    return / [1-9]\d* received/.test(await runIn(nodes[from].namespace, 'ping', args));
  } catch (error) {
    if (error instanceof CommandFailed) return false;
    throw error;
  }
}

const MEMBERS = ['alpha', 'beta', 'gamma', 'delta'] as const;

test.before(async () => {
  nodes = Object.fromEntries(NODES.map((name, index) => [name, nodeOf(name, index)])) as Record<NodeName, Node>;
  await makeNetwork();
  await Promise.all(Object.values(nodes).map(startDevice));
  await tell(MEMBERS.map((name) => memberOf(nodes[name])));
});

test.after(async () => {
  for (const daemon of daemons) {
    const exited = once(daemon, 'exit');
    if (daemon.exitCode === null && daemon.kill('SIGTERM')) await exited;
  }
  await destroyNamespaces([NET, ...Object.values(nodes).map(({ namespace }) => namespace)]);
});

test('every member reaches every other, two hidden ones by a relay', async () => {
  for (const from of MEMBERS)
    for (const to of MEMBERS) if (from !== to) await until(`${from} reaches ${to}`, () => reaches(from, to));
  const { peers } = await nodes.gamma.device.show();
  assert.equal(peers.map(({ publicKey }) => publicKey).includes(nodes.delta.key.publicKey), false);
});

test('being told the same again changes nothing at any device', async () => {
  const members = MEMBERS.map((name) => memberOf(nodes[name]));
  for (const name of MEMBERS)
    assert.is(await nodes[name].device.setPeers(wantedPeers(name, { members }, () => true)), false, name);
});

test('a stranger that knows every key is not heard', async () => {
  const { stranger, alpha } = nodes;
  const members = [memberOf(stranger), memberOf(alpha)];
  await stranger.device.setPeers(wantedPeers('stranger', { members }, () => false));
  assert.is(await reaches('stranger', 'alpha', 10), false);
  const { peers } = await stranger.device.show();
  assert.is(peers[0]?.handshakeSeconds, 0);
  assert.ok((peers[0]?.sentBytes ?? 0) > 0, 'it tried');
});

test('a member that sends from another one’s address is not heard', async () => {
  const { alpha, beta } = nodes;
  const spoofed = `${nodes.stranger.address}/32`;
  await runIn(beta.namespace, 'ip', ['address', 'add', spoofed, 'dev', 'lo']);
  const words = ['-q', '-n', '-c', '3', '-i', '0.2', '-W', '1', '-I', nodes.stranger.address, alpha.address];
  const said = await runIn(beta.namespace, 'ping', words).catch((error: unknown) => {
    if (error instanceof CommandFailed) return error.stdout;
    throw error;
  });
  assert.match(said, / 0 received/);
  await runIn(beta.namespace, 'ip', ['address', 'del', spoofed, 'dev', 'lo']);
});

test('a node exchanges its key while a neighbour speaks to it; then the old one is worth nothing', async () => {
  const { beta } = nodes;
  const next = newKeyPair();
  const withBoth = MEMBERS.map((name) => memberOf(nodes[name], name === 'beta' ? next.publicKey : undefined));
  await tell(withBoth);
  assert.is(await answeredPings(nodes.alpha.namespace, beta.address, 1), 1, 'the old key still speaks');
  await beta.device.setKey(next.privateKey, PORT);
  // Its neighbours' agents look now and then which key it speaks with.
  await until('alpha reaches beta by the new key', async () => {
    // Whoever has changed its key speaks first.
    await reaches('beta', 'alpha');
    await tell(withBoth);
    return reaches('alpha', 'beta');
  });
  beta.key = next;
  const members = MEMBERS.map((name) => memberOf(nodes[name]));
  await until('all have left the old key', async () => {
    await tell(members);
    return (await reaches('gamma', 'beta')) && (await reaches('beta', 'delta'));
  });
  const { peers } = await nodes.alpha.device.show();
  assert.ok(peers.some(({ publicKey }) => publicKey === next.publicKey));
  assert.is(peers.length, MEMBERS.length - 1);
});

test('a node that is removed is not heard, though it still has its key', async () => {
  const members = MEMBERS.filter((name) => name !== 'beta').map((name) => memberOf(nodes[name]));
  await tell(members);
  assert.is(await reaches('beta', 'alpha', 5), false);
  await until('the hidden ones have another relay', () => reaches('gamma', 'delta'));
});

const BIND = `import socket, sys
bound = socket.socket(socket.AF_UNIX)
bound.bind(sys.argv[1])
print('bound', flush=True)
sys.stdin.read()`;

test('a device whose wireguard-go does not listen yet is left alone: wg would remove its socket', async () => {
  const name = `${runId}x`;
  const path = `${CONTROL_SOCKETS}/${name}.sock`;
  const starting = spawnIn(NET, 'python3', ['-c', BIND, path], { stdio: ['pipe', 'pipe', 'ignore'] });
  daemons.push(starting);
  try {
    await once(starting.stdout as Readable, 'data');
    const device = new WireGuardDevice({
      name,
      run: (command, args) => runIn(NET, command, args),
      sockets: () => readFileSync(`/proc/${starting.pid}/net/unix`, 'utf8'),
      nowSeconds: () => 0,
    });
    for (const ask of [() => device.show(), () => device.setKey('', PORT), () => device.setPeers([])])
      assert.is(codeOf(await ask().catch((error: unknown) => error)), 'DEVICE_STARTING');
    assert.ok(existsSync(path), 'its socket is still there');
  } finally {
    rmSync(path, { force: true });
  }
});

test.run();
