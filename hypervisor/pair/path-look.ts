// How long a packet may be that goes from this node to an address in one piece: pings of several lengths, which no router may
// cut up (DF, RFC 791, 2.3), by iputils' ping, since Node's sockets cannot say so. Pure but for who runs them.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { codeOf } from '../../common/errors.ts';
import type { PathFigures } from '../../wire/contracts/doctor.ts';

/**
 * Lengths of IPv4 packets, ascending: what every ping has; what every path takes (RFC 791, 3.1); what a tunnel's frames need
 * with a guest's longest packet, 1380, and inside WireGuard 1460; and what is common between and above.
 */
const LENGTHS_BYTES = [84, 576, 1_000, 1_200, 1_280, 1_340, 1_380, 1_400, 1_420, 1_460, 1_500] as const;
/** IPv4's and ICMP's headers. */
const HEADERS_BYTES = 28;
/** Each second one is sent, until one is answered: as long as a port is given. */
const PATIENCE_S = 4;
/** The program itself does not come to its end. */
const TIMEOUT_MS = 10_000;

/** Runs `ping` with these arguments. Resolves when it was answered, rejects with ping's exit status as `code`, or a system's. */
export type RunPing = (words: readonly string[]) => Promise<unknown>;

export const runPing: RunPing = (words) => promisify(execFile)('ping', [...words], { timeout: TIMEOUT_MS });

/** All lengths at once, so that it takes `PATIENCE_S`. */
export async function lookAtPath(run: RunPing, address: string): Promise<PathFigures> {
  try {
    const answered = await Promise.all(LENGTHS_BYTES.map((bytes) => isAnswered(run, address, bytes)));
    const longestBytes = LENGTHS_BYTES.findLast((_, at) => answered[at]);
    if (longestBytes === undefined) return { missing: `${address} answers no pings` };
    return { longestBytes };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { missing: 'ping is not there (Debian: iputils-ping)' };
    throw error;
  }
}

/** ping ends with 1 where nothing was answered, and with 2 where it could not begin. */
async function isAnswered(run: RunPing, address: string, bytes: number): Promise<boolean> {
  const words = ['-n', '-q', '-M', 'do', '-c', '1', '-w', String(PATIENCE_S), '-s', String(bytes - HEADERS_BYTES)];
  try {
    await run([...words, address]);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw error;
    return false;
  }
}
