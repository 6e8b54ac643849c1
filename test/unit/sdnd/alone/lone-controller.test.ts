// The lone controller in one situation at a time, on switches of the simulation.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PortRole } from '../../../../sdnd/alone/mesh-switch.ts';
import { type End, MeshWorld, type SimSwitch } from './mesh-world.ts';

const SETTLE_MS = 6_000;
const PAIR_PRIORITY = 200;
const situations = suite('lone controller');

/** Switches in a ring, a host behind each. */
function ring(count: number, missesPerSecond?: number): { world: MeshWorld; wires: [End, End][]; hosts: number[] } {
  const world = new MeshWorld(7, missesPerSecond);
  const switches = Array.from({ length: count }, () => world.addSwitch());
  const next = (i: number): SimSwitch => switches[(i + 1) % count] ?? world.addSwitch();
  const wires = switches.map((one, i) => world.wire(one, next(i), 5));
  const hosts = switches.map((one) => world.addHost(one));
  for (const one of switches) world.connect(one);
  return { world, wires, hosts };
}

function roleOf(world: MeshWorld, { at, port }: End): PortRole | undefined {
  return world.controller.switches.get(at.id)?.ports.get(port)?.role;
}

function pairEntries(one: SimSwitch): string[] {
  return one.datapath.entries
    .filter(({ priority }) => priority === PAIR_PRIORITY)
    .map(({ match }) => `${match.inPort} ${match.ethSrc} ${match.ethDst}`)
    .sort();
}

/** Two frames each way, so that both have been seen and have their paths. */
function talk(world: MeshWorld, a: number, b: number): void {
  for (let round = 0; round < 2; round += 1) {
    world.send(a, b);
    world.run(500);
    world.send(b, a);
    world.run(500);
  }
}

function isReceived(world: MeshWorld, from: number, to: number): boolean {
  const frame = world.send(from, to);
  world.run(1_000);
  return world.receivers(frame).includes(to);
}

situations('a port forwards nothing until it has been quiet for two seconds', () => {
  const { world, hosts } = ring(3);
  const [a = 0, b = 0] = hosts;
  const place = world.hosts.get(a);
  assert.ok(place);
  world.run(1_900);
  assert.is(roleOf(world, place), 'new');
  const early = world.send(a);
  world.run(3_000);
  assert.equal(world.receivers(early), []);
  assert.is(roleOf(world, place), 'edge');
  const later = world.send(a);
  world.run(500);
  assert.ok(world.receivers(later).includes(b));
});

situations('a new wire between two switches is closed before anything can go round', () => {
  const { world, hosts } = ring(3);
  world.run(SETTLE_MS);
  const [a = 0] = hosts;
  const [one, , three] = world.switches;
  assert.ok(one && three);
  world.wire(one, three, 5);
  for (let ms = 0; ms < 4_000; ms += 50) {
    world.send(a);
    world.run(50);
  }
  assert.is(world.controller.tree.size, 2);
});

situations('the quicker way is taken, whatever its length in switches', () => {
  const world = new MeshWorld(3);
  const [a, b, c] = [world.addSwitch(), world.addSwitch(), world.addSwitch()];
  world.wire(a, c, 80);
  world.wire(a, b, 5);
  world.wire(b, c, 5);
  const [from, to] = [world.addHost(a), world.addHost(c)];
  for (const one of world.switches) world.connect(one);
  world.run(SETTLE_MS);
  talk(world, from, to);
  assert.is(pairEntries(b).length, 2);
  const [link] = [...world.controller.finder.links].filter(({ latencyMs }) => latencyMs > 40);
  assert.ok(link !== undefined && link.latencyMs > 60 && link.latencyMs < 100, `${link?.latencyMs} ms measured of 80`);
});

situations('a link that falls silent is gone within 3 s, its paths with it, and no others', () => {
  const { world, wires, hosts } = ring(4);
  const [a = 0, b = 0, c = 0, d = 0] = hosts;
  world.run(SETTLE_MS);
  talk(world, a, b);
  talk(world, c, d);
  const [, , three, four] = world.switches;
  assert.ok(three && four);
  const kept = pairEntries(three);
  const begunMods = world.mods;
  for (const end of wires[0] ?? []) world.silence(end);
  world.run(3_000);
  const gone = world.events.filter(({ kind }) => kind === 'gone');
  assert.is(gone.length, 1);
  world.run(500);
  assert.equal(pairEntries(three), kept);
  assert.ok(world.mods - begunMods < 40, `${world.mods - begunMods} entries changed`);
  assert.ok(isReceived(world, a, b), 'the long way round');
  assert.is(pairEntries(four).length, 3);
});

situations(
  'a link that goes one way is none, its ends are closed, and it is there again when it goes both ways',
  () => {
    const { world, wires } = ring(3);
    world.run(SETTLE_MS);
    const [near, far] = wires[0] ?? [];
    assert.ok(near && far);
    const links = (): number => [...world.controller.finder.links].length;
    assert.is(links(), 3);
    world.silence(near);
    world.run(SETTLE_MS);
    assert.equal([links(), roleOf(world, near), roleOf(world, far)], [2, 'half', 'half']);
    world.plug(near, far, 5);
    world.run(SETTLE_MS);
    assert.equal([links(), roleOf(world, near), roleOf(world, far)], [3, 'link', 'link']);
  },
);

