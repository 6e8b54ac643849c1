// IPv6 in the overlay, with real switches, agents and kernels: guests take the addresses that follow from their MAC addresses,
// reach each other in a subnet and by the router, speak for nobody else, and keep a connection when one of them moves. Needs
// root, Debian's openvswitch-switch, bind9-dnsutils and isc-dhcp-client. The tests build on each other, in order.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createVethPair, runIn, spawnIn } from '../../lab/namespace.ts';
import { portName } from '../../sdnd/agent/guest-ports.ts';
import type { SecurityRule } from '../../wire/contracts/security-groups.ts';
import { within } from '../unit/common/members.ts';
import { childrenKilled } from './killed.ts';
import { OverlayHosts } from './overlay-hosts.ts';
import { type NodeName, ThreeSwitches } from './three-switches.ts';

const WITHIN_MS = 60_000;
const GUEST_MTU_BYTES = 1330;
const MIGRATION = '00000000000000c6';
/** A ping that nobody hears: whether anybody has is told by who would have, once a later one has come. */
const UNHEARD = '-c 1 -W 0.2';
const NETWORK = {
  tenant: 1,
  name: 'shop',
  subnets: [
    { subnet: '10.88.0.0', bits: 24, services: '10.88.0.1', ipv6: 'fd00:88::' },
    { subnet: '10.88.1.0', bits: 24, services: '10.88.1.1', ipv6: 'fd00:88:0:1::' },
  ],
};
const ROUTER = 'fe80::53:43ff:fe00:1';
/** As they follow from the MAC addresses. */
const ADDRESSES: Readonly<Record<string, string>> = {
  web: 'fd00:88::88:ff:fe00:a',
  app: 'fd00:88::88:ff:fe00:b',
  far: 'fd00:88:0:1:88:ff:fe00:14',
};
const PLACES: readonly (readonly [string, NodeName])[] = [
  ['web', 'alpha'],
  ['app', 'beta'],
  ['far', 'gamma'],
];
/** Says from where it is called, and says again what it hears. */
const SERVER = `require('node:net').createServer((socket) => {
  console.log(socket.remoteAddress);
  socket.on('error', () => undefined).pipe(socket);
}).listen(443, '::', () => console.log('listens'));`;
/** Counts, ten times a second, and says what comes back. */
const CLIENT = `const socket = require('node:net').connect(443, '${ADDRESSES.far}');
socket.on('data', (bytes) => process.stdout.write(bytes)).on('close', () => process.exit(1));
let count = 0;
setInterval(() => socket.write(++count + '\\n'), 100);`;

const net = new ThreeSwitches();
const hosts = new OverlayHosts(net);
const folder = mkdtempSync(join(tmpdir(), 'ipv6-'));
const six = suite('IPv6 in the overlay');
const running: ChildProcess[] = [];
/** What came back to the guest, in order. */
const heard: number[] = [];

function run(name: string, script: string): Promise<string> {
  return runIn(hosts.host(name).namespace, 'sh', ['-c', `(${script}) 2>&1 || true`]);
}

function ping(name: string, to: string, options = '-c 1 -W 20'): Promise<string> {
  return run(name, `ping -6 -n ${options} ${ADDRESSES[to] ?? to}`);
}

/** Its kernel speaks IPv6 by a device from now on, and asks for a router at once. */
async function speakIpv6(name: string, device: string): Promise<void> {
  const set = (key: string, value: number): string => `net.ipv6.conf.${device}.${key}=${value}`;
  await run(name, `sysctl -qw ${set('router_solicitation_delay', 0)} ${set('disable_ipv6', 0)}`);
}

/** The kernel has taken its address and asked whether anybody else has it. */
async function hasAddress(name: string, device: string): Promise<void> {
  await net.eventually(`${name} has its address`, async () => {
    const text = await run(name, `ip -6 -o address show dev ${device} scope global`);
    return text.includes(`${ADDRESSES[name]}/64`) && !/tentative|dadfailed/.test(text);
  });
}

/** A program of Node's in a host; its lines. */
function start(name: string, program: string): Interface {
  const child = spawnIn(hosts.host(name).namespace, process.execPath, ['-e', program]);
  running.push(child);
  if (child.stdout === null) throw new TypeError('a program without output');
  return createInterface(child.stdout);
}

async function nextLine(lines: Interface, what: string): Promise<string> {
  const [line]: unknown[] = await within(once(lines, 'line'), WITHIN_MS, `${what}\n${net.logTails()}`);
  return String(line);
}

six.before(async () => {
  await net.start();
  await hosts.addGuest('web', 'alpha', 10);
  await hosts.addGuest('app', 'beta', 11);
  const mac = '02:88:00:00:00:14';
  hosts.add('far', await net.addHost('far', 'gamma', portName('far'), mac, '10.88.1.20'));
  await net.agent('gamma', 'port.attach', { owner: 'far', mac });
  await net.sdnd('networks.set', { networks: [NETWORK] });
  for (const [owner, node] of PLACES) {
    await net.sdnd('binding.set', { binding: hosts.binding(owner, node, portName(owner), 1) });
    await net.agent(node, 'port.open', { owner });
  }
  const { term } = await net.sdnd('binding.list', {});
  await net.sdnd('state.told', { term });
});
six.after(async () => {
  await childrenKilled(running);
  await net.stop();
  rmSync(folder, { recursive: true });
});

