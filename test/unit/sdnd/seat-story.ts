// A story of two controllers, their switches and the orchestrator that chooses, from one seed: connections are cut, controllers
// are killed (some lose their journals), their disks are full for a while, an operator hands over, guests come and move.
// Everything of ours is real but the wires and the disk. Not a test itself.

import type { Calls } from '../../../orchestrator/cluster.ts';
import { NetworkControllers } from '../../../orchestrator/network/network-controllers.ts';
import type { NetworkControllerRecord } from '../../../orchestrator/state.ts';
import { flowEffect, flowKey, flowsByKey } from '../../../sdnd/flow.ts';
import { epochOfCookie } from '../../../sdnd/pipeline.ts';
import type { Binding, sdndContract } from '../../../wire/contracts/sdnd.ts';
import { quiet } from '../common/members.ts';
import type { Random } from '../openflow/random.ts';
import { settle } from './controller-fixture.ts';
import { addressOf, bindingOf, NODES, portsOf, viewOf, wantedFlows } from './overlay-maker.ts';
import { SeatWorld } from './seat-world.ts';

type Sdnd = Calls<typeof sdndContract>;

const SEATS = ['x', 'y'] as const;
const GUESTS = ['g0', 'g1', 'g2'];
const MEMBERS = { members: NODES.map((node) => ({ node, address: addressOf(node) })) };
/** What is told last may be of a guest that has moved: its late forwards end, and switches hear of it. */
const LATE_SECONDS = 8;
/** After the last fault: silence, late forwards, and two looks of the reconcilers. */
const CALM_SECONDS = 16;

export class SeatStory {
  readonly world = new SeatWorld(SEATS);
  readonly violations: string[] = [];
  readonly controllers: NetworkControllers;
  /** How often another one than before was chosen, and how often a term was given. */
  readonly chosen: NetworkControllerRecord[] = [];
  readonly #random: Random;
  /** What the orchestrator holds, as it does durably. */
  readonly #places = new Map(GUESTS.map((owner, at) => [owner, bindingOf(owner, NODES[at] ?? 'n0')]));
  #record: NetworkControllerRecord | undefined;
  #migrations = 0;
  #isLooking = false;

