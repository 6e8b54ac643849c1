// Between a migration's preparation and its memory: what an image under `proactive` pushes to the destination goes first,
// for the policy's lead at most. The guest works on where it is, and finds its blocks when it comes.
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import { LEAD_SECONDS } from '../../wire/contracts/propagation.ts';
import type { NodeDaemons } from '../cluster.ts';

/** What the answer may take longer than the lead itself. */
const ANSWER_MS = 5_000;

/** How long a migration's memory waits for the image's blocks, at most; 0 under other policies. */
export function leadMsOf({ propagation }: Head): number {
  if (propagation?.policy.mode !== 'proactive') return 0;
  return (propagation.policy.leadSeconds ?? LEAD_SECONDS) * 1_000;
}

/** Waits for them at the image's writer. One that does not answer is no reason not to move. @throws the signal's reason */
export async function pushAhead(
  head: Head,
  node: string,
  { blockd, log, signal }: { blockd: NodeDaemons['blockd']; log: Log; signal: AbortSignal },
): Promise<void> {
  const { image } = head;
  const withinMs = leadMsOf(head);
  try {
    const order = { image, node, withinMs };
    const said = await blockd.call('propagation.lead', order, { signal, timeoutMs: withinMs + ANSWER_MS });
    log.info({ image, node, missingBlocks: said.missingBlocks }, 'its blocks have gone ahead');
  } catch (error) {
    signal.throwIfAborted();
    log.warn({ image, node, reason: messageOf(error) }, 'its blocks do not go ahead');
  }
}
