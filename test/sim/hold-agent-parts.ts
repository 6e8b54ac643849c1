// What the simulated agents of both ends share: their wake-up, calls to daemons of their node, names of steps.
import type { DestinationEffect, DestinationInput } from '../../hypervisor/migration/hold-destination.ts';
import type { SourceEffect, SourceInput } from '../../hypervisor/migration/hold-source-steps.ts';
import type { SimMachine } from './hold-machine.ts';
import type { SimStore } from './hold-store.ts';
import type { SimSwitch } from './hold-switch.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** From what happens in QEMU to the agent's hearing of it, ms. */
export const QEMU_EVENT_MS = 0.1;
/** A call to a daemon of the same node, and to another node; ms. */
export const LOCAL_TIMEOUT_MS = 5_000;
export const FAR_TIMEOUT_MS = 12_000;

export interface Side {
  readonly machine: SimMachine;
  readonly store: SimStore;
  readonly port: SimSwitch;
}

/** Puts a tick where a machine wants one; an older wish is forgotten. */
export class Wake {
  readonly #process: SimProcess;
  readonly #world: World;
  readonly #tick: () => void;
  #wishes = 0;
  #atMs = Number.POSITIVE_INFINITY;

  constructor(process: SimProcess, world: World, tick: () => void) {
    this.#process = process;
    this.#world = world;
    this.#tick = tick;
  }

  at(wakeAtMs: number): void {
    if (wakeAtMs === this.#atMs) return;
    this.#atMs = wakeAtMs;
    this.#wishes += 1;
    const wish = this.#wishes;
    if (wakeAtMs === Number.POSITIVE_INFINITY) return;
    this.#process.after(wakeAtMs - this.#world.clock.nowMs, () => {
      if (wish !== this.#wishes) return;
      this.#atMs = Number.POSITIVE_INFINITY;
      this.#tick();
    });
  }
}

/** What is done at a daemon of the node, or at QEMU (without a daemon); false when it could not be. */
export interface LocalWork {
  readonly daemon: SimProcess | undefined;
  readonly work: () => unknown;
}

/** A call to a daemon of the node, or (without one) to QEMU, which answers while it lives. */
export function localCall(
  world: World,
  from: SimProcess,
  to: SimProcess | undefined,
  work: LocalWork['work'],
  done: (isDone: boolean) => void,
): void {
  const answer = (): boolean => work() !== false;
  if (!to) {
    from.after(0.5, () => done(answer()));
    return;
  }
  world.network.call<boolean>(
    from,
    to,
    LOCAL_TIMEOUT_MS,
    (reply) => reply(answer()),
    done,
    () => done(false),
  );
}

/** A step's name for the story: the same in every run that takes it. */
export function describe(step: DestinationInput | DestinationEffect | SourceInput | SourceEffect): string {
  const detail =
    'chore' in step
      ? step.chore
      : 'record' in step
        ? typeof step.record === 'string'
          ? step.record
          : step.record.kind
        : 'kind' in step
          ? step.kind
          : 'question' in step
            ? step.question
            : 'decision' in step
              ? step.decision
              : '';
  return detail ? `${step.type} ${detail}` : step.type;
}
