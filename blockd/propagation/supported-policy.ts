// Which of the policies that may be asked for this store can keep. What it cannot keep is refused before anyone relies on
// it: an answer to a guest must never mean less than its policy says.
import { OperationError } from '../../common/errors.ts';
import type { PropagationPolicy, PropagationSettings } from '../../wire/contracts/propagation.ts';

/** A policy is kept by building it and adding it here. */
const SUPPORTED: readonly PropagationPolicy['mode'][] = ['on-demand', 'proactive', 'sync', 'sync-write'];

/** @throws OperationError POLICY_UNSUPPORTED */
export function refuseUnsupported(image: string, { policy }: PropagationSettings): void {
  if (SUPPORTED.includes(policy.mode)) return;
  throw new OperationError('POLICY_UNSUPPORTED', `image ${image} cannot have policy ${policy.mode} yet`, {
    remedy: `The policies are ${SUPPORTED.join(', ')}.`,
  });
}
