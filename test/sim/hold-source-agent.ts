// The source's agent in the simulation: the real machine (hold-source.ts) with a simulated journal, local daemons and
// the other agent around it. It decides nothing that the machine decides.
import type { DestinationInput } from '../../hypervisor/migration/hold-destination.ts';
import type { HoldSource } from '../../hypervisor/migration/hold-source.ts';
import type {
  SourceChore,
  SourceEffect,
  SourceInput,
  SourceRecord,
} from '../../hypervisor/migration/hold-source-steps.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Decision } from '../../wire/contracts/hypervisor.ts';
import { SimLog } from './disk.ts';
import {
  describe,
  FAR_TIMEOUT_MS,
  LOCAL_TIMEOUT_MS,
  type LocalWork,
  localCall,
  QEMU_EVENT_MS,
  type Side,
  Wake,
} from './hold-agent-parts.ts';
import type { SimDestinationAgent } from './hold-destination-agent.ts';
import { type SimMachine, SimMemoryStream } from './hold-machine.ts';
import { SimProcess } from './process.ts';
import type { World } from './world.ts';

export class SimSourceAgent {
  readonly process: SimProcess;
  readonly log: SimLog<SourceRecord>;
  readonly #world: World;
  readonly #side: Side;
  readonly #peer: SimDestinationAgent;
  readonly #peerMachine: SimMachine;
  readonly #autostart: boolean;
  readonly #make: (restored?: readonly SourceRecord[]) => HoldSource;
  #hold: HoldSource | undefined;
  #stream: SimMemoryStream | undefined;
  #wake: Wake;
  /** What the controller was told, in order, with the moment. */
  outcomes: { decision: Decision; atMs: number }[] = [];
  onOutcome: (decision: Decision) => void = () => undefined;

  constructor(
    world: World,
    side: Side,
    peer: SimDestinationAgent,
    peerMachine: SimMachine,
    autostart: boolean,
    make: (restored?: readonly SourceRecord[]) => HoldSource,
  ) {
    this.#world = world;
    this.#side = side;
    this.#peer = peer;
    this.#peerMachine = peerMachine;
    this.#autostart = autostart;
    this.#make = make;
    this.log = new SimLog(world.disk('A'), 'agent');
    this.process = new SimProcess('A.agent', 'A', world.clock, () => this.#boot());
    this.#wake = this.#makeWake();
    side.machine.onDeath = () =>
      this.process.after(QEMU_EVENT_MS, () => this.feed({ type: 'failed', reason: 'QEMU ended' }));
  }

  get phase(): string {
    return this.#hold?.phase ?? 'new';
  }
  get decision(): Decision {
    return this.#hold?.decision ?? 'undecided';
  }
  get isUnknown(): boolean {
    return this.#hold === undefined;
  }
  get closings(): readonly Closing[] {
    return this.#hold?.closings ?? [];
  }
  get isSettled(): boolean {
    return this.#hold?.phase === 'settled';
  }

  #makeWake(): Wake {
    return new Wake(this.process, this.#world, () => this.feed({ type: 'tick' }));
  }

  #boot(): void {
    this.#stream = undefined;
    this.#wake = this.#makeWake();
    const records = this.log.open();
    this.#hold = records.length > 0 ? this.#make(records) : undefined;
    if (this.#hold) this.feed({ type: 'begin' });
  }

  /** The controller's command; a repeated one is no news. */
  outgoing(): void {
    if (this.#hold) return;
    this.#hold = this.#make();
    this.feed({ type: 'begin' });
  }

  feed(input: SourceInput): void {
    if (this.process.isDown || !this.#hold) return;
    const life = this.process.life;
    if (input.type !== 'tick') this.#world.point(`A<${describe(input)}`);
    if (this.process.isDown) return;
    for (const effect of this.#hold.step(input, this.#world.clock.nowMs)) {
      this.#world.point(`A>${describe(effect)}`);
      if (this.process.life !== life || this.process.isDown) return;
      this.#do(effect);
    }
    this.#wake.at(this.#hold.wakeAtMs);
  }

  #do(effect: SourceEffect): void {
    switch (effect.type) {
      case 'journal':
        this.#journal(effect.record);
        return;
      case 'sendMemory':
        this.#sendMemory();
        return;
      case 'closePort':
        this.#closePort();
        return;
      case 'freeze':
        this.#freeze();
        return;
      case 'continueMemory':
        this.#stream?.continue();
        return;
      case 'ask':
        this.#ask(effect);
        return;
      case 'chore':
        this.#chore(effect);
        return;
      case 'outcome':
        this.outcomes.push({ decision: effect.decision, atMs: this.#world.clock.nowMs });
        this.onOutcome(effect.decision);
        return;
      case 'settled':
        return;
    }
  }

  #journal(record: SourceRecord): void {
    const { life } = this.process;
    this.log.append(record, () => this.process.run(life, () => this.feed({ type: 'journaled', kind: record.kind })));
    this.#world.point(`A.written ${record.kind}`);
  }

  #sendMemory(): void {
    const { life } = this.process;
    const peerLife = this.#peer.process.life;
    const here = (input: SourceInput) => () => this.process.run(life, () => this.feed(input));
    const there = (input: DestinationInput) => this.#peer.process.run(peerLife, () => this.#peer.feed(input));
    this.#stream = new SimMemoryStream(this.#world, {
      source: this.#side.machine,
      destination: this.#peerMachine,
      sourceAgent: this.process,
      destinationAgent: this.#peer.process,
      drained: here({ type: 'drained' }),
      sent: here({ type: 'memorySent' }),
      sourceFailed: (reason) => here({ type: 'failed', reason })(),
      loaded: () => there({ type: 'loaded' }),
      destinationBroken: (reason) => there({ type: 'broken', reason }),
      autostart: this.#autostart,
    });
  }

