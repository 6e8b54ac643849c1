// A change of the overlay that is kept before its controller hears of it: what a person is told when that one cannot be told. It
// is not taken back: a controller that is away is told all that is kept when it is back, and who asks again asks for the same.
import { messageOf, OperationError } from '../../common/errors.ts';

/** `what`: what has become of it, as the beginning of a sentence. @throws OperationError OVERLAY_UNTOLD */
export async function tellKept(what: string, tell: () => Promise<void>): Promise<void> {
  try {
    await tell();
  } catch (cause) {
    throw new OperationError(
      'OVERLAY_UNTOLD',
      `${what}, but the overlay's controller has not heard of it: ${messageOf(cause)}`,
      { cause, remedy: 'switches go by what was before; the controller is told again every few seconds' },
    );
  }
}
