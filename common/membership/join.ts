// Becoming a member: makes a key, proves to itself by the pin that it speaks to the right controller, and only then
// shows the token's secret. The key never leaves this machine, and is kept so that a lost answer can be asked for again.
import { X509Certificate } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect, type TLSSocket } from 'node:tls';
import { type Clock, realClock } from '../clock.ts';
import { type Disk, realDisk } from '../disk/disk.ts';
import { codeOf, messageOf, OperationError } from '../errors.ts';
import { createKey, createRequest, pinOf } from './authority.ts';
import { type Identity, identityOf, peerOf, saveIdentity } from './identity.ts';
import { JOIN_PATH, JOIN_TIMEOUT_MS, type JoinAnswer, type JoinRequest, joinAnswerCheck } from './join-exchange.ts';
import { decodeJoinString, type JoinString } from './join-string.ts';

export interface JoinOptions {
  /** The join string. */
  readonly token: string;
  /** The name to join under. */
  readonly node: string;
  /** Where key.pem, cert.pem and ca.pem go. */
  readonly directory: string;
  readonly disk?: Disk;
  readonly clock?: Clock;
}

/** A certificate is backdated by as much: a clock that is further behind would refuse it. */
const CLOCK_SKEW_MS_MAX = 10 * 60 * 1000;
/** A strange server cannot make us keep more than this. */
const ANSWER_BYTES_MAX = 64 * 1024;
const SECRET_MODE = 0o600;

/**
 * Joins and writes the identity. May be repeated with the same token for 10 minutes.
 * @throws OperationError TOKEN_MALFORMED, JOIN_UNREACHABLE, JOIN_PIN_MISMATCH, JOIN_ANSWER_BAD, CLOCK_OFF, NAME_TAKEN or
 * one of the token's: TOKEN_UNKNOWN, TOKEN_USED, TOKEN_EXPIRED, TOO_MANY_ATTEMPTS
 */
export async function joinCluster(options: JoinOptions): Promise<Identity> {
  const { node, directory, disk = realDisk, clock = realClock } = options;
  const place = decodeJoinString(options.token);
  const key = await keptKey(directory, disk);
  const asked: JoinRequest = { id: place.id, secret: place.secret, csr: await createRequest(key, node), node };
  const answer = await askAny(place, asked);
  if ('code' in answer) throw new OperationError(answer.code, answer.message, { remedy: answer.remedy });
  const identity = checkedIdentity(answer, key, node, place.pin);
  checkClock(answer.wallMs, clock.wallMs());
  await saveIdentity(directory, identity, disk);
  return identity;
}

/** Why a server's certificates are not those of the pinned cluster's controller; undefined if they are. */
export function pinFault(
  leaf: X509Certificate | undefined,
  issuer: X509Certificate | undefined,
  pin: string,
): string | undefined {
  if (leaf === undefined || issuer === undefined) return 'it did not show its authority';
  if (pinOf(issuer.raw) !== pin) return 'its authority is not the one of the join string';
  if (!issuer.ca || !leaf.checkIssued(issuer) || !leaf.verify(issuer.publicKey))
    return 'its certificate is not signed by its authority';
  try {
    return peerOf(leaf).role === 'controller' ? undefined : 'it is a member but not a controller';
  } catch (error) {
    return messageOf(error);
  }
}

