// Who listens to a machine's events.
import type { MachineEvents, MachineListener } from '../driver.ts';

type Listeners = { [E in keyof MachineEvents]: Set<MachineListener<E>> };

export class MachineListeners {
  readonly #listeners: Listeners = {
    stopped: new Set(),
    resumed: new Set(),
    ioError: new Set(),
    migration: new Set(),
    reset: new Set(),
    exited: new Set(),
  };

  /** Calls back until the returned function is called. */
  add<E extends keyof MachineEvents>(event: E, listener: MachineListener<E>): () => void {
    const listeners: Set<MachineListener<E>> = this.#listeners[event];
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  tell<E extends keyof MachineEvents>(event: E, details: MachineEvents[E]): void {
    const listeners: Set<MachineListener<E>> = this.#listeners[event];
    for (const listener of [...listeners]) listener(details);
  }
}
