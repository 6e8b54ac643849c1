// The lone controller on meshes that are drawn at random: whatever is cut, moved or lost, no frame goes round or comes twice,
// and once all is quiet everybody reaches everybody.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MeshWorld, type SimSwitch } from './mesh-world.ts';

/** New ports are quiet for 2 s, a lost link for 2.5 s; the rest is the ways to the controller. */
const SETTLE_MS = 7_000;
const meshes = suite('random meshes');

function randomMesh(seed: number): MeshWorld {
  const world = new MeshWorld(seed);
  const { random } = world;
  const count = 2 + random.integer(7);
  for (let i = 0; i < count; i += 1) {
    const one = world.addSwitch();
    const other = world.switches[random.integer(i)];
    if (i > 0 && other !== undefined) world.wire(one, other, random.between(0.2, 30));
  }
  for (let more = random.integer(2 * count); more > 0; more -= 1) {
    world.wire(pick(world), pick(world), random.between(0.2, 30));
  }
  for (const one of world.switches) for (let i = random.integer(3); i > 0; i -= 1) world.addHost(one);
  if (world.hosts.size < 2) for (const one of world.switches) world.addHost(one);
  for (const one of world.switches) world.later(random.between(0, 3_000), () => world.connect(one));
  return world;
}

function pick(world: MeshWorld): SimSwitch {
  return world.switches[world.random.integer(world.switches.length)] ?? world.addSwitch();
}

/** Everybody speaks to all at once, then to each other one. */
function everybodyReachesEverybody(world: MeshWorld, hosts = [...world.hosts.keys()]): void {
  const said = hosts.map((host) => [host, world.send(host)] as const);
  world.run(1_000);
  for (const [host, frame] of said) {
    assert.equal(
      world.receivers(frame),
      hosts.filter((one) => one !== host).sort((a, b) => a - b),
      `a flood from ${host}`,
    );
  }
  const pairs = hosts.flatMap((from) => hosts.filter((to) => to !== from).map((to) => [from, to] as const));
  for (let round = 0; round < 2; round += 1) {
    const frames = pairs.map(([from, to]) => [to, world.send(from, to)] as const);
    world.run(1_000);
    for (const [to, frame] of frames) assert.equal(world.receivers(frame), [to], `round ${round}`);
  }
}

/** Hosts talk while things change. */
function chatter(world: MeshWorld, forMs: number): void {
  const hosts = [...world.hosts.keys()];
  for (let atMs = 0; atMs < forMs; atMs += 100) {
    const from = hosts[world.random.integer(hosts.length)] ?? 0;
    const to = hosts[world.random.integer(hosts.length)] ?? 0;
    world.later(atMs, () => world.send(from, world.random.chance(0.3) || from === to ? undefined : to));
  }
}

meshes('everybody reaches everybody once all is quiet, by paths without a loop', () => {
  for (let seed = 1; seed <= 25; seed += 1) {
    const world = randomMesh(seed);
    chatter(world, SETTLE_MS);
    world.run(3_000 + SETTLE_MS);
    world.lostOnTheWay = 0;
    everybodyReachesEverybody(world);
    assert.is(world.lostOnTheWay, 0, 'the rest of a path is there before its first entry');
  }
});

meshes('links are cut and mended, hosts move and switches lose their sessions under traffic', () => {
  for (let seed = 300; seed < 320; seed += 1) {
    const world = randomMesh(seed);
    world.run(3_000 + SETTLE_MS);
    for (let step = 0; step < 6; step += 1) {
      chatter(world, 4_000);
      disturb(world);
      world.run(world.random.between(100, 5_000));
    }
    world.run(3 * SETTLE_MS);
    everybodyReachesEverybody(world);
  }
});

function disturb(world: MeshWorld): void {
  const { random } = world;
  const what = random.integer(4);
  const one = pick(world);
  if (what === 0) world.addHost(one, [...world.hosts.keys()][random.integer(world.hosts.size)]);
  else if (what === 1 && world.switches.every(({ session }) => session !== undefined))
    world.wire(one, pick(world), random.between(0.2, 30));
  else if (what === 2 && one.session !== undefined) {
    world.disconnect(one);
    world.later(random.between(500, 8_000), () => world.connect(one));
  } else flap(world, one);
}

function flap(world: MeshWorld, one: SimSwitch): void {
  const wired = [...one.ports].filter(([, { far }]) => typeof far === 'object');
  const [port, wire] = wired[world.random.integer(wired.length)] ?? [];
  if (port === undefined || wire === undefined || typeof wire.far !== 'object') return;
  const { far, latencyMs } = wire;
  world.unplug({ at: one, port });
  world.later(world.random.between(1_000, 4_000), () => world.plug({ at: one, port }, far, latencyMs));
}

meshes.run();
