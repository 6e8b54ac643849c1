// Tells the orchestrator that a guest of this node sends to a stub whose resource is elsewhere: at once, and then seldom as long
// as it goes on. Keeps nothing of what cannot be told: a guest that still wants the resource sends again.
import type { Clock } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';

/** The orchestrator takes a guest for one that has given up after a multiple of this. */
const TELL_EVERY_MS = 5_000;
/** An orchestrator is restarted in a second or so. */
const RETRY_MS = 1_000;
/** Guests and stubs of one node that are told of at a time; what is more is told when it asks again. */
const TOLD_MAX = 1024;

export interface StubTellerParts {
  readonly call: (vm: string, stub: string) => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Log;
}

export class StubTeller {
  readonly #parts: StubTellerParts;
  /** By guest and stub: before when it is not told again. */
  readonly #untilMs = new Map<string, number>();
  #isHeard = true;

  constructor(parts: StubTellerParts) {
    this.#parts = parts;
  }

  /** A frame of the guest came. */
  asked(vm: string, stub: string): void {
    const now = this.#parts.clock.nowMs();
    const key = `${vm} ${stub}`;
    if ((this.#untilMs.get(key) ?? now) > now) return;
    this.#forgetBefore(now);
    if (this.#untilMs.size >= TOLD_MAX) return;
    // Also while the call is under way, however long that takes.
    this.#untilMs.set(key, Number.POSITIVE_INFINITY);
    void this.#tell(vm, stub).then((isHeard) => {
      this.#untilMs.set(key, this.#parts.clock.nowMs() + (isHeard ? TELL_EVERY_MS : RETRY_MS));
    });
  }

  async #tell(vm: string, stub: string): Promise<boolean> {
    const { call, log } = this.#parts;
    try {
      await call(vm, stub);
      log.debug({ vm, stub }, 'a guest asks for what is in another place');
      this.#isHeard = true;
    } catch (error) {
      if (this.#isHeard)
        log.warn({ vm, stub, reason: messageOf(error) }, 'the orchestrator was not told what a guest asks for');
      this.#isHeard = false;
    }
    return this.#isHeard;
  }

  #forgetBefore(nowMs: number): void {
    for (const [key, untilMs] of this.#untilMs) if (untilMs <= nowMs) this.#untilMs.delete(key);
  }
}