six('each kernel takes the address that follows from its MAC address, and the router', async () => {
  await Promise.all(hosts.names.map((name) => speakIpv6(name, 'eth0')));
  for (const name of hosts.names) await hasAddress(name, 'eth0');
  assert.match(await run('web', 'ip -6 route show default'), new RegExp(`^default via ${ROUTER} dev eth0 proto ra`));
});

six('in a subnet they reach each other directly, and by name; in two by the router, one hop away', async () => {
  assert.match(await ping('web', 'app'), / ttl=64 /);
  assert.match(await ping('web', 'far'), / ttl=63 /);
  const dig = `dig +short +tries=5 +time=3 @${ROUTER}%eth0 far.shop.internal AAAA`;
  assert.is((await run('web', dig)).trim(), ADDRESSES.far);
});

six(
  'the router answers pings, and tells whose hop limit ends there and that there is no way to the Internet',
  async () => {
    for (const router of ['fd00:88::1', 'fd00:88:0:1::1']) assert.match(await ping('far', router), / 1 received/);
    assert.match(await ping('web', 'far', '-c 1 -t 1 -W 20'), /From fd00:88::1 .*Time exceeded: Hop limit/);
    assert.match(await ping('web', '2001:db8::1'), /From fd00:88::1 .*Destination unreachable: No route/);
  },
);

/** Pings that have come to a guest. */
async function pinged(name: string): Promise<number> {
  const text = await run(name, 'cat /proc/self/net/snmp6');
  return Number(/Icmp6InEchos\s+(\d+)/.exec(text)?.[1]);
}

six('in the name of another address nobody is heard, not even by the guest whose address it is', async () => {
  const before = await pinged('far');
  for (const other of ['fd00:88::99', ADDRESSES.web]) {
    await run('app', `ip -6 address add ${other}/64 dev eth0 nodad`);
    const text = await ping('app', 'far', `${UNHEARD} -I ${other}`);
    assert.match(text, / 0 received/, text);
    await run('app', `ip -6 address del ${other}/64 dev eth0`);
  }
  assert.match(await ping('app', 'far'), / 1 received/);
  assert.is(await pinged('far'), before + 1);
});

/** The guest hears something that it did not hear before. */
async function hearsMore(): Promise<void> {
  const before = heard.length;
  await net.eventually('the guest hears more', async () => heard.length > before);
}

six('a connection goes on when its guest has moved, which takes its address again there', async () => {
  const farSays = start('far', SERVER);
  assert.is(await nextLine(farSays, 'the server listens'), 'listens');
  const called = nextLine(farSays, 'a guest calls');
  start('web', CLIENT).on('line', (line) => heard.push(Number(line)));
  assert.is(await called, ADDRESSES.web);
  await hearsMore();
  const { namespace, mac } = hosts.host('web');
  const port = portName('web');
  await createVethPair(
    { namespace: net.namespaceOf('beta'), device: port },
    { namespace, device: 'eth1', mac },
    GUEST_MTU_BYTES,
  );
  await net.agent('beta', 'port.attach', { owner: 'web', mac });
  await net.sdnd('migration.prepare', { migration: MIGRATION, to: hosts.binding('web', 'beta', port, 2) });
  await net.agent('alpha', 'port.close', { owner: 'web' });
  await run('web', 'ip link set eth0 down');
  await net.agent('beta', 'port.open', { owner: 'web' });
  await speakIpv6('web', 'eth1');
  await net.sdnd('migration.complete', { migration: MIGRATION });
  await hasAddress('web', 'eth1');
  await hearsMore();
  // All that it said has been said again, in order: the connection is one and the same.
  assert.equal(
    heard,
    heard.map((_, index) => index + 1),
  );
  assert.match(await ping('app', 'web'), / ttl=64 /);
});

six('a security group lets in who is in an IPv6 prefix of its rules, and no other', async () => {
  const letIn = (remotePrefix: string) => {
    const rules: SecurityRule[] = [{ direction: 'ingress', ethertype: 'IPv6', protocol: 'icmp', remotePrefix }];
    return net.sdnd('groups.set', { groups: [{ name: 'six', rules, members: ['far'] }] });
  };
  const before = await pinged('far');
  await letIn('fd00:88:0:1::/64');
  assert.match(await ping('app', 'far', UNHEARD), / 0 received/);
  await letIn('fd00:88::/64');
  assert.match(await ping('app', 'far'), / 1 received/);
  await letIn(`${ADDRESSES.web}`);
  assert.match(await ping('app', 'far', UNHEARD), / 0 received/);
  assert.match(await ping('web', 'far'), / 1 received/);
  assert.is(await pinged('far'), before + 2);
});

