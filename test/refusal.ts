// What a call that must be refused says. Not a test itself.
import { OperationError } from '../common/errors.ts';

/** Waits for the work's refusal; anything else is the test's failure. */
export async function refusal(work: Promise<unknown>): Promise<OperationError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof OperationError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}