/** The key of an earlier attempt, so that the controller knows this machine again; else a new one. */
async function keptKey(directory: string, disk: Disk): Promise<string> {
  const path = join(directory, 'key.pem');
  try {
    return Buffer.from(await disk.readWhole(path)).toString('utf8');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  const key = await createKey();
  await disk.makeDirectory(directory);
  await disk.replace(path, Buffer.from(key), SECRET_MODE);
  return key;
}

/** Asks at the controller's addresses in turn; a server with the wrong pin ends it. */
async function askAny(place: JoinString, asked: JoinRequest): Promise<JoinAnswer> {
  const failures: string[] = [];
  for (const address of place.addresses) {
    try {
      return await ask(await connectPinned(address, place.port, place.pin), asked);
    } catch (error) {
      if (error instanceof OperationError) throw error;
      failures.push(`${address}:${place.port}: ${messageOf(error)}`);
    }
  }
  throw new OperationError('JOIN_UNREACHABLE', `cannot reach the controller (${failures.join('; ')})`, {
    remedy:
      'Check that the orchestrator runs there and that nothing between blocks the port; the join string stays valid.',
  });
}

/**
 * A connection to a server that proved by its certificates to be the controller. Only the pin speaks for them: neither
 * this machine's trust store nor its clock, which may be years off (SOUNDNESS D3), has a say, so the library's own check
 * is replaced by `pinFault` here, before a byte is sent.
 */
function connectPinned(address: string, port: number, pin: string): Promise<TLSSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const socket = connect({ host: address, port, minVersion: 'TLSv1.3', rejectUnauthorized: false });
  socket.setTimeout(JOIN_TIMEOUT_MS, () => socket.destroy(new Error(`no answer within ${JOIN_TIMEOUT_MS} ms`)));
  socket.on('error', reject);
  socket.once('close', () => reject(new Error('the connection was closed')));
  socket.once('secureConnect', () => {
    const fault = chainFault(socket, pin);
    if (fault === undefined) return resolve(socket);
    socket.destroy();
    return reject(pinMismatch(address, port, fault));
  });
  return promise;
}

function chainFault(socket: TLSSocket, pin: string): string | undefined {
  const shown = socket.getPeerCertificate(true);
  const issuer = shown.issuerCertificate?.raw;
  return pinFault(socket.getPeerX509Certificate(), issuer === undefined ? undefined : new X509Certificate(issuer), pin);
}

function ask(socket: TLSSocket, asked: JoinRequest): Promise<JoinAnswer> {
  return new Promise((resolve, reject) => {
    const options = {
      method: 'POST',
      path: JOIN_PATH,
      headers: { 'content-type': 'application/json' },
      createConnection: () => socket,
    };
    const sent = request(options, (response) => void readAnswer(response).then(resolve, reject));
    sent.on('error', reject);
    sent.end(JSON.stringify(asked));
  });
}

async function readAnswer(response: IncomingMessage): Promise<JoinAnswer> {
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) response.destroy(new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`));
  });
  const body: unknown = JSON.parse(await text(response));
  if (joinAnswerCheck.accepts(body)) return body;
  throw new OperationError('JOIN_ANSWER_BAD', `the controller's answer is not one: ${joinAnswerCheck.fault(body)}`);
}

function checkedIdentity(
  answer: { certificate: string; authority: string },
  key: string,
  node: string,
  pin: string,
): Identity {
  const certificate = new X509Certificate(answer.certificate);
  const authority = new X509Certificate(answer.authority);
  const identity = identityOf({ key, certificate: answer.certificate, authority: answer.authority });
  const ours = identity.node === node && certificate.verify(authority.publicKey) && pinOf(answer.authority) === pin;
  if (!ours)
    throw new OperationError(
      'JOIN_ANSWER_BAD',
      `the controller answered with a certificate for ${identity.node} that is not ours`,
    );
  return identity;
}

function checkClock(theirWallMs: number, ourWallMs: number): void {
  const skewMs = ourWallMs - theirWallMs;
  if (Math.abs(skewMs) <= CLOCK_SKEW_MS_MAX) return;
  const word = skewMs < 0 ? 'behind' : 'ahead of';
  throw new OperationError(
    'CLOCK_OFF',
    `this machine's clock is ${Math.round(Math.abs(skewMs) / 1000)} s ${word} the controller's`,
    {
      remedy: 'Set the clock (timedatectl set-ntp true), then join again with the same join string within 10 minutes.',
    },
  );
}

function pinMismatch(address: string, port: number, fault: string): OperationError {
  return new OperationError(
    'JOIN_PIN_MISMATCH',
    `the server at ${address}:${port} is not this cluster's controller: ${fault}`,
    {
      remedy: 'The secret was not sent. Check the address; if it is right, someone is between: make a new join string.',
    },
  );
}
