// A cluster's certificates for tests: one authority, members by name, and a stranger's authority beside it.
import { once } from 'node:events';
import { createLog } from '../../../common/log.ts';
import { createAuthority, issueIdentity } from '../../../common/membership/authority.ts';
import type { Identity, Role } from '../../../common/membership/identity.ts';

export const authority = await createAuthority();
const strangers = await createAuthority();

export const quiet = createLog('test', 'silent');

export function member(node: string, role: Role = 'node'): Promise<Identity> {
  return issueIdentity(authority, { node, role });
}

/** A certificate of another cluster. */
export function stranger(node: string, role: Role = 'node'): Promise<Identity> {
  return issueIdentity(strangers, { node, role });
}

/** The error that a promise rejects with; fails if it resolves, or does neither within a minute. */
export async function failure(promise: Promise<unknown>): Promise<{ code: string; message: string; remedy: string }> {
  try {
    await within(promise);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return error as Error & { code: string; remedy: string };
    throw error;
  }
  throw new Error('nothing failed');
}

/** The promise's outcome, or a failure of the test, which says what did not come, when it takes too long. */
export function within<T>(promise: Promise<T>, boundMs = 60_000, missing = 'nothing'): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${missing} within ${boundMs} ms`)), boundMs);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** Waits for the signal. */
export async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await within(once(signal, 'abort'));
}
