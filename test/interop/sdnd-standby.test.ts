// Two controllers of the overlay on real switches: one is active, the other takes over, killed or by order, and no flow and
// no connection hears of it. Three nodes with their agents as processes, hosts in place of guests; the test orders what the
// orchestrator would, and at last the orchestrator itself does. Needs root and Debian's openvswitch-switch. In order.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../common/errors.ts';
import { spawnIn } from '../../lab/namespace.ts';
import { portName } from '../../sdnd/agent/guest-ports.ts';
import { AGENT_COOKIE, Table } from '../../sdnd/pipeline.ts';
import type { Params } from '../../wire/contract.ts';
import type { orchestratorContract } from '../../wire/contracts/orchestrator.ts';
import type { MeshLink } from '../../wire/contracts/sdnd.ts';
import { allEntries, assertUntouched, type Entry } from './flow-entries.ts';
import { OverlayHosts } from './overlay-hosts.ts';
import { ADDRESS, NODES, type NodeName, ThreeSwitches } from './three-switches.ts';

const SEATS: readonly NodeName[] = ['alpha', 'beta'];
/** Pings, one each 10 ms, that run over a hand-over. */
const PINGS = 150;
/** The orchestrator waits 5 s for one that is silent, and a bit more on a busy machine. */
const PINGS_OVER_SILENCE = 700;
/** Whatever is lost in the moment in which a TCP connection is looked at is sent again: so much later it has come. */
const ECHOES_MORE = 5;
/** An entry of an agent's for the probes of one other node: their EtherType is the IEEE's for experiments. */
const PROBE = /dl_type=0x88b5/;

/** How the entries of an agent begin that lead its guests to their services. */
const SERVICES = `table=${Table.ingress} 0x${AGENT_COOKIE.toString(16)} `;
/** Of nodes that run no VM. */
const NO_MACHINES: Params<typeof orchestratorContract, 'node.register'>['capabilities'] = {
  ...{ family: 'tcg', proof: 'it has none', version: '', machines: [], cpuModels: [], cpus: 0, memoryMB: 0 },
};

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

/** That one is active by the orchestrator's choice, and all switches have what it wants. */
async function reigns(node: NodeName): Promise<void> {
  await net.eventually(`${node} reigns`, async () => {
    const { controllers } = await net.orchestrator('network.controllers', {});
    return controllers.some((one) => {
      return one.node === node && one.isChosen && one.role === 'active' && one.switches.length === NODES.length;
    });
  });
  await net.eventually('the flows are the wanted ones', async () => {
    const { switches } = await net.orchestrator('network.verify', {});
    return switches.length === NODES.length && switches.every((one) => one.connected && one.differences.length === 0);
  });
}

/** The guests at these nodes, one at each, are answered: their agents have heard of them. */
async function areServed(...nodes: readonly NodeName[]): Promise<void> {
  await net.eventually('guests are served', async () => {
    const keys = [...(await allEntries(net)).keys()];
    const counts = nodes.map((node) => keys.filter((key) => key.startsWith(`${node} ${SERVICES}`)).length);
    return counts.every((count) => count > 0 && count === counts[0]);
  });
}

function bind(owner: string, node: NodeName): Promise<unknown> {
  const { mac, ip } = hosts.host(owner);
  return net.orchestrator('binding.set', { owner, node, port: portName(owner), mac, ip });
}

let tcp = { count: () => 0, isAlive: () => false };

/** Over what is done meanwhile no ping is lost, the connection goes on, and no entry of any switch is touched. */
async function unnoticed(what: string, act: () => Promise<unknown>, pings = PINGS): Promise<void> {
  const before = await allEntries(net);
  const running = hosts.unanswered('db', 'web', pings);
  await act();
  const count = tcp.count();
  assert.equal(await running, [], `pings over ${what}`);
  await net.eventually('echoes go on', async () => tcp.count() >= count + ECHOES_MORE);
  assert.ok(tcp.isAlive());
  assertUntouched(before, await allEntries(net));
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
  const probes = async (): Promise<number> =>
    [...(await allEntries(net)).keys()].filter((key) => PROBE.test(key)).length;
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
    before = await allEntries(net);
  } finally {
    net.signalController('beta', 'SIGCONT');
  }
  await showsRole('beta', 'standby', NODES.length);
  assertUntouched(before, await allEntries(net));
});

standby('the orchestrator chooses one as soon as one is there, and tells it what was ordered meanwhile', async () => {
  // The orchestrator knows nothing of it: its flows would be nobody's, and stay for ten minutes.
  await net.sdnd('binding.remove', { owner: 'app' }, 'alpha');
  for (const seat of SEATS) await net.killController(seat);
  await net.startOrchestrator();
  for (const node of NODES) {
    const says = { cloud: node, address: ADDRESS[node], capabilities: NO_MACHINES };
    await net.orchestrator('node.register', says, node);
  }
  for (const { owner, node } of places) assert.is(await refusal(bind(owner, node)), 'NOT_ACTIVE');
  assert.ok(tcp.isAlive());
  for (const seat of SEATS) await net.startController(seat);
  await areServed('alpha', 'beta');
  await reigns('alpha');
  await showsRole('beta', 'standby', NODES.length);
});

standby(
  'killed under the orchestrator, the other reigns: no flow is touched, and what is ordered then is done',
  async () => {
    await unnoticed(
      'a kill that the orchestrator finds out',
      async () => {
        await net.killController('alpha');
        await reigns('beta');
      },
      PINGS_OVER_SILENCE,
    );
    await hosts.addGuest('late', 'gamma', 15);
    await bind('late', 'gamma');
    await net.agent('gamma', 'port.open', { owner: 'late' });
    await net.eventually('the new guest answers', async () => (await hosts.pings('db', 'late', 3)) === 3);
    await areServed(...NODES);
  },
);

standby('the orchestrator hands over to the one that is back', async () => {
  await net.startController('alpha');
  await showsRole('alpha', 'standby', NODES.length);
  await unnoticed('a hand-over by the orchestrator', async () => {
    await net.orchestrator('network.hand-over', { to: 'alpha' });
    await reigns('alpha');
  });
  await showsRole('beta', 'standby', NODES.length);
});

standby.run();
