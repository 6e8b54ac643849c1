// A model of QEMU with a guest in it and of the memory's stream between two of them, with the facts that decide the
// hold: a source resumes by itself when its migration fails, also when only the last acknowledgement was lost; a
// destination never starts by itself (unless the planted flaw says so).
import type { SimStore } from './hold-store.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

export type SimMachineState = 'none' | 'running' | 'held' | 'finishing' | 'migrated' | 'incoming' | 'loaded' | 'dead';

/** Between two writes of the guest, ms. */
const GUEST_WRITE_MS = 60;

export class SimMachine {
  readonly side: 'A' | 'B';
  readonly #world: World;
  readonly #store: SimStore;
  state: SimMachineState = 'none';
  guestRuns = false;
  /** The guest's memory: how many writes it has begun. */
  counter = 0;
  outstanding = 0;
  /** The guest met an I/O error, which no fault of ours may cause. */
  sawError = false;
  onDeath: () => void = () => undefined;

  constructor(side: 'A' | 'B', world: World, store: SimStore) {
    this.side = side;
    this.#world = world;
    this.#store = store;
  }

  get isAlive(): boolean {
    return this.state !== 'none' && this.state !== 'dead';
  }

  run(): void {
    if (!this.isAlive || this.guestRuns) return;
    this.state = 'running';
    this.guestRuns = true;
    this.#world.point(`${this.side}.guest runs`);
    this.#beat();
  }

  stop(state: SimMachineState): void {
    this.state = state;
    this.guestRuns = false;
  }

  kill(): void {
    if (!this.isAlive) return;
    this.stop('dead');
    this.#store.dropQueue();
    this.onDeath();
  }

  /** The guest is alive: it writes a number, one after the other, whether the last was answered or not. */
  #beat(): void {
    this.#world.clock.after(this.#world.prng.between(0.5, 1.5) * GUEST_WRITE_MS, () => {
      if (!this.guestRuns) return;
      this.#write();
      this.#beat();
    });
  }

  #write(): void {
    if (this.outstanding > 3) return;
    this.counter += 1;
    this.outstanding += 1;
    this.#store.write(this.counter, (isWritten) => {
      this.outstanding -= 1;
      if (!isWritten) this.sawError = true;
    });
  }
}

/** Passes before the hold and after it, and how long one takes, ms. */
const PASSES_BEFORE = 8;
const PASSES_AFTER = 4;
const PASS_MS = 12;
/** A stream that stands still this long is given up by its pumps, ms. */
const STREAM_IDLE_MS = 30_000;

interface Ends {
  readonly source: SimMachine;
  readonly destination: SimMachine;
  readonly sourceAgent: SimProcess;
  readonly destinationAgent: SimProcess;
  readonly drained: () => void;
  readonly sent: () => void;
  readonly sourceFailed: (reason: string) => void;
  readonly loaded: () => void;
  readonly destinationBroken: (reason: string) => void;
  /** The planted flaw: a destination without -S. */
  readonly autostart: boolean;
}

/** One stream: source's QEMU, its agent's pump, the network, the other agent's pump, the destination's QEMU. */
export class SimMemoryStream {
  readonly #world: World;
  readonly #ends: Ends;
  readonly #lives: readonly [number, number];
  #passes = 0;
  #idleMs = 0;
  #isContinued = false;
  #isDrainedTold = false;
  #sourceOver = false;
  #destinationOver = false;

  constructor(world: World, ends: Ends) {
    this.#world = world;
    this.#ends = ends;
    this.#lives = [ends.sourceAgent.life, ends.destinationAgent.life];
    this.#schedule();
  }

