// Where the nodes' switches connect: TLS with certificates of our authority on both sides, OpenFlow 1.3 inside. A
// switch is known by the node's name in its certificate, never by what it says of itself.
import { createServer, type TLSSocket } from 'node:tls';
import type { Port } from '@openflow/ofp';
import type { Clock } from '../../common/clock.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Identity } from '../../common/membership/identity.ts';
import { peerOfSocket, serverTls } from '../../common/membership/tls.ts';
import { listenOn } from '../../common/rpc/listen.ts';
import { OpenFlowChannel } from './openflow-channel.ts';
import type { RoleWish } from './session-role.ts';

/** What the server tells the controller; the channel is the one that the news are about. */
export interface SwitchListener {
  ready(node: string, channel: OpenFlowChannel, datapathId: bigint, ports: readonly Port[]): void;
  port(node: string, channel: OpenFlowChannel, reason: 'add' | 'delete' | 'modify', port: Port): void;
  /** The switch obeys another controller, of a higher term; `closed` follows. */
  outranked(node: string): void;
  closed(node: string, channel: OpenFlowChannel, reason: string): void;
}

export interface OpenFlowServerOptions {
  readonly identity: Identity;
  readonly address: string;
  /** 0 lets the system choose (tests). */
  readonly port: number;
  /** What a connection that begins now is to be: a switch obeys the highest term it has seen. */
  readonly role: () => RoleWish;
  readonly listener: SwitchListener;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OpenFlowServer {
  readonly port: number;
  /** Ends all connections that there are, those that are not ready yet too. Switches come again. */
  closeChannels(reason: string): void;
  close(): Promise<void>;
}

/** One switch a node, and room for connections that are being replaced. */
const CONNECTIONS_MAX = 2048;

/** Starts to listen. @throws Error with the operating system's code when it cannot */
export async function startOpenFlowServer(options: OpenFlowServerOptions): Promise<OpenFlowServer> {
  const channels = new Set<OpenFlowChannel>();
  const { ALPNProtocols: _, ...tls } = serverTls(options.identity);
  const server = createServer(tls, (socket) => accept(options, socket, channels));
  server.maxConnections = CONNECTIONS_MAX;
  server.on('tlsClientError', (error, socket) =>
    options.log.warn({ from: socket.remoteAddress, reason: error.message }, 'a switch was refused'),
  );
  const port = await listenOn(server, options);
  const closeChannels = (reason: string): void => {
    for (const channel of channels) channel.close(reason);
  };
  return {
    port,
    closeChannels,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        closeChannels('the controller stops');
      }),
  };
}

function accept(options: OpenFlowServerOptions, socket: TLSSocket, channels: Set<OpenFlowChannel>): void {
  const node = memberOf(socket, options.log);
  if (node === undefined) {
    socket.destroy();
    return;
  }
  socket.setNoDelay(true);
  const { clock, listener } = options;
  const channel: OpenFlowChannel = new OpenFlowChannel(
    socket,
    clock,
    {
      ready: (datapathId, ports) => listener.ready(node, channel, datapathId, ports),
      port: (reason, port) => listener.port(node, channel, reason, port),
      garbled: (reason) => options.log.warn({ node, reason }, 'a switch sends messages that are none'),
      outranked: () => listener.outranked(node),
      closed: (reason) => {
        channels.delete(channel);
        listener.closed(node, channel, reason);
      },
    },
    options.role(),
  );
  channels.add(channel);
}

function memberOf(socket: TLSSocket, log: Log): string | undefined {
  try {
    const { node, role } = peerOfSocket(socket);
    if (role !== 'operator') return node;
    throw new OperationError('IDENTITY_BAD', `${node} is an operator, not a node`);
  } catch (error) {
    socket.on('error', () => socket.destroy());
    log.warn({ from: socket.remoteAddress, reason: messageOf(error) }, 'a switch was refused');
    return undefined;
  }
}
