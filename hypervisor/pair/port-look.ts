// Whether another node's ports can be reached from this one, and what stands in the way where they cannot: opens a
// connection to each, looks whose certificate is there, and closes it. Nothing is said on it.
import { connect } from 'node:net';
import { type Clock, within } from '../../common/clock.ts';
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Identity } from '../../common/membership/identity.ts';
import { CALLS_PROTOCOL, connectTls } from '../../common/membership/tls.ts';
import type { PortFigures } from '../../wire/contracts/doctor.ts';
import type { Endpoint } from '../../wire/names.ts';
import { CATALOGUE_PORT, OPENFLOW_PORT, ORCHESTRATOR_PORT, SDND_PORT } from '../../wire/ports.ts';

/** Two round trips of the slowest link on which a hold is bearable (1 s), twice over. */
export const DIAL_LIMIT_MS = 4_000;

/** No packet of the other node's came back. */
const LOST_CODES: ReadonlySet<string> = new Set(['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH']);

interface Daemon {
  readonly daemon: string;
  readonly port: number;
  /** Only switches speak there, in a protocol of their own: that it listens is all that is asked. */
  readonly isPlain?: true;
}

/** What every node dials at the controller's, beside what it dials at any other. */
const CONTROLLER_DAEMONS: readonly Daemon[] = [
  { daemon: 'orchestrator', port: ORCHESTRATOR_PORT },
  { daemon: 'catalogue', port: CATALOGUE_PORT },
  { daemon: 'sdnd', port: SDND_PORT },
  { daemon: 'OpenFlow', port: OPENFLOW_PORT, isPlain: true },
];

export interface PortLookParts {
  readonly identity: Identity;
  readonly clock: Clock;
  readonly ports: { readonly blockd: number; readonly hypervisor: number };
}

/** All at once, so that it takes DIAL_LIMIT_MS at most. */
export function lookAtPorts(
  { identity, clock, ports }: PortLookParts,
  peer: Endpoint,
  isController: boolean,
): Promise<PortFigures[]> {
  const daemons: Daemon[] = [
    { daemon: 'hypervisor', port: ports.hypervisor },
    { daemon: 'blockd', port: ports.blockd },
    ...(isController ? CONTROLLER_DAEMONS : []),
  ];
  return Promise.all(
    daemons.map(async ({ daemon, port, isPlain }) => {
      const dialled = within(clock, DIAL_LIMIT_MS, async (signal) => {
        if (isPlain) await dialPlain(peer.address, port, signal);
        else (await connectTls({ ...peer, port }, identity, CALLS_PROTOCOL, signal)).destroy();
      });
      return { daemon, port, ...(await outcomeOf(dialled)) };
    }),
  );
}

function outcomeOf(dialled: Promise<void>): Promise<Pick<PortFigures, 'outcome' | 'reason'>> {
  return dialled.then(
    () => ({ outcome: 'open' as const, reason: '' }),
    (error: unknown) => {
      const code = codeOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
      if (code === 'ECONNREFUSED') return { outcome: 'refused' as const, reason: 'nothing listens there' };
      if (error instanceof Error && error.name === 'AbortError')
        return { outcome: 'silent' as const, reason: `nothing came back within ${DIAL_LIMIT_MS} ms` };
      const isLost = code !== undefined && LOST_CODES.has(code);
      return { outcome: isLost ? ('silent' as const) : ('strange' as const), reason: messageOf(error) };
    },
  );
}

function dialPlain(host: string, port: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
  });
}
