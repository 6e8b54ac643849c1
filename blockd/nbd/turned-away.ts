// Says that clients are turned away, or let go for what they sent, once in a while: a thousand of them are one line. It
// decides nothing.
const AGAIN_MS = 60_000;

/** As much of a log as this needs. */
export interface ClientLog {
  warn(fields: object, message: string): void;
  debug(fields: object, message: string): void;
}

/** Counts those that are turned away. */
export interface TurnedAway {
  note(): void;
}

/** Tells of those that are let go for what they sent. */
export interface RefusedClients {
  note(why: string, from?: string): void;
}

/** `where`: where they came to, for the log. */
export function refusedClients(log: ClientLog, where: object, nowMs = (): number => performance.now()): RefusedClients {
  let saidMs = Number.NEGATIVE_INFINITY;
  let count = 0;
  return {
    note(why, from) {
      count++;
      if (nowMs() - saidMs < AGAIN_MS) return;
      saidMs = nowMs();
      log.warn(
        { ...where, ...(from === undefined ? {} : { from }), why, count },
        'a disk client is let go for what it sent',
      );
    },
  };
}

/** `what` has `limit` connections at most. */
export function turnedAway(
  log: ClientLog,
  what: string,
  limit: number,
  nowMs = (): number => performance.now(),
): TurnedAway {
  let saidMs = Number.NEGATIVE_INFINITY;
  let count = 0;
  return {
    note() {
      count++;
      if (nowMs() - saidMs < AGAIN_MS) return;
      saidMs = nowMs();
      log.warn(
        { limit, count, remedy: 'End clients that are not needed; find one that opens connections and keeps them.' },
        `${what} has as many clients as it may have, and turns others away`,
      );
    },
  };
}
