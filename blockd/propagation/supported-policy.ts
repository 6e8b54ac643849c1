// Which of the settings that may be asked for can be kept together. What cannot be kept is refused before anyone relies on
// it: an answer to a guest must never mean less than its policy says.
import { OperationError } from '../../common/errors.ts';
import type { PropagationSettings } from '../../wire/contracts/propagation.ts';

/** @throws OperationError POLICY_UNSUPPORTED */
export function refuseUnsupported(image: string, { policy, snapshots }: PropagationSettings): void {
  if (policy.mode !== 'async' || snapshots === null) return;
  throw new OperationError(
    'POLICY_UNSUPPORTED',
    `image ${image} cannot have policy async beside a schedule of snapshots`,
    {
      remedy: 'Its recovery points are made by the one or by the other: set --snapshots none, or another policy.',
    },
  );
}
