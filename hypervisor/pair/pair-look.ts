// What this node's agent finds of another node when an operator asks whether the two see each other well: its ports, round
// trips, its clock and the path to it, and how fast bytes come. Changes nothing anywhere.
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { PeerFigures, RateFigures } from '../../wire/contracts/doctor.ts';
import type { Endpoint } from '../../wire/names.ts';
import type { Neighbours } from '../neighbours.ts';
import { lookAtPath, type RunPing } from './path-look.ts';
import { DIAL_LIMIT_MS, lookAtPorts, type PortLookParts } from './port-look.ts';
import { judgeAnswers, type TimedAnswer } from './round-trips.ts';
import { measureRate } from './transfer.ts';

/** Enough for a median that one late answer does not turn. */
const ANSWERS = 9;
/** After which no further call is begun, ms. */
const ANSWERS_LIMIT_MS = 4_000;

export interface PairLookParts extends PortLookParts {
  readonly neighbours: Pick<Neighbours, 'agent' | 'agentTarget'>;
  readonly ping: RunPing;
  readonly log: Log;
}

/** What is to be looked at, as the contract says it. */
interface LookOrder {
  readonly peer: Endpoint;
  readonly isController: boolean;
  readonly path: string | null;
}

export class PairLook {
  readonly #parts: PairLookParts;

  constructor(parts: PairLookParts) {
    this.#parts = parts;
  }

  async look({ peer, isController, path: address }: LookOrder): Promise<PeerFigures> {
    const { ping } = this.#parts;
    const [ports, answers] = await Promise.all([lookAtPorts(this.#parts, peer, isController), this.#answers(peer)]);
    // Afterwards: a dozen programs that start hold up what is timed.
    const path = address === null ? { missing: 'its packets go by a relay' } : await lookAtPath(ping, address);
    return { ports, ...judgeAnswers(answers), path };
  }

  /** From the peer to this node. @throws as `measureRate` */
  rate(peer: Endpoint): Promise<RateFigures> {
    const { neighbours, identity, clock } = this.#parts;
    return measureRate(neighbours.agentTarget(peer), identity, clock);
  }

  async #answers(peer: Endpoint): Promise<TimedAnswer[]> {
    const { neighbours, clock, log } = this.#parts;
    const agent = neighbours.agent(peer);
    const answers: TimedAnswer[] = [];
    const untilMs = clock.nowMs() + ANSWERS_LIMIT_MS;
    try {
      await agent.call('clock.read', {}, { timeoutMs: DIAL_LIMIT_MS }); // That one may have had to connect.
      while (answers.length < ANSWERS && clock.nowMs() < untilMs) {
        const [calledMs, calledWallMs] = [clock.nowMs(), clock.wallMs()];
        const { wallMs } = await agent.call('clock.read', {}, { timeoutMs: DIAL_LIMIT_MS });
        answers.push({ roundTripMs: clock.nowMs() - calledMs, calledWallMs, peerWallMs: wallMs });
      }
    } catch (error) {
      log.info({ peer: peer.node, reason: messageOf(error) }, 'its agent does not answer');
    }
    return answers;
  }
}
