// A stub by real switches: a guest's first packet to it is one event, and the connection that the guest has opened all the while
// comes about with the resource once the guest has moved to it. Of another tenant's guests nobody is told, led or answered. Needs root
// and Debian's openvswitch-switch. The tests build on each other, in order.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runIn, spawnIn } from '../../lab/namespace.ts';
import { portName } from '../../sdnd/agent/guest-ports.ts';
import type { StubEvent } from '../../wire/contracts/events.ts';
import type { StubOrder } from '../../wire/contracts/network-stubs.ts';
import { within } from '../unit/common/members.ts';
import { OverlayHosts } from './overlay-hosts.ts';
import type { StubControl } from './stub-control-program.ts';
import { ADDRESS, type NodeName, ThreeSwitches } from './three-switches.ts';

const WITHIN_MS = 60_000;
/** Of the router, to whom guests send what is for a stub. */
const SERVICE_MAC = '02:53:43:00:00:01';
const RESOURCE = '203.0.113.9';
const NEXT_HOP = '02:99:00:00:00:01';
const STUB: StubOrder = {
  ...{ name: 'orders', address: '10.88.0.200', to: RESOURCE, place: 'gamma', policy: 'move' },
  service: { protocol: 'tcp', port: 5432, toPort: 5433 },
};
const SUBNETS = [{ subnet: '10.88.0.0', bits: 24, services: '10.88.0.1' }];
const { name, address, service, to } = STUB;
const NETWORKS = [
  {
    ...{ tenant: 1, name: 'shop', subnets: SUBNETS },
    stubs: [{ name, address, ...(service !== undefined && { service }), to, nodes: [STUB.place] }],
    stubExits: [{ node: STUB.place, port: 'outside0', address: '198.51.100.7', nextHop: NEXT_HOP }],
  },
  { tenant: 2, name: 'other', subnets: SUBNETS },
];
/** By owner: node, tenant and the last part of its address; those of the other tenant are at both nodes. */
const GUESTS: readonly [string, NodeName, number, number][] = [
  ['web', 'alpha', 1, 10],
  ['spy', 'alpha', 2, 11],
  ['mole', 'gamma', 2, 12],
];

const SERVER = `require('node:net').createServer((socket) => {
  console.log(socket.remoteAddress);
  socket.on('error', () => undefined).pipe(socket);
}).listen(${service?.toPort}, () => console.log('listens'));`;
const CLIENT = `const socket = require('node:net').connect(${service?.port}, '${address}');
socket.on('connect', () => console.log('from ' + socket.remoteAddress)).on('error', (error) => console.log(error.code))
  .on('data', (bytes) => process.stdout.write(bytes)).write('order\\n');`;

/** Says what comes of a connection within a second. */
const CALL = `const say = (word) => { console.log(word); process.exit(); };
  require("node:net").connect(${service?.port}, "${address}").on("connect", () => say("answered")).on("error", ({ code }) => say(code));
  setTimeout(say, 1000, "silence");`;

const net = new ThreeSwitches({ outside: { gamma: 'outside0' } });
const hosts = new OverlayHosts(net);
const stubs = suite('stubs');
const folder = mkdtempSync(join(tmpdir(), 'stubs-'));
const running: Program[] = [];
let control: Program;
let client: Program;

