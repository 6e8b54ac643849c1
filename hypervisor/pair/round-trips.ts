// Round trips and the difference of two wall clocks, from calls that were answered with the other side's time. Pure.
// The peer read its clock somewhere between call and answer; taken for the middle, that is wrong by half of the round trip
// at most, so the quickest answer tells most (the reasoning of NTP, RFC 5905, 8).
import type { PeerFigures } from '../../wire/contracts/doctor.ts';

/** One call. `*WallMs` are since 1970, each by its own node's clock. */
export interface TimedAnswer {
  readonly roundTripMs: number;
  readonly calledWallMs: number;
  readonly peerWallMs: number;
}

export function judgeAnswers(answers: readonly TimedAnswer[]): Pick<PeerFigures, 'roundTrip' | 'clock'> {
  const sorted = answers.toSorted((a, b) => a.roundTripMs - b.roundTripMs);
  const [quickest] = sorted;
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (quickest === undefined || middle === undefined) return { roundTrip: null, clock: null };
  const errorMs = quickest.roundTripMs / 2;
  return {
    roundTrip: { minMs: quickest.roundTripMs, medianMs: middle.roundTripMs, samples: sorted.length },
    clock: { offsetMs: quickest.peerWallMs - quickest.calledWallMs - errorMs, errorMs },
  };
}
