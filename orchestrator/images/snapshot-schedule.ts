// When an image's scheduled snapshots are due, what they are called, and which of them may go. Pure decisions.
import type { Snapshot } from '../../wire/contracts/catalogue.ts';
import type { SnapshotSchedule } from '../../wire/contracts/propagation.ts';

/** `-20261125-203000` fits behind it into a name of 40 characters. */
const IMAGE_LENGTH_MAX = 24;
const PARTS = /-([0-9]{4})([0-9]{2})([0-9]{2})-([0-9]{2})([0-9]{2})([0-9]{2})$/;
const STAMP = /^-[0-9]{8}-[0-9]{6}$/;

/** What a scheduled snapshot is called: its image and the second in which it was ordered, in UTC. */
export function scheduledName(image: string, wallMs: number): string {
  const [day = '', time = ''] = new Date(wallMs).toISOString().split('T');
  return `${stem(image)}-${day.replaceAll('-', '')}-${time.slice(0, 8).replaceAll(':', '')}`;
}

/** When it was ordered, in ms since 1970: nothing that it has is older, whenever the catalogue heard of it. */
export function stampMs({ snapshot, atMs }: Pick<Snapshot, 'snapshot' | 'atMs'>): number {
  const [, year, month, day, hour, minute, second] = PARTS.exec(snapshot) ?? [];
  const ordered = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ordered) ? atMs : Math.min(ordered, atMs);
}

/** Those of the snapshots that the schedule has made of an image, the oldest first. */
export function scheduledOf(image: string, snapshots: readonly Snapshot[]): Snapshot[] {
  const isOf = ({ snapshot, disks }: Snapshot): boolean =>
    disks.length === 1 &&
    disks[0]?.image === image &&
    snapshot.startsWith(stem(image)) &&
    STAMP.test(snapshot.slice(stem(image).length));
  return snapshots.filter(isOf).sort((one, other) => one.atMs - other.atMs);
}

/** When the next scheduled snapshot is due, in ms since 1970; at once when none was made or the time has passed. */
export function nextSnapshotMs(schedule: SnapshotSchedule, lastMs: number | undefined, wallMs: number): number {
  if (lastMs === undefined || lastMs > wallMs) return wallMs;
  return Math.max(wallMs, lastMs + schedule.everySeconds * 1_000);
}

/** Which of the recovery points at the schedule's place may go: the oldest beyond those to keep, never the newest. */
export function pointsToRemove<Point extends { readonly atMs: number }>(
  schedule: SnapshotSchedule,
  points: readonly Point[],
): Point[] {
  return [...points].sort((one, other) => other.atMs - one.atMs).slice(schedule.keep);
}

function stem(image: string): string {
  return image.slice(0, IMAGE_LENGTH_MAX);
}
