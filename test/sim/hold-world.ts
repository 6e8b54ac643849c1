// The whole cast of one migration, source A, destination B, controller K, under one seed, and the promises that are
// checked after every event (SOUNDNESS B1 to B4). It never helps the machines: it only watches.
import { HoldDestination } from '../../hypervisor/migration/hold-destination.ts';
import { HoldSource } from '../../hypervisor/migration/hold-source.ts';
import type { Side } from './hold-agent-parts.ts';
import { SimController } from './hold-controller.ts';
import { SimDestinationAgent } from './hold-destination-agent.ts';
import { SimMachine } from './hold-machine.ts';
import { SimSourceAgent } from './hold-source-agent.ts';
import { SimStore } from './hold-store.ts';
import { SimSwitch } from './hold-switch.ts';
import type { LinkFaults } from './network.ts';
import { World } from './world.ts';

/** From the release or the load to a refusal, ms; the agent's default. */
export const DEADLINE_MS = 10_000;

/** The machines under test, and flaws planted in the models around them; only mutation tests give any. */
export interface HoldCast {
  readonly Source?: typeof HoldSource;
  readonly Destination?: typeof HoldDestination;
  /** The destination's QEMU is started without -S. */
  readonly autostart?: boolean;
  /** A freeze that was on its way is obeyed after its thaw. */
  readonly forgetsThaw?: boolean;
  /** A frozen export answers writes with an error. */
  readonly refusesWhenFrozen?: boolean;
}

export const CALM: LinkFaults = { delayMsMin: 5, delayMsMax: 40, loss: 0, duplicate: 0 };

export class HoldWorld {
  readonly world: World;
  readonly a: Side;
  readonly b: Side;
  readonly source: SimSourceAgent;
  readonly destination: SimDestinationAgent;
  readonly controller: SimController;
  /** Machines that a fault has ended. */
  readonly killed = new Set<'A' | 'B'>();

  /** No fault strikes any more. */
  isHealed = false;

  constructor(seed: number, faults: LinkFaults = CALM, cast: HoldCast = {}) {
    this.world = new World(seed, faults);
    const { Source = HoldSource, Destination = HoldDestination } = cast;
    this.a = this.#side('A', cast);
    this.b = this.#side('B', cast);
    this.a.store.follower = this.b.store;
    this.destination = new SimDestinationAgent(this.world, this.b, (r) => new Destination(DEADLINE_MS, r));
    this.source = new SimSourceAgent(
      this.world,
      this.a,
      this.destination,
      this.b.machine,
      cast.autostart ?? false,
      (r) => new Source(r),
    );
    this.controller = new SimController(this.world, this.source, this.destination);
    this.#start();
    this.world.always(() => this.#check());
  }

  #side(node: 'A' | 'B', cast: HoldCast): Side {
    const store = new SimStore(node, this.world, node === 'A' ? 'writer' : 'standby');
    store.refusesWhenFrozen = cast.refusesWhenFrozen ?? false;
    store.forgetsThaw = cast.forgetsThaw ?? false;
    const machine = new SimMachine(node, this.world, store);
    return { store, machine, port: new SimSwitch(node, this.world, node === 'A') };
  }

