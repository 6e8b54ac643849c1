// Whether the switches of a migration's two nodes have a session with the overlay's controller, looked at before anything is
// begun: one that is dead takes no flows and closes no port, and the whole memory would go for nothing. Changes nothing.
import type { Clock } from '../../common/clock.ts';
import { codeOf, OperationError } from '../../common/errors.ts';
import type { ControllerView } from '../../wire/contracts/sdnd.ts';
import type { Cluster } from '../cluster.ts';
import type { Patience } from '../patience.ts';
import type { MigrationRecord } from '../state.ts';
import type { MigrationJournal } from './migration-journal.ts';

/** A controller that was restarted answers again within this, and one that takes over. */
const CONTROLLER_MS = 15_000;
/** One that hangs is asked anew: another one may have taken over. */
const ANSWER_MS = 2_000;
/** All switches are in session again within this, once it answers. */
const SWITCH_MS = 8_000;
/** How often both are looked for. */
const INTERVAL_MS = 500;
/** A person who waits longer than this is told for what. */
const TOLD_AFTER_MS = 1_000;
/** What comes of a call while no controller is there, or one is about to take over. */
const GONE: readonly (string | undefined)[] = ['UNREACHABLE', 'CONNECTION_LOST', 'TIMEOUT', 'NOT_ACTIVE'];

const WAITS =
  "the overlay's controller does not answer: nothing is begun until it does. See 'supercloud net controllers', and start it";

export interface SwitchSessionsParts {
  readonly cluster: Cluster;
  readonly journal: Pick<MigrationJournal, 'show'>;
  readonly patience: Pick<Patience, 'pause'>;
  readonly clock: Clock;
}

export class SwitchSessions {
  readonly #parts: SwitchSessionsParts;

  constructor(parts: SwitchSessionsParts) {
    this.#parts = parts;
  }

  /** Waits a while for those that are away. @throws OperationError SWITCH_AWAY, UNREACHABLE, TIMEOUT, NOT_ACTIVE */
  async check(record: MigrationRecord, signal: AbortSignal): Promise<void> {
    const { clock, patience } = this.#parts;
    for (let untilMs: number | undefined; ; await patience.pause(INTERVAL_MS)) {
      const switches = (await this.#view(record, signal))?.switches;
      const away = [record.from, record.to].find((node) => switches?.includes(node) === false);
      if (away === undefined) return;
      // A controller that was restarted knows of none at first.
      untilMs ??= clock.nowMs() + SWITCH_MS;
      if (clock.nowMs() >= untilMs) throw switchAway(away, record);
    }
  }

  /** As the controller says itself; undefined where it has more to say than one answer takes, as with many hundred nodes. */
  async #view({ migration }: MigrationRecord, signal: AbortSignal): Promise<ControllerView | undefined> {
    const { cluster, journal, clock, patience } = this.#parts;
    const untilMs = clock.nowMs() + CONTROLLER_MS;
    const say = (): void => journal.show(migration, (before) => ({ ...before, hint: WAITS }));
    const waiting = clock.setTimer(TOLD_AFTER_MS, say);
    try {
      for (;;) {
        signal.throwIfAborted();
        try {
          return await cluster.controller.sdnd.call('controller.show', {}, { signal, timeoutMs: ANSWER_MS });
        } catch (error) {
          if (codeOf(error) === 'FRAME_TOO_LARGE') return undefined;
          if (!GONE.includes(codeOf(error)) || clock.nowMs() >= untilMs) throw error;
        }
        await patience.pause(INTERVAL_MS);
      }
    } finally {
      waiting.cancel();
      journal.show(migration, ({ hint: _, ...before }) => before);
    }
  }
}

function switchAway(node: string, { from, to }: MigrationRecord): OperationError {
  return new OperationError('SWITCH_AWAY', `the switch of node ${node} has no session with the overlay's controller`, {
    remedy: `see whether ovs-vswitchd runs at ${node}, 'supercloud net topology' and 'supercloud doctor ${from} ${to}'`,
  });
}
