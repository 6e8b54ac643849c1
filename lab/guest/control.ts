// Talks to a guest's control port (load.pl, port 9). It must bound every wait: the guest may be stopped, moving or gone.
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { type GuestStatus, parseGuestStatus } from './status.ts';

export const GUEST_PORTS = { echo: 7, control: 9, http: 80, ssh: 22 } as const;

export interface GuestAddress {
  readonly host: string;
  /** Default {@link GUEST_PORTS}.control; another where the port is forwarded. */
  readonly port?: number;
  readonly timeoutMs: number;
}

/** The guest's status now. Fails with GuestStatusError, or the socket's error, or a TimeoutError after `timeoutMs`. */
export async function readGuestStatus(address: GuestAddress): Promise<GuestStatus> {
  return await askGuest(address, 'status');
}

/**
 * Sends one control line, such as `dirty 10` or `verify`, and returns the status that answers it. The answer to `verify` comes at once:
 * the sweep is over when `sweeps` has grown.
 */
export async function askGuest(address: GuestAddress, line: string): Promise<GuestStatus> {
  const signal = AbortSignal.timeout(address.timeoutMs);
  const socket = connect({ host: address.host, port: address.port ?? GUEST_PORTS.control, signal });
  try {
    return parseGuestStatus(await answer(socket, line, signal));
  } finally {
    socket.destroy();
  }
}

/** The port greets with one line and answers each line with one: ours is the second. */
function answer(socket: Socket, line: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines: string[] = [];
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    socket
      .on('error', reject)
      .on('close', () => reject(new Error(`guest closed its control port before answering "${line}"`)));
    // readline passes the socket's errors on as its own, and an error that nobody hears ends the process.
    createInterface({ input: socket })
      .on('error', reject)
      .on('line', (text) => {
        if (lines.push(text) === 2) resolve(text);
      });
    socket.write(`${line}\n`);
  });
}