  constructor(random: Random) {
    this.#random = random;
    this.controllers = new NetworkControllers({
      record: { get: () => this.#record, put: async (record) => this.#keep(record) },
      controllers: new Map(SEATS.map((name) => [name, { ...this.#client(name), close: () => undefined }])),
      tell: (sdnd) => this.#tell(sdnd),
      chosen: () => undefined,
      clock: this.world.clock,
      log: quiet,
    });
  }

  /** The faults, and then the calm in which all must agree. */
  async run(steps: number): Promise<void> {
    await this.#pass(2);
    for (let step = 0; step < steps; step++) {
      await this.#happens();
      await this.#pass(1 + this.#random.below(3));
    }
    this.world.mendAll();
    await this.#pass(CALM_SECONDS);
    await this.#judge();
    this.world.close();
  }

  async #pass(seconds: number): Promise<void> {
    for (let half = 0; half < 2 * seconds; half++) {
      this.world.connect();
      this.#look();
      this.world.clock.turn(500);
      await settle();
    }
  }

  #look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const done = (): void => {
      this.#isLooking = false;
    };
    this.controllers.look().then(done, done);
  }

  async #happens(): Promise<void> {
    const { world } = this;
    const seat = SEATS[this.#random.below(SEATS.length)] ?? 'x';
    const node = NODES[this.#random.below(NODES.length)] ?? 'n0';
    const what = this.#random.below(11);
    if (what === 0) world.kill(seat);
    else if (what === 1) world.kill(seat, true);
    else if (what === 2) world.cut('orchestrator', seat);
    else if (what <= 4) world.cut(seat, node);
    else if (what === 5) world.mendAll();
    else if (what === 6) world.mend('orchestrator', seat);
    else if (what === 10) world.full.add(seat);
    else if (what === 7) void this.controllers.handOver(seat).catch(() => undefined);
    else await this.#moves();
  }

  /** A guest moves, as a migration that the hold has decided: what the controllers say of it changes nothing of that. */
  async #moves(): Promise<void> {
    const owner = GUESTS[this.#random.below(GUESTS.length)] ?? 'g0';
    const from = this.#places.get(owner);
    const others = NODES.filter((node) => node !== from?.node);
    const to = bindingOf(owner, others[this.#random.below(others.length)] ?? 'n0', (from?.epoch ?? 0) + 1);
    const migration = (++this.#migrations).toString(16).padStart(16, '0');
    const ordered = async (): Promise<void> => {
      await this.controllers.call('migration.prepare', { migration, to });
      await this.controllers.call('migration.complete', { migration });
    };
    const done = ordered().catch(() => undefined);
    await settle();
    this.#places.set(owner, to);
    void done;
  }

  async #tell(sdnd: Sdnd): Promise<void> {
    await sdnd.call('members.set', MEMBERS);
    await sdnd.call('networks.set', { networks: [...viewOf([]).networks] });
    const { bindings, term } = await sdnd.call('binding.list', {});
    const epochs = new Map(bindings.map(({ owner, epoch }) => [owner, epoch]));
    for (const binding of this.#places.values())
      if ((epochs.get(binding.owner) ?? -1) < binding.epoch) await sdnd.call('binding.set', { binding });
    await sdnd.call('state.told', { term });
  }

  #keep(record: NetworkControllerRecord): void {
    const { term, node } = record;
    const isGiven = this.chosen.some((one) => one.term === term && one.node !== node);
    if (isGiven) this.violations.push(`term ${term} was given to two controllers`);
    this.chosen.push(record);
    this.#record = record;
  }

  #client(name: string): Sdnd {
    return { call: (method, params) => this.world.call(name, method, params) };
  }

  async #judge(): Promise<void> {
    await this.#tell(this.controllers).catch((error: unknown) => this.violations.push(`nobody is active: ${error}`));
    await this.#pass(LATE_SECONDS);
    this.#judgeTerms();
    this.#judgeEpochs();
    const roles = await Promise.all(
      SEATS.map(async (name) => (await this.world.call(name, 'controller.show', {})).role),
    );
    if (roles.filter((role) => role === 'active').length !== 1)
      this.violations.push(`the controllers are ${roles.join()}`);
    for (const node of NODES) this.#judgeSwitch(node);
  }

  /** No switch has carried out a change of a lower term after one of a higher. */
  #judgeTerms(): void {
    const highest = new Map<string, bigint>();
    for (const { node, term } of this.world.changes) {
      if (term < (highest.get(node) ?? 0n))
        this.violations.push(`${node} took a change of term ${term} after ${highest.get(node)}`);
      highest.set(node, term);
    }
  }

  /** No entry of a guest is put back to what it was under an earlier epoch of it. */
  #judgeEpochs(): void {
    const newest = new Map<string, number>();
    for (const { node, mod } of this.world.changes) {
      const epoch = epochOfCookie(mod.cookie, 1);
      if (mod.command !== 'add' || epoch === undefined) continue;
      const key = `${node} ${flowKey(mod)}`;
      if (epoch < (newest.get(key) ?? 0))
        this.violations.push(`${key} went back from epoch ${newest.get(key)} to ${epoch}`);
      newest.set(key, epoch);
    }
  }

  #judgeSwitch(node: string): void {
    const bindings: Binding[] = [...this.#places.values()];
    const flows = flowsByKey(wantedFlows(viewOf(bindings), { node, ports: portsOf(node) }));
    const wanted = [...flows].map(([key, flow]) => `${key} ${flowEffect(flow)}`);
    const has = this.world.flowsAt(node);
    const lacks = wanted.filter((key) => !has.includes(key)).length;
    const strange = has.filter((key) => !wanted.includes(key)).length;
    if (lacks + strange > 0) this.violations.push(`${node} lacks ${lacks} flows and has ${strange} that nobody wants`);
  }
}