  /** `migrate-continue`: the last pass goes. */
  continue(): void {
    this.#isContinued = true;
    if (this.#ends.source.state === 'held') this.#ends.source.state = 'finishing';
    if (this.#sourceOver) this.#resumeSource();
  }

  /** The source's QEMU, alive, is told to give up; it resumes. */
  cancel(): void {
    this.#breakSource('cancelled');
  }

  #schedule(): void {
    this.#world.clock.after(PASS_MS, () => this.#pass());
  }

  #pass(): void {
    if (this.#sourceOver) return;
    if (!this.#ends.source.isAlive || this.#isPumpDead('source')) this.#breakSource('the source or its pump died');
    else if (!this.#ends.destination.isAlive || this.#isPumpDead('destination'))
      this.#breakDestination('the destination or its pump died');
    else if (this.#isStalled()) this.#idle();
    else this.#progress();
  }

  #isPumpDead(end: 'source' | 'destination'): boolean {
    const [sourceLife, destinationLife] = this.#lives;
    const agent = end === 'source' ? this.#ends.sourceAgent : this.#ends.destinationAgent;
    return agent.isDown || agent.life !== (end === 'source' ? sourceLife : destinationLife);
  }

  #isStalled(): boolean {
    const { sourceAgent, destinationAgent } = this.#ends;
    const { network } = this.#world;
    if (network.isCut('A', 'B') || network.isCut('B', 'A')) return true;
    return sourceAgent.state !== 'up' || destinationAgent.state !== 'up';
  }

  #idle(): void {
    this.#idleMs += PASS_MS;
    if (this.#idleMs > STREAM_IDLE_MS) this.#breakSource('the stream stood still');
    else this.#schedule();
  }

  #progress(): void {
    const { source } = this.#ends;
    this.#idleMs = 0;
    if (this.#passes < PASSES_BEFORE) this.#passes += 1;
    else if (source.state === 'running') source.stop('held');
    else if (!this.#isContinued) this.#drain();
    else if (this.#passes < PASSES_BEFORE + PASSES_AFTER) this.#passes += 1;
    else this.#load();
    if (!this.#destinationOver) this.#schedule();
  }

  /** QEMU waits until its disks are drained before it says that it is held. */
  #drain(): void {
    if (this.#isDrainedTold || this.#ends.source.outstanding > 0) return;
    this.#isDrainedTold = true;
    this.#world.point('A.machine drained');
    this.#ends.drained();
  }

  #load(): void {
    const { source, destination } = this.#ends;
    this.#destinationOver = true;
    destination.counter = source.counter;
    destination.state = 'loaded';
    this.#world.point('B.machine loaded');
    this.#ends.loaded();
    if (this.#ends.autostart) destination.run();
    this.#acknowledge();
  }

  /** The last acknowledgement on the return path: without it the source thinks that it failed. */
  #acknowledge(): void {
    this.#world.clock.after(this.#world.prng.between(1, 60), () => {
      if (this.#sourceOver || this.#ends.source.state !== 'finishing') return;
      if (this.#isPumpDead('source') || this.#isPumpDead('destination'))
        this.#breakSource('the last acknowledgement was lost');
      else if (this.#isStalled()) this.#acknowledgeLater();
      else this.#complete();
    });
  }

  #acknowledgeLater(): void {
    this.#idleMs += 30;
    if (this.#idleMs > STREAM_IDLE_MS) this.#breakSource('the last acknowledgement never came');
    else this.#acknowledge();
  }

  #complete(): void {
    this.#sourceOver = true;
    this.#ends.source.state = 'migrated';
    this.#world.point('A.machine migrated');
    this.#ends.sent();
  }

  #breakSource(reason: string): void {
    if (this.#sourceOver) return;
    this.#sourceOver = true;
    this.#world.point(`A.stream broke: ${reason}`);
    this.#tell(() => this.#breakDestination(reason));
    const noticesAtHold = this.#isContinued || this.#world.prng.chance(0.5) || reason === 'cancelled';
    if (noticesAtHold) this.#resumeSource();
    this.#ends.sourceFailed(reason);
  }

  /** QEMU's own doing: the guest ran before, so it runs again. */
  #resumeSource(): void {
    this.#world.clock.after(this.#world.prng.between(0, 50), () => {
      const { source } = this.#ends;
      if (source.state === 'held' || source.state === 'finishing') source.run();
    });
  }

  #breakDestination(reason: string): void {
    if (!this.#destinationOver) {
      this.#destinationOver = true;
      this.#world.point(`B.stream broke: ${reason}`);
      this.#ends.destination.kill();
      this.#ends.destinationBroken(reason);
    }
    if (!this.#sourceOver) this.#tell(() => this.#breakSource(reason));
  }

  /** The end of a connection crosses a cut link only by its own timeout. */
  #tell(other: () => void): void {
    const { network, clock } = this.#world;
    const isCut = network.isCut('A', 'B') || network.isCut('B', 'A');
    clock.after(isCut ? STREAM_IDLE_MS : this.#world.prng.between(1, 60), other);
  }
}
