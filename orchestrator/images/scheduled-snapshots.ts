// Snapshots by the clock, brought to another place: the recovery points of images that have a schedule. One step of an image
// at a time, each safe to repeat: a snapshot that was made and not brought is brought next. Never removes the newest point.
import { messageOf } from '../../common/errors.ts';
import type { Head, Snapshot } from '../../wire/contracts/catalogue.ts';
import type { SnapshotSchedule } from '../../wire/contracts/propagation.ts';
import { carryPoint, nodeElsewhere, type PointParts } from './point-carrier.ts';
import { nextSnapshotMs, pointsToRemove, scheduledName, scheduledOf } from './snapshot-schedule.ts';

export class ScheduledSnapshots {
  readonly #parts: PointParts;
  /** Images for which a step is being taken: bringing one may take hours. */
  readonly #underWay = new Map<string, Promise<void>>();
  /** Why the last step of an image failed; told once. */
  readonly #reasons = new Map<string, string>();

  constructor(parts: PointParts) {
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
    const node = nodeElsewhere(this.#parts.cluster, head, schedule.place);
    // One that has not arrived is brought first: the next one needs its layers all the same.
    const isOpen = newest !== undefined && !isThere(newest, schedule);
    const point = isOpen ? newest : await snapshots.create(scheduledName(head.image, wallMs), [head.image]);
    await carryPoint(this.#parts, point, { place: schedule.place, node });
    await this.#removeOld(schedule, made, point);
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
