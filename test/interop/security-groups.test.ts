// Security groups on real switches: what a group allows passes, all else does not, answers pass, and connections stay when
// their guest moves, whoever speaks first. Needs root and Debian's openvswitch-switch. The tests build on each other, in order.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createVethPair, runIn, spawnIn } from '../../lab/namespace.ts';
import { portName } from '../../sdnd/agent/guest-ports.ts';
import type { SecurityGroup } from '../../wire/contracts/security-groups.ts';
import { within } from '../unit/common/members.ts';
import { childrenKilled } from './killed.ts';
import { OverlayHosts } from './overlay-hosts.ts';
import { type NodeName, ThreeSwitches } from './three-switches.ts';

const WITHIN_MS = 20_000;
const GUEST_MTU_BYTES = 1330;
const MIGRATION = '00000000000000b1';
const BACK = '00000000000000b2';
const EGRESS = { direction: 'egress', ethertype: 'IPv4', protocol: 'any' } as const;
const INGRESS = { direction: 'ingress', ethertype: 'IPv4' } as const;
/** Guests of `web` are called by anybody at some ports; `db` by those of `web`. */
const WEB: SecurityGroup = {
  name: 'web',
  rules: [EGRESS, { ...INGRESS, protocol: 'tcp', ports: { first: 8000, last: 8079 } }],
  members: ['web'],
};
const DB: SecurityGroup = {
  name: 'db',
  rules: [EGRESS, { ...INGRESS, protocol: 'any', remoteGroup: 'web' }],
  members: ['db'],
};

const PLACES: readonly (readonly [string, NodeName])[] = [
  ['web', 'alpha'],
  ['db', 'beta'],
  ['peer', 'gamma'],
];

const net = new ThreeSwitches();
const hosts = new OverlayHosts(net);
const groups = suite('security groups');
const running: ChildProcess[] = [];

/** Nobody answers: longer than TCP waits until it sends a lost first packet once more (1 s, RFC 6298), and a busy switch besides. */
const SILENT_MS = 2_500;
/**
 * Of every host: it answers at some ports of TCP, calls, and pushes to whoever has called at port 9000, by TCP or UDP. A line
 * in, a line out.
 */
const PROGRAM = `const net = require('node:net');
const callers = new Set();
const serve = (port) => net.createServer((socket) => {
  if (port === 9000) callers.add(socket);
  socket.on('error', () => undefined).on('data', (bytes) => socket.write(bytes));
}).listen(port, () => console.log('listens'));
[8000, 8079, 8080, 9000].forEach(serve);
const udp = require('node:dgram').createSocket('udp4');
let far;
let stays;
udp.on('message', (bytes, from) => {
  far = from;
  console.log('udp ' + (bytes.length > 99 ? bytes.length : bytes));
}).bind(9000);
const orders = {
  call: (id, address, port) => {
    const socket = net.connect(Number(port), address);
    const end = (word) => { socket.destroy(); console.log(id + ' ' + word); };
    const timer = setTimeout(() => end('silent'), ${SILENT_MS});
    socket.on('error', () => undefined).on('connect', () => socket.write('x'))
      .on('data', () => { clearTimeout(timer); end('answered'); });
  },
  stay: (address) => {
    stays = net.connect(9000, address).on('data', (bytes) => console.log('tcp ' + bytes));
    stays.on('close', () => console.log('closed')).write('hello');
  },
  tell: (text) => stays.write(text),
  datagram: (address, text) => udp.send(text, 9000, address),
  long: (address, bytes) => udp.send(Buffer.alloc(Number(bytes)), 9000, address),
  push: (text) => { for (const socket of callers) socket.write(text); if (far) udp.send(text, far.port, far.address); },
};
require('node:readline').createInterface(process.stdin).on('line', (line) => {
  const [order, ...words] = line.split(' ');
  orders[order](...words);
});`;

