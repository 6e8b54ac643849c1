// When a node draws a new WireGuard key, tells of it, speaks with it and forgets the old one. Pure. Each step waits until those
// before are known: the controller has told the others of the new key before it is used, and they have shaken hands with it
// before the old one is taken back.
import { Type } from '#typebox';
import { publicKeyOf } from './wireguard-keys.ts';

/** The keys that a node has, as it keeps them. Private ones never leave it. */
export const KeyState = Type.Object({
  /** Private: the device speaks with it. */
  current: Type.String(),
  /** Private: drawn, and told, but not used yet. */
  next: Type.Optional(Type.String()),
  /** Public: used before, and told still. */
  previous: Type.Optional(Type.String()),
  /** When it began to speak with the current one, ms since 1970. */
  sinceMs: Type.Number(),
});
export type KeyState = Type.Static<typeof KeyState>;

export interface KeyTimes {
  /** How old a key gets before another is drawn. */
  readonly lifeMs: number;
  /** How long the others have, to hear of a new key and then to shake hands with it. */
  readonly settleMs: number;
}

/** A day, as long as nobody says otherwise; and what a member takes to find a controller again that was away. */
export const KEY_TIMES: KeyTimes = { lifeMs: 24 * 3_600_000, settleMs: 60_000 };

/** The public keys that the others are to know: the old one first. */
export function toldKeys({ current, next, previous }: KeyState): [string] | [string, string] {
  const own = publicKeyOf(current);
  if (next !== undefined) return [own, publicKeyOf(next)];
  return previous === undefined ? [own] : [previous, own];
}

/** The state after the step that is due; undefined while none is. `toldMs`: since when the controller tells of `toldKeys`. */
export function nextKeys(
  { current, next, previous, sinceMs }: KeyState,
  { lifeMs, settleMs }: KeyTimes,
  { nowMs, toldMs, draw }: { readonly nowMs: number; readonly toldMs: number | undefined; readonly draw: () => string },
): KeyState | undefined {
  if (toldMs === undefined) return undefined;
  const isSettled = nowMs - toldMs >= settleMs;
  if (next !== undefined)
    return isSettled ? { current: next, previous: publicKeyOf(current), sinceMs: nowMs } : undefined;
  if (previous !== undefined) return isSettled ? { current, sinceMs } : undefined;
  // Of a key that seems to be of the future the clock has been set back since: its age is not known.
  const isOld = nowMs < sinceMs || nowMs - sinceMs >= lifeMs;
  return isOld ? { current, next: draw(), sinceMs } : undefined;
}
