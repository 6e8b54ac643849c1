// Every single fault at every single step of a hold: the steps are those of a run without faults, the faults those of
// hold-faults.ts,
// healed at once or after every deadline, on quick disks and on slow ones.
import { FAULT_NAMES, type FaultName, plant } from './hold-faults.ts';
import { CALM, type HoldCast, HoldWorld } from './hold-world.ts';

/** Before and after all deadlines of the hold, ms after the fault; and how slow a sync is, ms. */
const CIRCUMSTANCES = [
  { healAfterMs: 300, syncMs: 1 },
  { healAfterMs: 45_000, syncMs: 1 },
  { healAfterMs: 2_000, syncMs: 150 },
] as const;
const SETTLE_MS = 150_000;

export interface EnumeratedRun {
  readonly point: string;
  readonly fault: FaultName;
  readonly healAfterMs: number;
  readonly syncMs: number;
  readonly place: string;
  readonly violations: readonly string[];
  readonly trace: readonly string[];
}

/** The steps of a hold without faults, each with how often it came before. */
export function holdPoints(): { point: string; nth: number }[] {
  const hold = new HoldWorld(1);
  const points: { point: string; nth: number }[] = [];
  const seen = new Map<string, number>();
  hold.world.onPoint((point) => {
    const nth = (seen.get(point) ?? 0) + 1;
    seen.set(point, nth);
    if (/^[AB][<>.]/.test(point)) points.push({ point, nth });
  });
  hold.settle(SETTLE_MS);
  return points;
}

/** Runs them one by one, so that a caller may stop at the first that interests it. */
export function* enumerate(cast: HoldCast = {}): Generator<EnumeratedRun> {
  for (const { point, nth } of holdPoints())
    for (const fault of FAULT_NAMES)
      for (const circumstance of CIRCUMSTANCES) yield runOne(cast, point, nth, fault, circumstance);
}

function runOne(
  cast: HoldCast,
  point: string,
  nth: number,
  fault: FaultName,
  { healAfterMs, syncMs }: (typeof CIRCUMSTANCES)[number],
): EnumeratedRun {
  const hold = new HoldWorld(1, CALM, cast);
  for (const node of ['A', 'B']) hold.world.disk(node).syncMs = syncMs;
  plant(hold, point, fault, nth);
  hold.world.onPoint((name) => {
    if (name === `FAULT ${fault}`) hold.world.clock.after(healAfterMs, () => hold.heal());
  });
  hold.world.run(60_000, () => hold.isHealed);
  const place = hold.settle(SETTLE_MS);
  return { point, fault, healAfterMs, place, syncMs, violations: hold.world.violations, trace: hold.world.trace };
}