/** A program of Node's in a namespace; its lines, one after the other. */
class Program {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(namespace: string, words: readonly string[]) {
    this.#child = spawnIn(namespace, process.execPath, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new TypeError('a program without output');
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    running.push(this);
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  async next(what: string): Promise<string> {
    const { value } = await within(this.#lines.next(), WITHIN_MS, `${what}\n${net.logTails()}`);
    return String(value);
  }

  async stop(): Promise<void> {
    const ended =
      this.#child.exitCode === null && this.#child.signalCode === null ? once(this.#child, 'exit') : undefined;
    this.#child.kill('SIGKILL');
    await ended;
  }
}

function run(guest: string, script: string): Promise<string> {
  return runIn(hosts.host(guest).namespace, 'sh', ['-c', `(${script}) 2>&1 || true`]);
}

async function events(): Promise<StubEvent[]> {
  control.say('events');
  return JSON.parse(await control.next('the events')) as StubEvent[];
}

/** IP and ARP frames that have come to a host. */
async function heardBy(host: string): Promise<number> {
  const counters = await run(host, 'nft list chain netdev spied heard');
  return [...counters.matchAll(/packets (\d+)/g)].reduce((sum, [, packets]) => sum + Number(packets), 0);
}

stubs.before(async () => {
  await net.start();
  for (const [owner, node, , last] of GUESTS) await hosts.addGuest(owner, node, last);
  hosts.add('resource', await net.addHost('resource', 'gamma', 'outside0', NEXT_HOP, '198.51.100.1'));
  await run('resource', `ip address add ${RESOURCE}/32 dev lo`);
  await net.sdnd('networks.set', { networks: NETWORKS });
  for (const [owner, node, tenant] of GUESTS) {
    await net.sdnd('binding.set', { binding: { ...hosts.binding(owner, node, portName(owner), 1), tenant } });
    await net.agent(node, 'port.open', { owner });
  }
  for (const listener of ['spy', 'mole', 'resource'])
    await run(
      listener,
      `nft 'table netdev spied {
        chain heard {
          type filter hook ingress device "eth0" priority 0
          ether type { ip, arp } counter
        }
      }'`,
    );
  const { term } = await net.sdnd('binding.list', {});
  await net.sdnd('state.told', { term });
  const place: StubControl = {
    ...{ state: `${folder}/control`, identity: net.identityOf('alpha'), address: ADDRESS.alpha, stub: STUB },
    vms: Object.fromEntries(GUESTS.map(([owner, node]) => [owner, node])),
  };
  const program = fileURLToPath(new URL('stub-control-program.ts', import.meta.url));
  control = new Program(net.namespaceOf('alpha'), [program, JSON.stringify(place)]);
  assert.is(await control.next('the orchestrator listens'), 'listens');
  await net.eventually("the guest's agent knows the stub", async () => {
    return (await net.switch('alpha').ofctl('dump-flows', ['table=5'])).includes(`nw_dst=${address}`);
  });
});
stubs.after(async () => {
  for (const program of running) await program.stop();
  await net.stop();
  rmSync(folder, { recursive: true });
});

stubs('the first packet is an event, and the guest is to be moved; no other guest is heard, or hears', async () => {
  for (const spy of ['spy', 'mole']) {
    const calls = `ip neigh replace ${address} lladdr ${SERVICE_MAC} dev eth0
      ping -n -c 1 -W 1 ${address} & ${process.execPath} -e '${CALL}'; wait`;
    const said = await run(spy, calls);
    assert.match(said, / 0 received/);
    assert.match(said, /^silence$/m);
  }
  assert.is(await heardBy('resource'), 0);
  assert.equal(await events(), []);
  client = new Program(hosts.host('web').namespace, ['-e', CLIENT]);
  assert.is(await control.next('the guest asks'), 'move web to gamma');
  const [event, ...more] = await events();
  assert.equal(more, []);
  const { atMs, ...asked } = event ?? { atMs: 0 };
  assert.equal(asked, { vm: 'web', node: 'alpha', stub: name, address, place: 'gamma', trouble: '', endedMs: null });
  assert.ok(atMs > 0);
});

stubs(
  'where the resource is the connection comes about, under the address of the stub and of the way out',
  async () => {
    const resource = new Program(hosts.host('resource').namespace, ['-e', SERVER]);
    assert.is(await resource.next('the resource listens'), 'listens');
    await hosts.move('web', 'alpha', 'gamma', { epoch: 2, old: 'eth0', next: 'eth1' });
    control.say('moved web');
    assert.is(await client.next('the connection is there'), `from ${address}`);
    assert.is(await resource.next('the guest calls'), '::ffff:198.51.100.7');
    assert.is(await client.next('the resource answers'), 'order');
    assert.is((await events()).length, 1);
    assert.equal([await heardBy('spy'), await heardBy('mole')], [0, 0]);
    // What does come to them is counted.
    assert.ok((await hosts.answered('spy', 'mole')) > 0);
    for (const one of ['spy', 'mole', 'resource']) assert.ok((await heardBy(one)) > 0, one);
  },
);

stubs('installed is what is wanted, and a second look finds nothing', async () => {
  const { switches } = await net.sdnd('switch.verify', {});
  const differences = switches.flatMap((one) => one.differences.map((what) => `${one.node} ${what}`));
  assert.equal(differences, []);
});

stubs.run();
