// What can go wrong around a hold: one fault by name, for the enumeration, and seeded swarms of them.
import type { HoldWorld } from './hold-world.ts';
import type { LinkFaults } from './network.ts';
import type { Prng } from './prng.ts';

/** What each fault does; all but the killing of machines ends when the world heals. */
export const FAULTS = {
  'agent A dies': (hold) => hold.source.process.crash(),
  'agent B dies': (hold) => hold.destination.process.crash(),
  'K dies': (hold) => hold.controller.process.crash(),
  'node A loses power': (hold) => hold.cutPower('A'),
  'node B loses power': (hold) => hold.cutPower('B'),
  'QEMU A dies': (hold) => hold.killMachine('A'),
  'QEMU B dies': (hold) => hold.killMachine('B'),
  'blockd A dies': (hold) => hold.a.store.process.crash(),
  'blockd B dies': (hold) => hold.b.store.process.crash(),
  'switch agent A dies': (hold) => hold.a.port.process.crash(),
  'switch agent B dies': (hold) => hold.b.port.process.crash(),
  'agent A stops': (hold) => hold.source.process.freeze(),
  'agent B stops': (hold) => hold.destination.process.freeze(),
  'K stops': (hold) => hold.controller.process.freeze(),
  'blockd A stops': (hold) => hold.a.store.process.freeze(),
  'blockd B stops': (hold) => hold.b.store.process.freeze(),
  'disk A stalls': (hold) => {
    hold.world.disk('A').syncMs = 5_000;
  },
  'disk B stalls': (hold) => {
    hold.world.disk('B').syncMs = 5_000;
  },
  'the stand-by at B lacks an entry': (hold) => {
    hold.b.store.lacksEntry = hold.a.store.role === 'writer' && hold.b.store.role === 'standby';
  },
  'A hears nothing of B': (hold) => hold.world.network.cut('B', 'A'),
  'B hears nothing of A': (hold) => hold.world.network.cut('A', 'B'),
  'A and B are cut': (hold) => cutPair(hold, 'A', 'B'),
  'A is cut from all': (hold) => isolate(hold, 'A'),
  'B is cut from all': (hold) => isolate(hold, 'B'),
  'K is cut from all': (hold) => isolate(hold, 'K'),
  'K aborts': (hold) => hold.controller.abort('asked to'),
} satisfies Record<string, (hold: HoldWorld) => void>;

export type FaultName = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as [FaultName, ...FaultName[]];

export function cutPair(hold: HoldWorld, one: string, other: string): void {
  hold.world.network.cut(one, other);
  hold.world.network.cut(other, one);
}

function isolate(hold: HoldWorld, node: string): void {
  for (const other of ['A', 'B', 'K'].filter((name) => name !== node)) cutPair(hold, node, other);
}

/** One fault, at the n-th time that the story comes to a point whose name begins so. */
export function plant(hold: HoldWorld, point: string, fault: FaultName, nth = 1): void {
  let seen = 0;
  hold.world.onPoint((name) => {
    if (!name.startsWith(point)) return;
    seen += 1;
    if (seen === nth) strike(hold, fault);
  });
}

export function strike(hold: HoldWorld, fault: FaultName): void {
  if (hold.isHealed) return;
  hold.world.point(`FAULT ${fault}`);
  FAULTS[fault](hold);
}

/** Up to this many faults in one swarm. */
const SWARM_FAULTS_MAX = 5;
/** A migration without faults takes about 250 ms here; most faults should meet it, ms. */
const SWARM_SPAN_MS = 400;

/** Half of all links are bad in some way. */
export function drawLink(prng: Prng): LinkFaults {
  const delayMsMin = prng.pick([0.5, 5, 40]);
  const delayMsMax = delayMsMin * prng.pick([1, 2, 10, 50]);
  const isBad = prng.chance(0.5);
  return {
    delayMsMin,
    delayMsMax,
    loss: isBad ? prng.between(0, 0.3) : 0,
    duplicate: isBad ? prng.between(0, 0.3) : 0,
  };
}

/** Faults at random moments, a third of them at random points of the story, some of them ended early. */
export function swarm(hold: HoldWorld): void {
  const { prng, clock } = hold.world;
  for (const node of ['A', 'B']) hold.world.disk(node).syncMs = prng.pick([1, 1, 20, 300]);
  const count = prng.integer(SWARM_FAULTS_MAX + 1);
  for (let fault = 0; fault < count; fault += 1) {
    const name = prng.pick(FAULT_NAMES);
    if (prng.chance(0.4)) plant(hold, prng.pick(['A', 'B']), name, 1 + prng.integer(25));
    else clock.after(prng.between(0, prng.pick([SWARM_SPAN_MS, SWARM_SPAN_MS, 20_000])), () => strike(hold, name));
    if (prng.chance(0.4)) clock.after(prng.between(50, 8_000), () => hold.revive());
  }
}
