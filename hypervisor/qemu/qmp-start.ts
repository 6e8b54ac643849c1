// The first connection to a QEMU that is just starting: its socket is not there yet, or will never be.
import { setTimeout as sleep } from 'node:timers/promises';
import { HypervisorError, type WaitOptions } from '../driver.ts';
import { QmpClient, QmpError } from '../qmp/qmp-client.ts';

/** How often we try the socket. */
const CONNECT_POLL_MS = 10;

/** `ended` says how the process ended, undefined while it lives. Rejects with START_FAILED. */
export async function connectStarting(
  path: string,
  ended: () => string | undefined,
  { signal, timeoutMs }: WaitOptions & { readonly timeoutMs: number },
): Promise<QmpClient> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const how = ended();
    if (how !== undefined) throw new HypervisorError('START_FAILED', `QEMU ${how}`);
    if (performance.now() > deadline) {
      throw new HypervisorError('START_FAILED', `QEMU opened no QMP socket within ${timeoutMs} ms`);
    }
    const qmp = await tryConnect(path, signal);
    if (qmp !== undefined) return qmp;
    await sleep(CONNECT_POLL_MS);
  }
}

/** Undefined while nobody listens. */
async function tryConnect(path: string, signal: AbortSignal | undefined): Promise<QmpClient | undefined> {
  try {
    return await QmpClient.connect(path, signal && { signal });
  } catch (error) {
    if (error instanceof QmpError && (error.code === 'QMP_CONNECT' || error.code === 'QMP_CLOSED')) return undefined;
    throw error;
  }
}
