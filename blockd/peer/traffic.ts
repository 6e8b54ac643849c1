// What a layer's blocks and entries cost on the wire, by the other node and by what they crossed for. Plain counters.
import type { TrafficCause } from '../../wire/contracts/metrics.ts';

/** Bytes of frames since the daemon's start, TLS records not counted. */
export interface Meter {
  bytesIn: number;
  bytesOut: number;
}

/** One meter of many. */
export interface PeerMeter extends Readonly<Meter> {
  readonly peer: string;
  readonly cause: TrafficCause;
}

/** One layer's. There are as many meters as members ever were, times the causes. */
export class Traffic {
  readonly #meters = new Map<string, Map<TrafficCause, Meter>>();

  /** The meter to add to. */
  meter(peer: string, cause: TrafficCause): Meter {
    const meters = this.#meters.get(peer) ?? new Map<TrafficCause, Meter>();
    const meter = meters.get(cause) ?? { bytesIn: 0, bytesOut: 0 };
    if (meters.size === 0) this.#meters.set(peer, meters);
    meters.set(cause, meter);
    return meter;
  }

  get meters(): readonly PeerMeter[] {
    return [...this.#meters].flatMap(([peer, meters]) =>
      Array.from(meters, ([cause, meter]) => ({ peer, cause, ...meter })),
    );
  }

  /** With version entries, or with blocks and what asks for them. */
  sum(isTable: boolean): Meter {
    const sum = { bytesIn: 0, bytesOut: 0 };
    for (const { cause, bytesIn, bytesOut } of this.meters) {
      if ((cause === 'table') !== isTable) continue;
      sum.bytesIn += bytesIn;
      sum.bytesOut += bytesOut;
    }
    return sum;
  }
}

/** The meters of several layers, added up. */
export function sumOfTraffic(all: readonly Traffic[]): Traffic {
  const sum = new Traffic();
  for (const { peer, cause, bytesIn, bytesOut } of all.flatMap(({ meters }) => meters)) {
    const meter = sum.meter(peer, cause);
    meter.bytesIn += bytesIn;
    meter.bytesOut += bytesOut;
  }
  return sum;
}
