// How our daemons meet: TLS 1.3 with certificates of one authority on both sides, always checked, over TCP or a unix
// socket. What is said inside is chosen by ALPN. Never turns verification off.
import { X509Certificate } from 'node:crypto';
import type { SocketConstructorOpts } from 'node:net';
import { connect, type TLSSocket, type TlsOptions } from 'node:tls';
import { codeOf, messageOf, OperationError } from '../errors.ts';
import { type Identity, type Peer, peerOf } from './identity.ts';

/** A daemon at a node, reached by TCP. Its certificate must carry the node's name. */
export interface Target {
  readonly node: string;
  readonly address: string;
  readonly port: number;
}

/** A daemon of this machine, reached by its unix socket; the certificate is checked all the same. */
export interface PathTarget {
  readonly node: string;
  readonly path: string;
}

/** Calls: a WebSocket upgrade and records inside (RFC 7301 registers the name). */
export const CALLS_PROTOCOL = 'http/1.1';
/** A first line, then whatever the purpose named there says. */
export const BULK_PROTOCOL = 'supercloud-bulk/1';

/** Three round trips (TCP, TLS, first answer) over a link with 1 s of delay each way, and some loss. */
const CONNECT_TIMEOUT_MS = 10_000;

/** What a server of ours demands of every connection. */
export function serverTls(identity: Identity): TlsOptions {
  return {
    key: identity.key,
    cert: identity.certificate,
    ca: identity.authority,
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: true,
    ALPNProtocols: [CALLS_PROTOCOL, BULK_PROTOCOL],
    handshakeTimeout: CONNECT_TIMEOUT_MS,
  };
}

/**
 * Connects and checks that the other side is the node that was meant, with a certificate of our authority. The other
 * side's opinion of our certificate shows only at the first read (TLS 1.3).
 * `onread`: what comes goes into a buffer of the caller's, and none of it into the socket (net.Socket).
 * @throws OperationError UNREACHABLE, naming node and address; the signal's reason when it was aborted
 */
export function connectTls(
  target: Target | PathTarget,
  identity: Identity,
  protocol: string,
  signal?: AbortSignal,
  onread?: SocketConstructorOpts['onread'],
): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  if (signal?.aborted) return Promise.reject(signal.reason);
  const options = {
    ...whereTo(target),
    servername: target.node,
    key: identity.key,
    cert: identity.certificate,
    ca: identity.authority,
    minVersion: 'TLSv1.3' as const,
    rejectUnauthorized: true,
    ALPNProtocols: [protocol],
    ...(onread === undefined ? {} : { onread }),
  };
  const socket = connect(options);
  const fail = (error: unknown): void => {
    settle();
    socket.on('error', () => socket.destroy());
    socket.destroy();
    reject(error);
  };
  const onError = (cause: Error): void => fail(unreachable(target, whyNot(cause), cause));
  const onClose = (): void => fail(unreachable(target, 'the connection was closed'));
  const onTimeout = (): void => fail(unreachable(target, `no answer within ${CONNECT_TIMEOUT_MS} ms`));
  const onAbort = (): void => fail(signal?.reason);
  const timer = setTimeout(onTimeout, CONNECT_TIMEOUT_MS);
  const settle = (): void => {
    clearTimeout(timer);
    socket.off('error', onError).off('close', onClose);
    signal?.removeEventListener('abort', onAbort);
  };
  socket.on('error', onError).on('close', onClose);
  signal?.addEventListener('abort', onAbort, { once: true });
  socket.once('secureConnect', () => {
    const fault = serverFault(socket, target.node, protocol);
    if (fault !== undefined) return fail(unreachable(target, fault));
    settle();
    socket.setNoDelay(true);
    return resolve(socket);
  });
  return promise;
}

/** Who is at the other end of an accepted connection. @throws OperationError IDENTITY_BAD */
export function peerOfSocket(socket: TLSSocket): Peer {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new OperationError('IDENTITY_BAD', 'the connection carries no certificate');
  return peerOf(certificate);
}

/** The error of a call or stream that found nobody, or not whom it meant. */
export function unreachable(target: Target | PathTarget, why: string, cause?: unknown): OperationError {
  return new OperationError('UNREACHABLE', `cannot reach node ${target.node} at ${placeOf(target)}: ${why}`, {
    remedy: 'Check that the node is up, that its daemons run and that nothing between blocks the port.',
    cause,
  });
}

/** Why a connection did not come about, in words where the system's own say little to a person. */
function whyNot(cause: Error): string {
  return codeOf(cause) === 'ECONNREFUSED' ? 'nothing listens there, so the daemon does not run' : messageOf(cause);
}

/**
 * Why a server may have hung up before its first answer: it does so, without a word, when it does not accept the
 * certificate of who connects.
 */
export function hangUpReason(identity: Identity, wallMs: number): string {
  const { validToDate } = new X509Certificate(identity.certificate);
  if (validToDate.getTime() < wallMs) return `this node's own certificate expired at ${validToDate.toISOString()}`;
  return `it hung up; perhaps it does not accept the certificate of ${identity.role} ${identity.node}`;
}

/** A target's address as a person reads it. */
export function placeOf(target: Target | PathTarget): string {
  return 'path' in target ? target.path : `${target.address}:${target.port}`;
}

function whereTo(target: Target | PathTarget): { path: string } | { host: string; port: number } {
  return 'path' in target ? { path: target.path } : { host: target.address, port: target.port };
}

/** The default check has compared the name; an operator's certificate must not pass for a daemon's. */
function serverFault(socket: TLSSocket, node: string, protocol: string): string | undefined {
  let peer: Peer;
  try {
    peer = peerOfSocket(socket);
  } catch (error) {
    return messageOf(error);
  }
  if (peer.node !== node) return `it is node ${peer.node}`;
  if (peer.role === 'operator') return 'it shows the certificate of an operator';
  return socket.alpnProtocol === protocol ? undefined : `it does not speak ${protocol}`;
}
