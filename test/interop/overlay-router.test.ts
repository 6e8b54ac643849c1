// A network's router and its way out by real switches: a guest reaches another subnet, and holds a connection to somebody
// outside while it moves to one node after the other, the last of them that of the way out. Needs root and Debian's
// openvswitch-switch. The tests build on each other, in order.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createVethPair, runIn, spawnIn } from '../../lab/namespace.ts';
import { portName } from '../../sdnd/agent/guest-ports.ts';
import { within } from '../unit/common/members.ts';
import { childrenKilled } from './killed.ts';
import { OverlayHosts } from './overlay-hosts.ts';
import { ADDRESS, type NodeName, ThreeSwitches } from './three-switches.ts';

const WITHIN_MS = 60_000;
const GUEST_MTU_BYTES = 1330;
const OUTSIDE = '203.0.113.9';
const NEXT_HOP = '02:99:00:00:00:01';
const NETWORK = {
  tenant: 1,
  name: 'shop',
  subnets: [
    { subnet: '10.88.0.0', bits: 24, services: '10.88.0.1' },
    { subnet: '10.88.1.0', bits: 24, services: '10.88.1.1' },
  ],
  egress: {
    ...{ node: 'gamma', port: 'outside0', address: '198.51.100.7', nextHop: NEXT_HOP },
    forwards: [{ protocol: 'tcp' as const, port: 8080, to: '10.88.1.20', toPort: 443 }],
  },
};
const PINGS = `ping -n -c 2 -i 0.2 -W 1 ${OUTSIDE}`;
/** Says where it is called from, and says again what it hears. */
const SERVER = `require('node:net').createServer((socket) => {
  console.log(socket.remoteAddress + ':' + socket.remotePort);
  socket.on('error', () => undefined).pipe(socket);
}).listen(443, () => console.log('listens'));`;
/** Counts, ten times a second, and says what comes back. */
const CLIENT = `const socket = require('node:net').connect(443, '${OUTSIDE}');
socket.on('data', (bytes) => process.stdout.write(bytes)).on('close', () => process.exit(1));
let count = 0;
setInterval(() => socket.write(++count + '\\n'), 100);`;

const CALLER = `require('node:net').connect(8080, '198.51.100.7').on('data', (bytes) => process.stdout.write(bytes))
  .write('called\\n');`;

/** Of the node: what comes to its own address. */
const NODE_HEARS = `require('node:dgram').createSocket('udp4').on('message', (bytes) => console.log(String(bytes)))
  .bind(7777, () => console.log('listens'));`;
/** Ten times a second from one port to one other, without a pause; and who hears it, from whom. */
const SPEAKER = `const socket = require('node:dgram').createSocket('udp4').bind(5555, () =>
  setInterval(() => socket.send('x', 5555, '${OUTSIDE}'), 100));`;
const HEARER = `require('node:dgram').createSocket('udp4').on('message', (_, { address }) => console.log(address))
  .bind(5555, () => console.log('listens'));`;
const OTHER_ADDRESS = '198.51.100.8';

const net = new ThreeSwitches({ outside: { gamma: 'outside0' } });
const hosts = new OverlayHosts(net);
const router = suite('router and way out');
const running: ChildProcess[] = [];
/** What came back to the guest, in order. */
const heard: number[] = [];

function run(name: string, script: string): Promise<string> {
  return runIn(hosts.host(name).namespace, 'sh', ['-c', `(${script}) 2>&1 || true`]);
}

/** What a guest reads of itself, by its router, again and again until it is answered. */
async function metadata(name: string, item: string): Promise<string> {
  let text = '';
  await net.eventually(`${name} reads its ${item}`, async () => {
    text = await run(name, `curl -s -m 3 http://169.254.169.254/latest/meta-data/${item}`);
    return text !== '';
  });
  return text;
}

/** The guest hears something that it did not hear before. */
async function hearsMore(): Promise<void> {
  const before = heard.length;
  await net.eventually('the guest hears more', async () => heard.length > before);
}

