// When each place that a guest has left is forgotten: as soon as no frame can come late to it any more. The switches forget
// their late forwards by themselves too, if nobody comes to tell them.
import type { Clock, Timer } from '../../common/clock.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import { LATE_FORWARD_SEC } from '../pipeline.ts';
import type { Overlay } from './overlay.ts';

export interface DepartureWatchParts {
  readonly overlay: Pick<Overlay, 'departures' | 'forgetDeparture'>;
  /** Other flows are wanted. */
  readonly changed: () => void;
  readonly clock: Clock;
}

export class DepartureWatch {
  readonly #parts: DepartureWatchParts;
  readonly #timers = new Map<Binding, Timer>();

  constructor(parts: DepartureWatchParts) {
    this.#parts = parts;
  }

  /** Guests may have left other places. */
  look(): void {
    const { overlay, changed, clock } = this.#parts;
    for (const place of overlay.departures.values()) {
      if (this.#timers.has(place)) continue;
      const end = (): void => {
        this.#timers.delete(place);
        if (overlay.forgetDeparture(place)) changed();
      };
      this.#timers.set(place, clock.setTimer(LATE_FORWARD_SEC * 1_000, end));
    }
  }

  close(): void {
    for (const timer of this.#timers.values()) timer.cancel();
  }
}
