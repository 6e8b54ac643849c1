// Two controllers of the overlay on real switches: one is active, the other takes over, killed or by order, and no flow and
// no connection hears of it. Three nodes with their agents as processes, hosts in place of guests; the test orders what the
// orchestrator would. Needs root and Debian's openvswitch-switch. In order.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../common/errors.ts';
import { spawnIn } from '../../lab/namespace.ts';
import { portName } from '../../sdnd/guest-ports.ts';
import type { MeshLink } from '../../wire/contracts/sdnd.ts';
import { OverlayHosts } from './overlay-hosts.ts';
import { ADDRESS, NODES, type NodeName, ThreeSwitches } from './three-switches.ts';

const SEATS: readonly NodeName[] = ['alpha', 'beta'];
/** Pings, one each 10 ms, that run over a hand-over. */
const PINGS = 150;
/** Whatever is lost in the moment in which a TCP connection is looked at is sent again: so much later it has come. */
const ECHOES_MORE = 5;
/** An entry of an agent's for the probes of one other node: their EtherType is the IEEE's for experiments. */
const PROBE = /dl_type=0x88b5/;

const net = new ThreeSwitches({ seats: SEATS });
const hosts = new OverlayHosts(net);
const standby = suite('a controller that stands by');
const children: ChildProcess[] = [];
/** Guests' places as they are to be. */
const places: readonly { owner: string; node: NodeName; epoch: number }[] = [
  { owner: 'web', node: 'alpha', epoch: 1 },
  { owner: 'db', node: 'beta', epoch: 1 },
];

/** What the orchestrator does once it has chosen. */
async function takeOver(node: NodeName, term: number, links: MeshLink[] = [], more: typeof places = []): Promise<void> {
  await net.sdnd('controller.take', { term, links }, node);
  await net.sdnd('members.set', { members: NODES.map((at) => ({ node: at, address: ADDRESS[at] })) }, node);
  for (const { owner, node: at, epoch } of [...places, ...more])
    await net.sdnd('binding.set', { binding: hosts.binding(owner, at, portName(owner), epoch) }, node);
  await net.sdnd('state.told', { term }, node);
}

interface Entry {
  /** It was made between these two moments: its age before the switch was asked, and before it had told. */
  readonly bornMs: readonly [number, number];
  readonly packets: number;
}

/** A switch's entries, with when each was made by the switch's own count of its age. */
async function entries(node: NodeName): Promise<Map<string, Entry>> {
  const askedMs = performance.now();
  const text = await net.switch(node).ofctl('dump-flows', []);
  const toldMs = performance.now();
  const rows = text.split('\n').flatMap((line) => {
    const found =
      /cookie=(\S+), duration=([\d.]+)s, (table=\d+), n_packets=(\d+), n_bytes=\d+, (?:idle_age=\d+, )?(.*)/.exec(line);
    if (found === null) return [];
    const [, cookie, seconds, table, packets, rest] = found;
    const ageMs = Number(seconds) * 1_000;
    const bornMs = [askedMs - ageMs, toldMs - ageMs] as const;
    return [[`${table} ${cookie} ${rest}`, { bornMs, packets: Number(packets) }] as const];
  });
  return new Map(rows);
}

async function allEntries(): Promise<Map<string, Entry>> {
  const all = await Promise.all(
    NODES.map(async (node) => [...(await entries(node))].map(([key, entry]) => [`${node} ${key}`, entry] as const)),
  );
  return new Map(all.flat());
}

/** Nothing was taken away, nothing came, and nothing was made anew: each entry is as old as before, and has counted on. */
function assertUntouched(before: ReadonlyMap<string, Entry>, after: ReadonlyMap<string, Entry>): void {
  assert.equal([...after.keys()].sort(), [...before.keys()].sort());
  for (const [key, { bornMs, packets }] of after) {
    const was = before.get(key);
    assert.ok(bornMs[0] <= (was?.bornMs[1] ?? 0), `${key} was made anew`);
    assert.ok(packets >= (was?.packets ?? 0), `${key} has forgotten what it counted`);
  }
}

