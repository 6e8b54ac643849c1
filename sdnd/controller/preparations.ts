// Migrations that are being prepared: a destination's switch has confirmed what a guest needs there before anyone is answered that
// it has. Asked for by several at once each is done once.
import type { Binding } from '../../wire/contracts/sdnd.ts';
import { isSameBinding } from './binding-order.ts';
import { EndedMigrations } from './ended-migrations.ts';
import type { Overlay } from './overlay.ts';
import type { OverlayRecord } from './overlay-record.ts';
import { notReady, notTaken } from './overlay-refusals.ts';
import type { SwitchReconciler } from './switch-reconciler.ts';

/** The destination's agent adds the port just before a migration is prepared; the news of it takes a round trip. */
const PORT_TIMEOUT_MS = 5_000;

type Done = Record<string, never>;

export interface PreparationParts {
  readonly overlay: Pick<Overlay, 'prepare' | 'cancel'>;
  readonly switchOf: (node: string) => SwitchReconciler;
  /** Durable, in force and at the switches that answer in time. */
  readonly carryOut: (decide: () => OverlayRecord | undefined) => Promise<Done>;
  /** Why a switch has not taken what is wanted now, in words; undefined when it has. */
  readonly whyNotTaken: (destination: SwitchReconciler) => Promise<string | undefined>;
  /** Until all was told anew after a restart, what stands is told again, and waits for no switch. */
  readonly isAllTold: () => boolean;
}

export class Preparations {
  readonly #parts: PreparationParts;
  /** By migration. */
  readonly #underWay = new Map<string, { readonly to: Binding; readonly done: Promise<Done> }>();
  /** Confirmed to this process by their destination's switch. */
  readonly #confirmed = new EndedMigrations();

  constructor(parts: PreparationParts) {
    this.#parts = parts;
  }

  /**
   * `prepared`: called when it is new. @throws OperationError DESTINATION_NOT_READY, and then it is not prepared, however often it is
   * asked for; those of `Overlay.prepare`
   */
  async prepare(migration: string, to: Binding, prepared: () => void): Promise<Done> {
    const standing = this.#underWay.get(migration);
    if (standing !== undefined && isSameBinding(standing.to, to)) return standing.done;
    const { overlay, carryOut, isAllTold } = this.#parts;
    // Asked before and after: a command that will be refused need not wait for a port, nor one that stands already.
    const isNew = overlay.prepare(migration, to) !== undefined;
    if (!isNew && (this.#confirmed.has(migration) || !isAllTold())) return carryOut(() => undefined);
    const done = isNew ? this.#anew(migration, to) : this.#again(to);
    this.#underWay.set(migration, { to, done });
    try {
      await done;
    } finally {
      this.#underWay.delete(migration);
    }
    this.#confirmed.add(migration);
    if (isNew) prepared();
    return done;
  }

  async #anew(migration: string, to: Binding): Promise<Done> {
    const { overlay, switchOf, carryOut, whyNotTaken } = this.#parts;
    const destination = switchOf(to.node);
    if (!(await destination.hasPort(to.port, PORT_TIMEOUT_MS))) throw notReady(to, destination.connected);
    const done = await carryOut(() => overlay.prepare(migration, to));
    const why = await whyNotTaken(destination);
    if (why === undefined) return done;
    await carryOut(() => overlay.cancel(migration));
    throw notTaken(to, why);
  }

  /** Prepared before a restart, it may not have been confirmed; it stays prepared, for the guest may run there by now. */
  async #again(to: Binding): Promise<Done> {
    const { switchOf, whyNotTaken } = this.#parts;
    const why = await whyNotTaken(switchOf(to.node));
    if (why !== undefined) throw notTaken(to, why);
    return {};
  }
}
