// Tells the orchestrator that this node is there, again and again as the sign of life. An orchestrator that cannot be
// reached changes nothing here.
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import type { RpcClient } from '../common/rpc/client.ts';
import type { NodeOutside } from '../wire/contracts/guest-network.ts';
import type { Capabilities } from '../wire/contracts/hypervisor.ts';
import type { orchestratorContract } from '../wire/contracts/orchestrator.ts';
import type { NodeUnderlay } from '../wire/contracts/sdnd.ts';

/** Until the first answer, and from then on; ms. */
const RETRY_MS = 2_000;
const SIGN_OF_LIFE_MS = 5_000;

export interface Registration {
  readonly orchestrator: RpcClient<typeof orchestratorContract>;
  readonly cloud: string;
  /** By which the other members reach this node. */
  readonly address: string;
  /** Its places in underlay networks, where it is not in the one of all. */
  readonly underlay?: NodeUnderlay;
  /** How guests' networks may leave there, if they may. */
  readonly outside?: NodeOutside;
  readonly capabilities: Capabilities;
  readonly log: Log;
}

/** Goes on until the signal is aborted. Never rejects. */
export async function keepRegistered(registration: Registration, signal: AbortSignal): Promise<void> {
  let isKnown: boolean | undefined;
  while (!signal.aborted) {
    const isAnswered = await register(registration, signal, isKnown);
    isKnown = isAnswered;
    await sleep(isAnswered ? SIGN_OF_LIFE_MS : RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** Logs only the changes. */
async function register(
  { orchestrator, log, ...report }: Registration,
  signal: AbortSignal,
  wasKnown: boolean | undefined,
): Promise<boolean> {
  try {
    await orchestrator.call('node.register', report, { signal });
    if (wasKnown !== true) log.info('the orchestrator knows this node');
    return true;
  } catch (error) {
    if (wasKnown !== false && !signal.aborted)
      log.warn({ reason: messageOf(error) }, 'the orchestrator has not registered this node');
    return false;
  }
}