/** A TCP connection from one host to another on which a line goes there and back all the time. */
function echoes(from: string, to: string): { count: () => number; isAlive: () => boolean } {
  const server = `require('node:net').createServer((s) => s.on('error', () => undefined).pipe(s)).listen(7, () => console.log('up'))`;
  const client = `const s = require('node:net').connect(7, '${hosts.host(to).ip}'); s.on('connect', () => setInterval(() => s.write('x\\n'), 20));
    s.on('data', (b) => process.stdout.write(b)).on('close', () => process.exit(1)).on('error', () => process.exit(1));`;
  let count = 0;
  let isAlive = true;
  const serving = spawnIn(hosts.host(to).namespace, process.execPath, ['-e', server], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(serving);
  serving.stdout?.once('data', () => {
    const calling = spawnIn(hosts.host(from).namespace, process.execPath, ['-e', client], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(calling);
    calling.once('exit', () => {
      isAlive = false;
    });
    if (calling.stdout !== null) createInterface({ input: calling.stdout }).on('line', () => count++);
  });
  return { count: () => count, isAlive: () => isAlive };
}

/** By the switch of each node, what the controllers at the seats are to it. */
async function roles(node: NodeName): Promise<string> {
  const text = await net
    .switch(node)
    .ovsVsctl(['--columns=target,role', '--format=csv', '--no-headings', 'list', 'controller']);
  const roleAt = (seat: NodeName): string =>
    text
      .split('\n')
      .find((line) => line.includes(ADDRESS[seat]))
      ?.split(',')
      .at(-1) ?? '-';
  return SEATS.map(roleAt).join(' ');
}

async function refusal(call: Promise<unknown>): Promise<string | undefined> {
  return call.then(
    () => undefined,
    (error: unknown) => codeOf(error),
  );
}

async function showsRole(node: NodeName, role: string, switches: number): Promise<void> {
  await net.eventually(`${node} is ${role}`, async () => {
    const shown = await net.sdnd('controller.show', {}, node);
    return shown.role === role && shown.switches.length === switches;
  });
}

let tcp = { count: () => 0, isAlive: () => false };

/** Over what is done meanwhile no ping is lost, the connection goes on, and no entry of any switch is touched. */
async function unnoticed(what: string, act: () => Promise<unknown>): Promise<void> {
  const before = await allEntries();
  const running = hosts.unanswered('db', 'web', PINGS);
  await act();
  const count = tcp.count();
  assert.equal(await running, [], `pings over ${what}`);
  await net.eventually('echoes go on', async () => tcp.count() >= count + ECHOES_MORE);
  assert.ok(tcp.isAlive());
  assertUntouched(before, await allEntries());
}

standby.before(async () => {
  await net.start();
  for (const node of SEATS) await showsRole(node, 'standby', NODES.length);
  await hosts.addGuest('web', 'alpha', 10);
  await hosts.addGuest('db', 'beta', 12);
  await takeOver('alpha', 1);
  await net.agent('alpha', 'port.open', { owner: 'web' });
  await net.agent('beta', 'port.open', { owner: 'db' });
  await net.eventually('pings are answered', async () => (await hosts.pings('db', 'web', 3)) === 3);
  tcp = echoes('db', 'web');
  await net.eventually('echoes come back', async () => tcp.count() >= ECHOES_MORE);
  // Agents note by themselves which links they look at, soon after they hear of each other.
  const probes = async (): Promise<number> => [...(await allEntries()).keys()].filter((key) => PROBE.test(key)).length;
  await net.eventually('every link is probed', async () => (await probes()) === NODES.length * (NODES.length - 1));
});
standby.after(async () => {
  for (const child of children) child.kill('SIGKILL');
  await net.stop();
});

standby('is slave at every switch, hears of their ports, and takes no command', async () => {
  for (const node of NODES) await net.eventually('roles', async () => (await roles(node)) === 'master slave');
  const binding = hosts.binding('web', 'gamma', portName('web'), 9);
  assert.is(await refusal(net.sdnd('binding.set', { binding }, 'beta')), 'NOT_ACTIVE');
  assert.is(await refusal(net.sdnd('controller.take', { term: 1, links: [] }, 'alpha')), undefined);
});

standby(
  'the active one killed, the other takes over: no flow is touched, no ping lost, a connection lives',
  async () => {
    await unnoticed('a kill', async () => {
      await net.killController('alpha');
      await takeOver('beta', 2);
      await net.sdnd('switch.verify', {}, 'beta');
    });
    for (const node of NODES) await net.eventually('roles', async () => (await roles(node)).endsWith('master'));
  },
);

standby('the killed one is back and stands by, and has it all again by order', async () => {
  await net.startController('alpha');
  await showsRole('alpha', 'standby', NODES.length);
  await unnoticed('a hand-over by order', async () => {
    const { links } = await net.sdnd('controller.yield', { term: 3 }, 'beta');
    await takeOver('alpha', 3, links);
    await net.sdnd('switch.verify', {}, 'alpha');
  });
  assert.is(await refusal(net.sdnd('binding.list', {}, 'beta')), 'NOT_ACTIVE');
});

standby('one that lives on without hearing of its relief can change nothing, and stands by by itself', async () => {
  await unnoticed('a relief that it does not hear of', async () => {
    await takeOver('beta', 4);
    const { differences } =
      (await net.sdnd('switch.verify', {}, 'beta')).switches.find(({ node }) => node === 'gamma') ?? {};
    assert.equal(differences, []);
  });
  await showsRole('alpha', 'standby', NODES.length);
  for (const node of NODES) await net.eventually('roles', async () => (await roles(node)) === 'slave master');
  assert.is(await refusal(net.sdnd('controller.take', { term: 4, links: [] }, 'beta')), undefined);
  assert.is(await refusal(net.sdnd('controller.take', { term: 3, links: [] }, 'alpha')), 'TERM_STALE');
});

standby('the one that took over goes on: a guest comes, and moves', async () => {
  await hosts.addGuest('app', 'gamma', 14);
  await net.sdnd('binding.set', { binding: hosts.binding('app', 'gamma', portName('app'), 1) }, 'beta');
  await net.agent('gamma', 'port.open', { owner: 'app' });
  await net.eventually('the new guest answers', async () => (await hosts.pings('db', 'app', 3)) === 3);
  const migration = '00000000000000b1';
  await hosts.addGuest('app', 'alpha', 14, 'app-alpha');
  await net.sdnd('migration.prepare', { migration, to: hosts.binding('app', 'alpha', portName('app'), 2) }, 'beta');
  await net.agent('gamma', 'port.close', { owner: 'app' });
  await net.agent('alpha', 'port.open', { owner: 'app' });
  await net.sdnd('migration.complete', { migration }, 'beta');
  await net.eventually('it answers where it is now', async () => (await hosts.pings('db', 'app-alpha', 3)) === 3);
});

standby('one that stood still while it was relieved, and a guest moved, changes nothing when it goes on', async () => {
  net.signalController('beta', 'SIGSTOP');
  let before: ReadonlyMap<string, Entry>;
  try {
    await takeOver('alpha', 5, [], [{ owner: 'app', node: 'gamma', epoch: 3 }]);
    const { switches } = await net.sdnd('switch.verify', {}, 'alpha');
    assert.equal(
      switches.flatMap(({ differences }) => differences),
      [],
    );
    before = await allEntries();
  } finally {
    net.signalController('beta', 'SIGCONT');
  }
  await showsRole('beta', 'standby', NODES.length);
  assertUntouched(before, await allEntries());
});

standby.run();