six('installed is what is wanted, and a trace says so', async () => {
  const { switches } = await net.sdnd('switch.verify', {});
  assert.equal(
    switches.flatMap(({ node, differences }) => differences.map((one) => `${node} ${one}`)),
    [],
  );
  const { wanted, real } = await net.sdnd('network.trace', { from: 'web', to: 'far', compare: true, ipv6: true });
  assert.equal([wanted.verdict, real?.verdict], ['delivered', 'delivered']);
});

/** Debian's client of DHCPv6 in a guest, with a lease file that stays; what it says. */
function dhclient(name: string): Promise<string> {
  const file = (kind: string): string => join(folder, `${name}.${kind}`);
  const files = `-cf /dev/null -lf ${file('leases')} -pf ${file('pid')} -sf ${file('sh')}`;
  return run(name, `touch ${file('leases')}; dhclient -6 -v -1 ${files} eth0`);
}

/** Takes the address that it is given. */
function writeDhclientScript(name: string): void {
  const take = '[ -z "$new_ip6_address" ] || ip -6 address replace "$new_ip6_address/128" dev "$interface"';
  writeFileSync(join(folder, `${name}.sh`), `#!/bin/sh\n${take}\n`, { mode: 0o755 });
}

/** Its kernel forms what addresses it likes (RFC 7217), has heard of the router, and has formed none but a link-local one. */
async function hasRouterAlone(name: string): Promise<void> {
  await run(name, 'sysctl -qw net.ipv6.conf.eth0.addr_gen_mode=3; ip link set eth0 up');
  await speakIpv6(name, 'eth0');
  await net.eventually(`${name} has a router`, async () => {
    const text = await run(name, 'ip -6 route show default; ip -6 -o address show dev eth0 scope link');
    return /proto ra/.test(text) && /inet6 fe80/.test(text) && !/tentative/.test(text);
  });
  assert.is(await run(name, 'ip -6 -o address show dev eth0 scope global'), '');
}

/** It has taken the address and has asked whether anybody else has it; it has no other. */
async function hasLeased(name: string): Promise<void> {
  let text = '';
  await net.eventually(`${name} has taken its address`, async () => {
    text = await run(name, 'ip -6 -o address show dev eth0 scope global');
    return text.includes('inet6') && !/tentative|dadfailed/.test(text);
  });
  assert.match(text, new RegExp(`^[^\\n]*inet6 ${ADDRESSES[name]}/128 [^\\n]*\\n$`));
}

six(
  'where addresses are leased a client of DHCPv6 has its own, whatever its kernel would form, and again after a move',
  async () => {
    await net.sdnd('groups.set', { groups: [] });
    await net.sdnd('networks.set', { networks: [{ ...NETWORK, ipv6Addresses: 'leased' }] });
    writeDhclientScript('app');
    await run('app', 'ip link set eth0 down');
    await hasRouterAlone('app');
    assert.match(await dhclient('app'), /XMT: Request.*RCV: Reply/s);
    await hasLeased('app');
    assert.match(await ping('app', 'far'), / ttl=63 /);
    assert.match(await ping('far', 'app'), / ttl=63 /);

    const { namespace, mac } = hosts.host('app');
    const port = portName('app');
    const near = { namespace: net.namespaceOf('gamma'), device: port };
    await createVethPair(near, { namespace, device: 'eth1', mac }, GUEST_MTU_BYTES);
    await net.agent('gamma', 'port.attach', { owner: 'app', mac });
    const migration = '00000000000000c7';
    await net.sdnd('migration.prepare', { migration, to: hosts.binding('app', 'gamma', port, 3) });
    await net.agent('beta', 'port.close', { owner: 'app' });
    await run('app', `kill "$(cat ${join(folder, 'app.pid')})"; ip link set eth0 down; ip link set eth0 name old0`);
    await run('app', 'ip link set eth1 down; ip link set eth1 name eth0');
    await net.agent('gamma', 'port.open', { owner: 'app' });
    await hasRouterAlone('app');
    await net.sdnd('migration.complete', { migration });
    assert.match(await dhclient('app'), /XMT: Confirm.*RCV: Reply/s);
    await hasLeased('app');
    assert.match(await ping('app', 'web'), / ttl=64 /);
    assert.match(await ping('far', 'app'), / ttl=63 /);
  },
);

six('a prefix that is taken away is left by the kernels: its addresses are used for nothing new', async () => {
  const subnets = NETWORK.subnets.map(({ ipv6: _, ...subnet }) => subnet);
  await net.sdnd('networks.set', { networks: [{ ...NETWORK, subnets }] });
  await net.eventually('the address is deprecated', async () => {
    const text = await run('web', 'ip -6 -o address show dev eth1 scope global');
    return text.includes('deprecated');
  });
  assert.match(await ping('web', 'far', '-c 1 -W 1'), / 0 received|unreachable/);
});

six.run();
