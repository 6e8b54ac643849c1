// Snapshots by the clock, brought to another place: the recovery points of images that have a schedule. One step of an image
// at a time, each safe to repeat: a snapshot that was made and not brought is brought next. Never removes the newest point.
import type { Clock } from '../common/clock.ts';
import { messageOf, OperationError } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import type { Head, Snapshot } from '../wire/contracts/catalogue.ts';
import type { SnapshotSchedule } from '../wire/contracts/propagation.ts';
import type { Cluster } from './cluster.ts';
import type { LayerSeeds } from './layer-seeds.ts';
import { nextSnapshotMs, pointsToRemove, scheduledName, scheduledOf } from './snapshot-schedule.ts';
import type { Snapshots } from './snapshots.ts';

export interface ScheduledSnapshotsParts {
  readonly cluster: Cluster;
  readonly snapshots: Pick<Snapshots, 'list' | 'create' | 'delete'>;
  readonly seeds: Pick<LayerSeeds, 'seed'>;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends what is on its way. */
  readonly stopping: AbortSignal;
}

export class ScheduledSnapshots {
  readonly #parts: ScheduledSnapshotsParts;
  /** Images for which a step is being taken: bringing one may take hours. */
  readonly #underWay = new Map<string, Promise<void>>();
  /** Why the last step of an image failed; told once. */
  readonly #reasons = new Map<string, string>();

  constructor(parts: ScheduledSnapshotsParts) {
    this.#parts = parts;
  }

  /** Begins what is due; meant to be repeated every few seconds. Waits for nothing that takes long. */
  async look(): Promise<void> {
    const { heads } = await this.#parts.cluster.controller.catalogue.call('image.list', {});
    const snapshots = await this.#parts.snapshots.list();
    for (const head of heads) {
      const schedule = head.propagation?.snapshots ?? null;
      if (schedule !== null && !this.#underWay.has(head.image)) this.#begin(head, schedule, snapshots);
    }
  }

  /** Settles when nothing is under way; for tests. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay.values());
  }

  #begin(head: Head, schedule: SnapshotSchedule, snapshots: readonly Snapshot[]): void {
    const { image } = head;
    const step = this.#step(head, schedule, scheduledOf(image, snapshots)).then(
      () => void this.#reasons.delete(image),
      (error: unknown) => this.#failed(image, messageOf(error)),
    );
    this.#underWay.set(
      image,
      step.finally(() => this.#underWay.delete(image)),
    );
  }

  #failed(image: string, reason: string): void {
    if (this.#reasons.get(image) === reason || this.#parts.stopping.aborted) return;
    this.#reasons.set(image, reason);
    this.#parts.log.warn({ image, reason }, 'its scheduled snapshot is late; it is tried again');
  }

  async #step(head: Head, schedule: SnapshotSchedule, made: readonly Snapshot[]): Promise<void> {
    const { clock, snapshots } = this.#parts;
    const wallMs = clock.wallMs();
    const newest = made.at(-1);
    const isDue = nextSnapshotMs(schedule, newest?.atMs, wallMs) <= wallMs;
    if (newest !== undefined && isThere(newest, schedule) && !isDue) return;
    const node = this.#elsewhere(head, schedule);
    // One that has not arrived is brought first: the next one needs its layers all the same.
    const isOpen = newest !== undefined && !isThere(newest, schedule);
    const point = isOpen ? newest : await snapshots.create(scheduledName(head.image, wallMs), [head.image]);
    await this.#bring(point, schedule, node);
    await this.#removeOld(schedule, made, point);
  }

  /** @throws OperationError SAME_PLACE, CLOUD_UNKNOWN, NODE_DOWN */
  #elsewhere({ image, writer, holder }: Head, { place }: SnapshotSchedule): string {
    const { node } = this.#parts.cluster.upNodeOf(place);
    if (node !== (writer ?? holder)) return node;
    throw new OperationError(
      'SAME_PLACE',
      `image ${image} is at ${place} itself: a snapshot there is no recovery point`,
      {
        remedy: 'Name another place in its schedule.',
      },
    );
  }

  async #bring({ snapshot }: Snapshot, { place }: SnapshotSchedule, node: string): Promise<void> {
    const { cluster, seeds, clock, log, stopping } = this.#parts;
    await seeds.seed({ source: snapshot, to: [node] }, { onProgress: () => undefined, signal: stopping });
    const recovery = { place, node, durableMs: clock.wallMs() };
    await cluster.controller.catalogue.call('snapshot.arrived', { snapshot, recovery });
    log.info({ snapshot, node }, 'a recovery point is durable');
  }

  /** Of those at the place the oldest beyond `keep`; and whatever is older than the new point and never arrived. */
  async #removeOld(schedule: SnapshotSchedule, made: readonly Snapshot[], point: Snapshot): Promise<void> {
    const others = made.filter(({ snapshot }) => snapshot !== point.snapshot);
    const there = others.filter((one) => isThere(one, schedule));
    const old = pointsToRemove(schedule, [...there, point]);
    const gone = others.filter((one) => !there.includes(one) && one.atMs < point.atMs);
    for (const { snapshot } of [...old, ...gone]) await this.#parts.snapshots.delete(snapshot);
  }
}

function isThere({ recovery }: Snapshot, { place }: SnapshotSchedule): boolean {
  return recovery?.place === place;
}