  #start(): void {
    const { a, b } = this;
    a.machine.state = 'migrated';
    a.machine.run();
    b.machine.state = 'incoming';
    for (const process of this.processes) process.start();
  }

  get processes() {
    const { a, b, source, destination, controller } = this;
    const daemons = [a.store.process, a.port.process, b.store.process, b.port.process];
    return [...daemons, source.process, destination.process, controller.process];
  }

  /** Power cut of a whole node: its daemons, its machine, what its disk had not synced. */
  cutPower(node: 'A' | 'B'): void {
    for (const process of this.processes) if (process.node === node) process.crash();
    this.killMachine(node);
    this.world.disk(node).powerCut();
  }

  killMachine(node: 'A' | 'B'): void {
    const { machine } = node === 'A' ? this.a : this.b;
    if (machine.isAlive) this.killed.add(node);
    machine.kill();
  }

  /** All faults end; what is down comes back. */
  heal(): void {
    this.isHealed = true;
    this.world.point('heal');
    this.world.network.heal();
    for (const node of ['A', 'B']) this.world.disk(node).syncMs = 1;
    this.revive();
  }

  /** What is down or stopped comes back; links and disks stay as they are. */
  revive(): void {
    for (const process of this.processes) {
      process.thaw();
      process.start();
    }
  }

  #records() {
    return this.destination.log.records().filter((record) => record !== 'settled');
  }

  #check(): void {
    const { a, b, world } = this;
    if (a.store.role === 'writer' && b.store.role === 'writer') world.violate('both stores take writes');
    if (a.port.isOpen && b.port.isOpen) world.violate('both ports are open');
    if (a.machine.sawError || b.machine.sawError) world.violate('the guest saw an I/O error');
    const acknowledged = Math.max(a.store.acknowledged, b.store.acknowledged);
    for (const { store } of [a, b])
      if (store.role === 'writer' && (store.applied < acknowledged || store.lacksEntry))
        world.violate('an acknowledged write is lost');
    if (a.machine.guestRuns && a.store.role === 'writer' && b.machine.guestRuns) world.violate('two copies run');
    this.#checkRecord();
  }

  #checkRecord(): void {
    const { a, b, world } = this;
    const isStarted = this.destination.decision === 'started';
    const isInUse = b.machine.guestRuns || b.store.role === 'writer' || b.port.isOpen;
    if (!isInUse && b.machine.state !== 'running') return;
    const records = this.#records();
    if (!isStarted && !records.includes('started')) world.violate('the destination was used without its record');
    if (records.length > 1) world.violate('the destination has more than one record');
    if (a.store.role === 'writer') world.violate('the source takes writes after the destination began');
  }

  get record(): 'none' | 'started' | 'refused' | 'both' {
    const records = this.#records();
    return records.length > 1 ? 'both' : (records[0] ?? 'none');
  }

  /**
   * Everything that the record demands is done, on both sides. A source that lost power before its first record was
   * durable knows nothing of the migration and needs nothing.
   */
  get isConverged(): boolean {
    const { source, destination, controller, record } = this;
    if (!destination.isSettled || controller.decision !== record) return false;
    return source.isUnknown ? record === 'refused' : source.isSettled && source.decision === record;
  }

  /** Where the VM is in the end: at one side, or down there because a fault ended its only copy. */
  get place(): string {
    const isAtB = this.record === 'started';
    const side = isAtB ? this.b : this.a;
    const other = isAtB ? this.a : this.b;
    if (other.machine.isAlive) return 'two machines are left';
    if (other.port.isOpen || other.store.role === 'writer') return 'the losing side is still open';
    if (side.store.role !== 'writer') return `the disk is ${side.store.role} at the winning side`;
    if (!side.port.isOpen) return 'the port is closed at the winning side';
    const name = isAtB ? 'B' : 'A';
    if (side.machine.guestRuns) return `runs at ${name}`;
    return this.killed.has(name) && !side.machine.isAlive ? `down at ${name}` : `stopped at ${name} for no reason`;
  }

  /** After the faults: demands that the hold ends and the VM has one place; says which. */
  settle(limitMs: number): string {
    const { world } = this;
    if (!world.run(world.clock.nowMs + limitMs, () => this.isConverged)) {
      world.violate(
        `no end within ${limitMs} ms: source ${this.source.phase}/${this.source.decision}, record ${this.record}`,
      );
    }
    world.run(world.clock.nowMs + 300);
    const { place } = this;
    if (!/^(runs|down) at /.test(place)) world.violate(place);
    if (this.record === 'both') world.violate('the destination has more than one record');
    return place;
  }
}