/** A program of Node's in a host; its lines. */
function start(name: string, program: string): Interface {
  return startIn(hosts.host(name).namespace, program);
}

function startIn(namespace: string, program: string): Interface {
  const child = spawnIn(namespace, process.execPath, ['-e', program]);
  running.push(child);
  if (child.stdout === null) throw new TypeError('a program without output');
  return createInterface(child.stdout);
}

async function nextLine(lines: Interface, what: string): Promise<string> {
  const [line]: unknown[] = await within(once(lines, 'line'), WITHIN_MS, `${what}\n${net.logTails()}`);
  return String(line);
}

async function addFar(): Promise<void> {
  const mac = '02:88:00:00:00:14';
  hosts.add('far', await net.addHost('far', 'beta', portName('far'), mac, '10.88.1.20'));
  await net.agent('beta', 'port.attach', { owner: 'far', mac });
}

/** Somebody outside has an address that the overlay's nodes know nothing of; the device comes when its switch wants it already. */
async function addOutside(): Promise<void> {
  hosts.add('outside', await net.addHost('outside', 'gamma', 'outside0', NEXT_HOP, '198.51.100.1'));
  await run('outside', `ip address add ${OUTSIDE}/32 dev lo`);
}

router.before(async () => {
  await net.start();
  await hosts.addGuest('web', 'alpha', 10);
  await addFar();
  await addOutside();
  await run('web', 'ip route add default via 10.88.0.1');
  await run('far', 'ip route add default via 10.88.1.1');
  await net.sdnd('networks.set', { networks: [NETWORK] });
  for (const [owner, node] of [
    ['web', 'alpha'],
    ['far', 'beta'],
  ] as const) {
    await net.sdnd('binding.set', { binding: hosts.binding(owner, node, portName(owner), 1) });
    await net.agent(node, 'port.open', { owner });
  }
  const { term } = await net.sdnd('binding.list', {});
  await net.sdnd('state.told', { term });
});
router.after(async () => {
  await childrenKilled(running);
  await net.stop();
});

router('a guest reaches another subnet by the router, one hop away', async () => {
  await net.eventually('pings are answered', async () => (await hosts.pings('web', 'far')) === 5);
  assert.match(await run('web', 'ping -n -c 1 -W 20 10.88.1.20'), / ttl=63 /);
  assert.match(await run('far', 'ping -n -c 1 -W 20 10.88.1.1'), / 1 received/);
  assert.match(await run('far', 'ping -n -c 1 -W 2 10.88.0.99'), / 0 received/);
});

// The switch in user space takes copies of frames that the node's own IP gets too.
router('what a guest sends comes to nothing of its node, as whom it speaks and in whatever frame', async () => {
  const [node, other] = [ADDRESS.alpha, ADDRESS.beta];
  const nodeSays = startIn(net.namespaceOf('alpha'), NODE_HEARS);
  assert.is(await nextLine(nodeSays, 'the node listens'), 'listens');
  const heardFirst = nextLine(nodeSays, 'the node hears something');
  const asEverybody = `ip neigh replace ${node} lladdr ff:ff:ff:ff:ff:ff dev eth0 nud permanent`;
  await run('web', `ip address add ${other}/32 dev lo; ip route add ${node}/32 dev eth0 src ${other}; ${asEverybody}`);
  await run('web', `bash -c 'echo guest > /dev/udp/${node}/7777'`);
  await runIn(net.namespaceOf('alpha'), 'bash', ['-c', 'echo node > /dev/udp/127.0.0.1/7777']);
  assert.is(await heardFirst, 'node');
  await run('web', `ip address del ${other}/32 dev lo; ip route del ${node}/32; ip neigh del ${node} dev eth0`);
});

