// `async --rpo`: a layer is sealed and brought to the place so early that what would be lost with the writer's disk is never
// older than the RPO; and how much that is, said for each image (SOUNDNESS A10). One point of an image at a time, each step
// safe to repeat. The newest point that has arrived stays until a newer one has.

import { messageOf } from '../../common/errors.ts';
import type { Head, Snapshot } from '../../wire/contracts/catalogue.ts';
import type { RecoveryState } from '../../wire/contracts/cluster-state.ts';
import type { ClusterMetrics } from '../../wire/contracts/metrics.ts';
import type { PropagationPolicy } from '../../wire/contracts/propagation.ts';
import { carryPoint, nodeElsewhere, type PointParts } from './point-carrier.ts';
import { recoveryStep } from './recovery-step.ts';
import { scheduledName, scheduledOf, stampMs } from './snapshot-schedule.ts';

type AsyncPolicy = Extract<PropagationPolicy, { mode: 'async' }>;

/** How an image's points stand, beyond what the catalogue knows. */
interface Course {
  /** From the order of the newest point to its arrival. */
  lastShipMs: number;
  underWay: Promise<void> | undefined;
  /** Why the last step failed; nothing while all is well. */
  reason: string;
  isLate: boolean;
}

/** While no image has this policy the catalogue is asked no more often, but for `wake`: whoever sets one calls that. */
const UNUSED_LOOK_MS = 5_000;

export class AsyncPoints {
  readonly #parts: PointParts;
  readonly #courses = new Map<string, Course>();
  /** Until then no image is looked for. */
  #quietUntilMs = 0;

  constructor(parts: PointParts) {
    this.#parts = parts;
  }

