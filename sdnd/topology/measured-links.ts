// What the mesh is told of what was measured: enough to find the quicker way, and not more often than that needs, for each
// change is durable and has every switch's flows computed again. Pure.
import type { MeshLink } from '../../wire/contracts/sdnd.ts';
import type { LinkState } from './link-states.ts';

/**
 * One way, ms: a link that is down, or at whose other end nobody is heard, is the last resort and not none. Where there is
 * no other way its flows stay: silence of probes removes no flow (SOUNDNESS C2).
 */
export const DOWN_MS = 10_000;
/** A latency that changed by less, and by less than this share, does not change a way. */
const STEP_MS = 1;
const STEP_SHARE = 0.2;

/** All that the mesh is to know of links; undefined when it knows that already, or nearly. */
export function measuredLinks(states: readonly LinkState[], known: readonly MeshLink[]): MeshLink[] | undefined {
  const links = new Map(known.map((link) => [keyOf(link), link]));
  let isNew = false;
  for (const state of states) {
    const latencyMs = latencyOf(state);
    if (latencyMs === undefined) continue;
    const [a, b] = state.nodes;
    const before = links.get(keyOf({ a, b }));
    if (before !== undefined && isNear(before.latencyMs, latencyMs)) continue;
    links.set(keyOf({ a, b }), { a, b, latencyMs });
    isNew = true;
  }
  return isNew ? [...links.values()] : undefined;
}

/** Undefined of one of which nothing is known now: what was known before stands. */
function latencyOf({ verdict, isUnheard, roundTripMs }: LinkState): number | undefined {
  if (verdict === 'down' || isUnheard) return DOWN_MS;
  return verdict === 'unknown' || roundTripMs === null ? undefined : Math.round(roundTripMs * 5) / 10;
}

function isNear(before: number | null, now: number): boolean {
  return before !== null && Math.abs(now - before) <= Math.max(STEP_MS, STEP_SHARE * before);
}

function keyOf({ a, b }: Pick<MeshLink, 'a' | 'b'>): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