  #closePort(): void {
    const { port } = this.#side;
    const closed = (isDone: boolean): void =>
      this.feed(isDone ? { type: 'portClosed' } : { type: 'failed', reason: 'the port was not closed' });
    localCall(this.#world, this.process, port.process, () => port.setOpen(false), closed);
  }

  #freeze(): void {
    const { store } = this.#side;
    const failed = () => this.feed({ type: 'failed', reason: 'the disks were not frozen' });
    this.#world.network.call<Closing | undefined>(
      this.process,
      store.process,
      LOCAL_TIMEOUT_MS,
      (answer) => store.freeze(answer),
      (closing) => (closing ? this.feed({ type: 'frozen', closings: [closing] }) : failed()),
      failed,
    );
  }

  #ask({ ask, question, closings, waitMs, reason }: Extract<SourceEffect, { type: 'ask' }>): void {
    const peer = this.#peer;
    this.#world.network.call<Decision>(
      this.process,
      peer.process,
      FAR_TIMEOUT_MS,
      (answer) => {
        if (question === 'released') peer.released(closings, answer);
        else if (question === 'refuse') peer.refuse(reason, answer);
        else peer.decisionWithin(waitMs, answer);
      },
      (decision) => this.feed({ type: 'answer', ask, decision }),
      () => this.feed({ type: 'noAnswer', ask }),
    );
  }

  #chore({ chore }: Extract<SourceEffect, { type: 'chore' }>): void {
    const { daemon, work } = this.#chores(this.#side)[chore];
    localCall(this.#world, this.process, daemon, work, (isDone) =>
      this.feed({ type: isDone ? 'choreDone' : 'choreFailed', chore }),
    );
  }

  #chores({ machine, store, port }: Side): Record<SourceChore, LocalWork> {
    return {
      thaw: { daemon: store.process, work: () => store.thaw() },
      resume: { daemon: undefined, work: () => this.#resume(machine) },
      openPort: { daemon: port.process, work: () => port.setOpen(true) },
      kill: { daemon: undefined, work: () => machine.kill() },
      releaseWriter: { daemon: store.process, work: () => store.release() },
      detachPort: { daemon: port.process, work: () => port.detach() },
    };
  }

  #resume(machine: SimMachine): void {
    this.#stream?.cancel();
    machine.run();
  }
}