router('outside it is seen by the address of its network', async () => {
  const outsideSays = start('outside', SERVER);
  assert.is(await nextLine(outsideSays, 'the server listens'), 'listens');
  const called = nextLine(outsideSays, 'a guest calls');
  start('web', CLIENT).on('line', (line) => heard.push(Number(line)));
  assert.match(await called, /^::ffff:198\.51\.100\.7:\d+$/);
  await hearsMore();
  await net.eventually('pings of another guest', async () => / 2 received/.test(await run('far', PINGS)));
});

router('a port of its address leads in, to a guest that sees who calls', async () => {
  const farSays = start('far', SERVER);
  assert.is(await nextLine(farSays, 'the guest listens'), 'listens');
  const called = nextLine(farSays, 'somebody calls');
  const answer = nextLine(start('outside', CALLER), 'the guest answers');
  assert.match(await called, /^::ffff:198\.51\.100\.1:\d+$/);
  assert.is(await answer, 'called');
});

router('from outside nobody else is reached who has not called', async () => {
  await run('outside', 'ip route add 10.88.0.0/16 via 198.51.100.7');
  const pings = ['10.88.0.10', '198.51.100.7'].map((address) => run('outside', `ping -n -c 1 -W 1 ${address}`));
  for (const text of await Promise.all(pings)) assert.match(text, / 0 received/);
});

/** A guest's one device goes, and another that its new node's switch has comes, with the same addresses. */
async function move(
  from: NodeName,
  to: NodeName,
  epoch: number,
  [old, next]: readonly [string, string],
): Promise<void> {
  const { namespace, mac, ip } = hosts.host('web');
  const port = portName('web');
  await createVethPair(
    { namespace: net.namespaceOf(to), device: port },
    { namespace, device: next, mac },
    GUEST_MTU_BYTES,
  );
  await net.agent(to, 'port.attach', { owner: 'web', mac });
  const migration = String(epoch).padStart(16, '0');
  await net.sdnd('migration.prepare', { migration, to: hosts.binding('web', to, port, epoch) });
  await net.agent(from, 'port.close', { owner: 'web' });
  await run(
    'web',
    `ip address del ${ip}/24 dev ${old}; ip address add ${ip}/24 dev ${next}; ip route add default via 10.88.0.1`,
  );
  await net.agent(to, 'port.open', { owner: 'web' });
  await net.sdnd('migration.complete', { migration });
}

router(
  'its connection goes on after it has moved, and moved again; each node tells it the same of itself',
  async () => {
    const id = await metadata('web', 'instance-id');
    assert.match(id, /^i-[0-9a-f]{17}$/);
    assert.is.not(await metadata('far', 'instance-id'), id);
    await move('alpha', 'beta', 2, ['eth0', 'eth1']);
    await hearsMore();
    assert.is(await metadata('web', 'instance-id'), id);
    await move('beta', 'gamma', 3, ['eth1', 'eth2']);
    await hearsMore();
    assert.is(await metadata('web', 'instance-id'), id);
    // All that it said has been said again, in order: the connection is one and the same.
    assert.equal(
      heard,
      heard.map((_, index) => index + 1),
    );
    assert.is(await hosts.answered('web', 'far', 3), 3);
  },
);

router('under another address who never pauses is heard again', async () => {
  const outsideSays = start('outside', HEARER);
  assert.is(await nextLine(outsideSays, 'somebody listens'), 'listens');
  const before = nextLine(outsideSays, 'the guest is heard');
  start('far', SPEAKER);
  assert.is(await before, NETWORK.egress.address);
  const heardAs = new Set<string>();
  outsideSays.on('line', (line) => heardAs.add(line));
  await net.sdnd('networks.set', {
    networks: [{ ...NETWORK, egress: { ...NETWORK.egress, address: OTHER_ADDRESS } }],
  });
  await net.eventually('the guest is heard again', async () => heardAs.has(OTHER_ADDRESS));
});

router('installed is what is wanted, and a second look finds nothing', async () => {
  const { switches } = await net.sdnd('switch.verify', {});
  assert.equal(
    switches.flatMap(({ node, differences }) => differences.map((one) => `${node} ${one}`)),
    [],
  );
});

router.run();