/** The program in a host. */
class HostProgram {
  readonly #child: ChildProcess;
  /** Lines that nobody has asked for yet. */
  readonly #heard: string[] = [];
  readonly #waiters = new Set<() => void>();
  #calls = 0;

  constructor(name: string) {
    this.#child = spawnIn(hosts.host(name).namespace, process.execPath, ['-e', PROGRAM]);
    running.push(this.#child);
    if (this.#child.stdout === null) throw new TypeError('a program without output');
    createInterface(this.#child.stdout).on('line', (line) => {
      this.#heard.push(line);
      for (const look of this.#waiters) look();
    });
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Takes the first line that begins like that. */
  async hears(begin: string): Promise<string> {
    const isThere = (line: string): boolean => line.startsWith(begin);
    while (!this.#heard.some(isThere)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiters.add(resolve);
      await within(promise, WITHIN_MS, `no '${begin}' but ${this.#heard.join()}\n${net.logTails()}`);
      this.#waiters.delete(resolve);
    }
    return this.#heard.splice(this.#heard.findIndex(isThere), 1)[0] ?? '';
  }

  hasHeard(begin: string): boolean {
    return this.#heard.some((line) => line.startsWith(begin));
  }

  /** Whether somebody answers there. */
  async calls(to: string, port: number): Promise<boolean> {
    const id = `call${++this.#calls}`;
    this.say(`call ${id} ${hosts.host(to).ip} ${port}`);
    return (await this.hears(id)) === `${id} answered`;
  }
}

const programs = new Map<string, HostProgram>();

function at(name: string): HostProgram {
  const found = programs.get(name);
  if (found === undefined) throw new TypeError(`there is no program at ${name}`);
  return found;
}

/** What is answered of some calls at once: from, to, port. */
function answered(...calls: readonly (readonly [string, string, number])[]): Promise<boolean[]> {
  return Promise.all(calls.map(([from, to, port]) => at(from).calls(to, port)));
}

groups.before(async () => {
  await net.start();
  await net.sdnd('groups.set', { groups: [WEB, DB] });
  for (const [index, [owner, node]] of PLACES.entries()) {
    await hosts.addGuest(owner, node, 10 + index);
    await net.sdnd('binding.set', { binding: hosts.binding(owner, node, portName(owner), 1) });
    await net.agent(node, 'port.open', { owner });
    programs.set(owner, new HostProgram(owner));
    await at(owner).hears('listens');
  }
  const { term } = await net.sdnd('binding.list', {});
  await net.sdnd('state.told', { term });
  await net.eventually('a call is answered', async () => at('peer').calls('web', 8000));
});
groups.after(async () => {
  await childrenKilled(running);
  await net.stop();
});

groups('a guest is called at the ports of its rules and at no other, and answers', async () => {
  const calls = [8000, 8079, 8080, 9000].map((port) => ['peer', 'web', port] as const);
  assert.equal(await answered(...calls, ['web', 'peer', 9000]), [true, true, false, false, true]);
  assert.is(await hosts.pings('peer', 'web', 1, ['-W', '1']), 0);
  assert.is(await hosts.answered('web', 'peer', 2), 2);
});

groups('members of a group that a rule names are let in, others are not', async () => {
  const calls = [
    ['web', 'db', 9000],
    ['peer', 'db', 9000],
    ['db', 'web', 9000],
    ['db', 'web', 8000],
  ] as const;
  assert.equal(await answered(...calls), [true, false, false, true]);
  await net.sdnd('groups.set', { groups: [{ ...WEB, members: ['web', 'peer'] }, DB] });
  assert.equal(await answered(['peer', 'db', 9000], ['web', 'peer', 9000]), [true, false]);
  await net.sdnd('groups.set', { groups: [WEB, DB] });
});

groups(
  'a rule that is taken away stops the connections that it allowed, and one that comes back lets them go on',
  async () => {
    at('web').say(`stay ${hosts.host('db').ip}`);
    await at('web').hears('tcp hello');
    await net.sdnd('groups.set', {
      groups: [
        { ...WEB, rules: [] },
        { ...DB, rules: [EGRESS] },
      ],
    });
    at('web').say('tell again');
    assert.equal(await answered(['web', 'db', 9000], ['peer', 'web', 8000]), [false, false]);
    assert.not.ok(at('web').hasHeard('tcp again'));
    await net.sdnd('groups.set', { groups: [WEB, DB] });
    await at('web').hears('tcp again');
    assert.is(await at('peer').calls('web', 8000), true);
  },
);

groups(
  'a datagram in fragments comes whole where its port is allowed, and not at all where another one is',
  async () => {
    const web = (port: number): SecurityGroup => {
      const datagrams = { ...INGRESS, protocol: 'udp', ports: { first: port, last: port } } as const;
      return { ...WEB, rules: [...WEB.rules, datagrams] };
    };
    await net.sdnd('groups.set', { groups: [web(9000), DB] });
    at('db').say(`long ${hosts.host('web').ip} 3000`);
    await at('web').hears('udp 3000');
    at('web').say(`long ${hosts.host('db').ip} 2000`);
    await at('db').hears('udp 2000');
    await net.sdnd('groups.set', { groups: [web(9001), DB] });
    at('db').say(`long ${hosts.host('web').ip} 2900`);
    assert.is(await at('db').calls('web', 8000), true);
    assert.not.ok(at('web').hasHeard('udp 2900'));
    await net.sdnd('groups.set', { groups: [WEB, DB] });
  },
);

/** A guest's one device goes, and another that its new node's switch has comes, with the same addresses. */
async function move(
  [from, to]: readonly [NodeName, NodeName],
  [migration, epoch]: readonly [string, number],
  [old, next]: readonly [string, string],
): Promise<void> {
  const { namespace, mac, ip } = hosts.host('web');
  const port = portName('web');
  const near = { namespace: net.namespaceOf(to), device: port };
  await createVethPair(near, { namespace, device: next, mac }, GUEST_MTU_BYTES);
  await net.agent(to, 'port.attach', { owner: 'web', mac });
  await net.sdnd('migration.prepare', { migration, to: hosts.binding('web', to, port, epoch) });
  await net.agent(from, 'port.close', { owner: 'web' });
  await runIn(namespace, 'sh', ['-c', `ip address del ${ip}/24 dev ${old}; ip address add ${ip}/24 dev ${next}`]);
  await net.agent(to, 'port.open', { owner: 'web' });
  await net.agent(from, 'port.detach', { owner: 'web' });
  await net.sdnd('migration.complete', { migration });
}

groups('what the far end pushes comes to a guest that has moved and says nothing, and moved again', async () => {
  at('web').say(`stay ${hosts.host('peer').ip}`);
  await at('web').hears('tcp hello');
  at('web').say(`datagram ${hosts.host('peer').ip} hello`);
  await at('peer').hears('udp hello');
  await move(['alpha', 'beta'], [MIGRATION, 2], ['eth0', 'eth1']);
  at('peer').say('push one');
  await at('web').hears('tcp one');
  await at('web').hears('udp one');
  await move(['beta', 'alpha'], [BACK, 3], ['eth1', 'eth2']);
  at('peer').say('push two');
  await at('web').hears('tcp two');
  await at('web').hears('udp two');
});

groups('at its new place it is judged as before', async () => {
  const calls = [8000, 8080].map((port) => ['peer', 'web', port] as const);
  assert.equal(await answered(...calls, ['web', 'db', 9000]), [true, false, true]);
});

groups('installed is what is wanted, and a second look finds nothing', async () => {
  const { switches } = await net.sdnd('switch.verify', {});
  const differences = switches.flatMap(({ node, differences }) => differences.map((one) => `${node} ${one}`));
  assert.equal(differences, []);
});

groups.run();
