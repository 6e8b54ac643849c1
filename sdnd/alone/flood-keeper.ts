// Brings the switches from one set of ports that forward floods to the next, so that at no moment frames can go round: first
// every port that is too much is closed, everywhere, and only when all switches have confirmed that, others are opened.
import { type FlowMod, flowMod } from '@openflow/ofp';
import { floodFlows, noFloodMod } from './lone-flows.ts';
import type { MeshSwitch } from './mesh-switch.ts';

const NONE: ReadonlySet<number> = new Set();

export class FloodKeeper {
  readonly #switches: ReadonlyMap<bigint, MeshSwitch>;
  #wanted: ReadonlyMap<MeshSwitch, ReadonlySet<number>> = new Map();

  constructor(switches: ReadonlyMap<bigint, MeshSwitch>) {
    this.#switches = switches;
  }

  /** Goes towards these; what was wanted before is not any more. */
  want(wanted: ReadonlyMap<MeshSwitch, ReadonlySet<number>>): void {
    this.#wanted = wanted;
    this.#step();
  }

  #step(): void {
    const ready = [...this.#switches.values()].filter(({ isReady }) => isReady);
    for (const one of ready) {
      const wanted = this.#wantedOf(one);
      if (!isWithin(one.floodSent, wanted)) this.#send(one, both(one.floodSent, wanted));
    }
    if (ready.some((one) => !isWithin(one.floodMay, this.#wantedOf(one)))) return;
    for (const one of ready) if (!isWithin(this.#wantedOf(one), one.floodSent)) this.#send(one, this.#wantedOf(one));
  }

  #wantedOf(one: MeshSwitch): ReadonlySet<number> {
    return this.#wanted.get(one) ?? NONE;
  }

  #send(one: MeshSwitch, ports: ReadonlySet<number>): void {
    const connection = one.ready;
    if (connection === undefined) return;
    const mods = floodMods(one, ports);
    one.floodSent = ports;
    one.floodMay = new Set([...one.floodMay, ...ports]);
    one.floodsUnconfirmed += 1;
    connection.apply(mods, (refusals) => {
      // After a loss the next session begins with what the switch may have.
      if (refusals === undefined || one.connection !== connection) return;
      if (refusals.length > 0) {
        connection.close(`it refuses what keeps floods from going round: ${refusals.join('; ')}`);
        return;
      }
      one.floodsUnconfirmed -= 1;
      if (one.floodsUnconfirmed === 0) one.floodMay = one.floodSent;
      this.#step();
    });
  }
}

function floodMods(one: MeshSwitch, ports: ReadonlySet<number>): FlowMod[] {
  const closed = [...one.floodSent].filter((portNo) => !ports.has(portNo)).map(noFloodMod);
  const isEdge = (portNo: number): boolean => one.ports.get(portNo)?.role === 'edge';
  return [...closed, ...floodFlows(ports, isEdge).map((flow) => flowMod({ command: 'add', ...flow }))];
}

function both(a: ReadonlySet<number>, b: ReadonlySet<number>): ReadonlySet<number> {
  return new Set([...a].filter((portNo) => b.has(portNo)));
}

function isWithin(part: ReadonlySet<number>, whole: ReadonlySet<number>): boolean {
  return [...part].every((portNo) => whole.has(portNo));
}
