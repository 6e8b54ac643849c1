// The destination's agent in the simulation: the real machine (hold-destination.ts) with a simulated journal and local
// daemons around it. It decides nothing that the machine decides.
import type {
  DestinationChore,
  DestinationEffect,
  DestinationInput,
  DestinationRecord,
  HoldDestination,
} from '../../hypervisor/migration/hold-destination.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Decision } from '../../wire/contracts/hypervisor.ts';
import { SimLog } from './disk.ts';
import {
  describe,
  LOCAL_TIMEOUT_MS,
  type LocalWork,
  localCall,
  QEMU_EVENT_MS,
  type Side,
  Wake,
} from './hold-agent-parts.ts';
import { SimProcess } from './process.ts';
import type { World } from './world.ts';

export class SimDestinationAgent {
  readonly process: SimProcess;
  readonly log: SimLog<DestinationRecord>;
  readonly #world: World;
  readonly #side: Side;
  readonly #make: (restored?: readonly DestinationRecord[]) => HoldDestination;
  #hold: HoldDestination | undefined;
  #waiting: ((decision: Decision) => void)[] = [];
  #wake: Wake;

  constructor(world: World, side: Side, make: (restored?: readonly DestinationRecord[]) => HoldDestination) {
    this.#world = world;
    this.#side = side;
    this.#make = make;
    this.log = new SimLog(world.disk('B'), 'agent');
    this.process = new SimProcess('B.agent', 'B', world.clock, () => this.#boot());
    this.#wake = this.#makeWake();
    side.machine.onDeath = () =>
      this.process.after(QEMU_EVENT_MS, () => this.feed({ type: 'died', reason: 'QEMU ended' }));
  }

  get decision(): Decision {
    return this.#hold?.decision ?? 'undecided';
  }
  get isSettled(): boolean {
    return this.#hold?.phase === 'settled';
  }

  #makeWake(): Wake {
    return new Wake(this.process, this.#world, () => this.feed({ type: 'tick' }));
  }

  #boot(): void {
    const isFirst = this.process.life === 1;
    this.#waiting = [];
    this.#wake = this.#makeWake();
    const records = this.log.open();
    this.#hold = this.#make(isFirst ? undefined : records);
    this.feed({ type: 'begin' });
  }

  released(closings: readonly Closing[], answer: (decision: Decision) => void): void {
    this.feed({ type: 'released', closings });
    answer(this.decision);
  }

  decisionWithin(waitMs: number, answer: (decision: Decision) => void): void {
    if (this.decision !== 'undecided') {
      answer(this.decision);
      return;
    }
    this.#waiting.push(answer);
    this.process.after(waitMs, () => {
      if (!this.#waiting.includes(answer)) return;
      this.#waiting = this.#waiting.filter((entry) => entry !== answer);
      answer(this.decision);
    });
  }

  refuse(reason: string, answer: (decision: Decision) => void): void {
    this.feed({ type: 'refuse', reason });
    this.decisionWithin(LOCAL_TIMEOUT_MS, answer);
  }

  feed(input: DestinationInput): void {
    if (this.process.isDown || !this.#hold) return;
    const life = this.process.life;
    if (input.type !== 'tick') this.#world.point(`B<${describe(input)}`);
    if (this.process.isDown) return;
    for (const effect of this.#hold.step(input, this.#world.clock.nowMs)) {
      this.#world.point(`B>${describe(effect)}`);
      if (this.process.life !== life || this.process.isDown) return;
      this.#do(effect);
    }
    this.#wake.at(this.#hold.wakeAtMs);
  }

  #do(effect: DestinationEffect): void {
    switch (effect.type) {
      case 'journal':
        this.#journal(effect.record);
        return;
      case 'verify':
        this.#verify(effect.closings, effect.timeoutMs);
        return;
      case 'chore':
        this.#chore(effect);
        return;
      case 'decided': {
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const answer of waiting) answer(effect.decision);
        return;
      }
      case 'settled':
        return;
    }
  }

  #journal(record: DestinationRecord): void {
    const { life } = this.process;
    this.log.append(record, () => this.process.run(life, () => this.feed({ type: 'journaled', record })));
    this.#world.point(`B.written ${record}`);
  }

  #verify(closings: readonly Closing[], timeoutMs: number): void {
    const { store } = this.#side;
    this.#world.network.call<boolean>(
      this.process,
      store.process,
      timeoutMs + LOCAL_TIMEOUT_MS,
      (answer) => store.verify(closings[0], timeoutMs, answer),
      (equal) => this.feed({ type: 'verified', equal, reason: equal ? '' : 'web' }),
      () => this.feed({ type: 'verifyFailed' }),
    );
  }

  #chore({ chore }: Extract<DestinationEffect, { type: 'chore' }>): void {
    const { daemon, work } = this.#chores(this.#side)[chore];
    localCall(this.#world, this.process, daemon, work, (isDone) =>
      this.feed({ type: isDone ? 'choreDone' : 'choreFailed', chore }),
    );
  }

  #chores({ machine, store, port }: Side): Record<DestinationChore, LocalWork> {
    return {
      activate: { daemon: store.process, work: () => store.activate() },
      openPort: { daemon: port.process, work: () => port.setOpen(true) },
      cont: { daemon: undefined, work: () => machine.run() },
      announce: { daemon: undefined, work: () => undefined },
      kill: { daemon: undefined, work: () => machine.kill() },
      cancelStandby: { daemon: store.process, work: () => store.cancelStandby() },
      detachPort: { daemon: port.process, work: () => port.detach() },
    };
  }
}