  /** Begins what is due; meant to be repeated each second. Waits for nothing that takes long. */
  async look(): Promise<void> {
    const { clock } = this.#parts;
    if (clock.nowMs() < this.#quietUntilMs) return;
    const { heads } = await this.#parts.cluster.controller.catalogue.call('image.list', {});
    const meant = heads.filter((head) => policyOf(head) !== undefined);
    for (const image of this.#courses.keys()) {
      if (!meant.some((head) => head.image === image)) this.#courses.delete(image);
    }
    if (meant.length === 0) {
      this.#quietUntilMs = clock.nowMs() + UNUSED_LOOK_MS;
      return;
    }
    const snapshots = await this.#parts.snapshots.list();
    for (const head of meant) this.#look(head, scheduledOf(head.image, snapshots));
  }

  /** A policy was set: the next look sees it. */
  wake(): void {
    this.#quietUntilMs = 0;
  }

  /** Settles when nothing is under way; for tests. */
  async settled(): Promise<void> {
    await Promise.all([...this.#courses.values()].map(({ underWay }) => underWay));
  }

  /** Null of an image that has another policy. */
  stateOf(head: Head, snapshots: readonly Snapshot[]): RecoveryState | null {
    const policy = policyOf(head);
    if (policy === undefined) return null;
    const { rpoSeconds, place } = policy;
    const safe = safeOf(scheduledOf(head.image, snapshots), place);
    const safeAtMs = safe === undefined ? null : stampMs(safe);
    const isCovered = safe !== undefined && coversAll(head, safe);
    const lostMs = safeAtMs === null ? null : isCovered ? 0 : this.#parts.clock.wallMs() - safeAtMs;
    const isLate = lostMs === null || lostMs > rpoSeconds * 1_000;
    return { place, rpoSeconds, safeAtMs, lostMs, isLate, reason: this.#courses.get(head.image)?.reason ?? '' };
  }

  /** Of every image that has this policy, for metrics; nothing while the catalogue does not answer. */
  async figures(): Promise<Pick<ClusterMetrics, 'recovery'>> {
    const { cluster, snapshots, log } = this.#parts;
    try {
      const { heads } = await cluster.controller.catalogue.call('image.list', {});
      const made = await snapshots.list();
      const recovery = heads.flatMap((head) => {
        const state = this.stateOf(head, made);
        return state === null ? [] : [{ image: head.image, rpoSeconds: state.rpoSeconds, lostMs: state.lostMs }];
      });
      return { recovery };
    } catch (error) {
      log.info({ reason: messageOf(error) }, 'how old recovery points are is not known now');
      return {};
    }
  }

  #look(head: Head, made: readonly Snapshot[]): void {
    const policy = policyOf(head);
    const course = this.#courseOf(head.image);
    if (policy === undefined) return;
    const safe = safeOf(made, policy.place);
    if (safe !== undefined && coversAll(head, safe)) {
      this.#tell(head.image, course, false);
      return;
    }
    const { seal, isLate } = recoveryStep(
      {
        rpoMs: policy.rpoSeconds * 1_000,
        safeAtMs: safe === undefined ? undefined : stampMs(safe),
        isShipping: course.underWay !== undefined,
        lastShipMs: course.lastShipMs,
      },
      this.#parts.clock.wallMs(),
    );
    // The first one is late before it can be there.
    this.#tell(head.image, course, isLate && safe !== undefined);
    if (seal) this.#begin(head, policy, made, course);
  }

  #begin(head: Head, policy: AsyncPolicy, made: readonly Snapshot[], course: Course): void {
    const step = this.#step(head, policy, made, course).then(
      () => {
        course.reason = '';
      },
      (error: unknown) => {
        if (this.#parts.stopping.aborted) return;
        const reason = messageOf(error);
        if (reason !== course.reason)
          this.#parts.log.warn({ image: head.image, reason }, 'a recovery point did not come');
        course.reason = reason;
      },
    );
    course.underWay = step.finally(() => {
      course.underWay = undefined;
    });
  }

  async #step(head: Head, policy: AsyncPolicy, made: readonly Snapshot[], course: Course): Promise<void> {
    const { cluster, clock, snapshots } = this.#parts;
    const { place } = policy;
    const node = nodeElsewhere(cluster, head, place);
    const newest = made.at(-1);
    // One that has not arrived is brought first: the next one needs its layers all the same.
    const isOpen = newest !== undefined && newest.recovery?.place !== place;
    const orderedMs = clock.wallMs();
    const point = isOpen ? newest : await snapshots.create(scheduledName(head.image, orderedMs), [head.image]);
    const rateBytesPerSecond = head.propagation?.rateBytesPerSecond ?? undefined;
    await carryPoint(this.#parts, point, { place, node, rateBytesPerSecond });
    if (!isOpen) course.lastShipMs = clock.wallMs() - orderedMs;
    // Those that a schedule brought to another place are not its business.
    const old = made.filter((one) => one.snapshot !== point.snapshot && (one.recovery?.place ?? place) === place);
    for (const { snapshot } of old) await snapshots.delete(snapshot);
  }

  /** Says it once when it is so, and once when it is over. */
  #tell(image: string, course: Course, isLate: boolean): void {
    if (isLate === course.isLate) return;
    course.isLate = isLate;
    if (isLate) this.#parts.log.warn({ image }, 'more would be lost with the disk of its writer than its RPO says');
    else this.#parts.log.info({ image }, 'its RPO is kept again');
  }

  #courseOf(image: string): Course {
    const known = this.#courses.get(image);
    if (known !== undefined) return known;
    const course = { lastShipMs: 0, underWay: undefined, reason: '', isLate: false };
    this.#courses.set(image, course);
    return course;
  }
}

function policyOf({ propagation }: Head): AsyncPolicy | undefined {
  return propagation?.policy.mode === 'async' ? propagation.policy : undefined;
}

/** The newest that is at the place. */
function safeOf(made: readonly Snapshot[], place: string): Snapshot | undefined {
  return made.findLast(({ recovery }) => recovery?.place === place);
}

/** Whether an image that is closed was not written since. */
function coversAll({ writer, last, stack }: Head, { disks }: Snapshot): boolean {
  return writer === null && last.entries === 0 && stack.below[0]?.layer === disks[0]?.layers[0]?.layer;
}