situations('a host that moves is followed at its first frame', () => {
  const { world, hosts } = ring(4);
  const [a = 0, b = 0] = hosts;
  const [, , three] = world.switches;
  assert.ok(three);
  world.run(SETTLE_MS);
  talk(world, a, b);
  world.addHost(three, b);
  world.run(SETTLE_MS);
  world.send(b, a);
  world.run(1_000);
  assert.is(world.controller.desk.counts.moves, 1);
  assert.ok(isReceived(world, a, b));
  assert.ok(isReceived(world, b, a));
});

situations('hosts are learnt where no switch answers, and nowhere else', () => {
  const { world, hosts } = ring(4);
  world.run(SETTLE_MS);
  for (const host of hosts) world.send(host);
  world.run(1_000);
  const places = [...world.controller.hosts.all()].map(({ mac, port }) => `${mac} ${port.key}`);
  const real = hosts.map((host) => {
    const end = world.hosts.get(host);
    return `${host} ${end?.at.id.toString(16).padStart(16, '0')}/${end?.port}`;
  });
  assert.equal(places.sort(), real.sort());
});

situations('a switch that comes back soon finds its entries as they should be; after that its neighbours close', () => {
  const { world, wires, hosts } = ring(4);
  const [a = 0, b = 0] = hosts;
  const [one] = world.switches;
  assert.ok(one);
  world.run(SETTLE_MS);
  talk(world, a, b);
  const before = pairEntries(one);
  world.disconnect(one);
  world.run(1_500);
  world.connect(one);
  world.run(1_000);
  const back = world.events.filter((event) => event.kind === 'joined').at(-1);
  assert.equal(back, { kind: 'joined', at: '0000000000000001', ports: 3, changed: 0 });
  assert.equal(pairEntries(one), before);
  world.disconnect(one);
  world.run(4_000);
  assert.is(roleOf(world, wires[0]?.[1] ?? { at: one, port: 0 }), 'beyond');
  assert.ok(!isReceived(world, a, b));
  world.connect(one);
  world.run(SETTLE_MS);
  talk(world, a, b);
  assert.ok(isReceived(world, a, b));
});

situations('what somebody else has put into a switch goes; pairs of an earlier life stay', () => {
  const { world, hosts } = ring(3);
  const [a = 0, b = 0] = hosts;
  world.run(SETTLE_MS);
  talk(world, a, b);
  const next = new MeshWorld(8);
  for (const one of world.switches) {
    next.switches.push(one);
    one.member = undefined;
    Object.assign(one.busyUntilMs, { up: 0, down: 0 });
  }
  for (const [host, end] of world.hosts) next.hosts.set(host, end);
  const [one] = next.switches;
  assert.ok(one);
  const [some] = one.datapath.entries;
  assert.ok(some);
  one.datapath.apply({ ...some, priority: 1_000, cookie: 0n, match: {} }, 0);
  const before = next.switches.map(pairEntries);
  for (const each of next.switches) next.connect(each);
  next.run(SETTLE_MS);
  assert.equal(next.switches.map(pairEntries), before);
  assert.ok(one.datapath.entries.every(({ priority }) => priority < 1_000));
  assert.ok(isReceived(next, a, b));
});

situations('a host that floods the controller is cut off from it, and nobody else', () => {
  const { world, hosts } = ring(3, 100);
  const [a = 0, b = 0, c = 0] = hosts;
  world.run(SETTLE_MS);
  for (const host of hosts) world.send(host);
  world.run(1_000);
  for (let i = 0; i < 2_000; i += 1) world.later(i / 2, () => world.send(a, 0x02_0000_0100_00 + i));
  world.run(900);
  assert.ok(isReceived(world, b, c));
  assert.ok(isReceived(world, c, b));
  assert.is(world.events.filter(({ kind }) => kind === 'paused').length, 1);
  const { toUnknown, frames } = world.controller.desk.counts;
  assert.ok(toUnknown < 20, `${toUnknown} frames for nobody were sent to everybody`);
  assert.ok(frames < 1_000, `${frames} frames came`);
  world.run(3_000);
  assert.ok(isReceived(world, a, b), 'and when it stops it is heard again');
});

situations('a frame for a host that nobody has seen comes to every edge once', () => {
  const { world, hosts } = ring(5);
  const [a = 0, ...others] = hosts;
  world.run(SETTLE_MS);
  const frame = world.send(a, 0x02_0000_0100_00);
  world.run(500);
  assert.equal(world.receivers(frame), others);
});

situations('a second switch of a datapath id is let go; the first stays', () => {
  const { world } = ring(2);
  world.run(SETTLE_MS);
  const twin = world.addSwitch(1n);
  world.connect(twin);
  world.run(500);
  assert.is(twin.session, undefined);
  assert.is(world.events.at(-1)?.kind, 'twice');
  assert.is(world.controller.switches.get(1n)?.isReady, true);
  assert.is(world.controller.tree.size, 1);
});

situations.run();
