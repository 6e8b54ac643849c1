// The TCP port of a blockd that is alone: which address it may listen on without TLS, and the files that TLS takes, under
// the names that QEMU and gnutls give them. It serves nothing itself.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext, type TlsOptions } from 'node:tls';
import { codeOf, messageOf, OperationError } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import { NbdPort } from './nbd/nbd-port.ts';

/** What was typed. */
export interface ListenOptions {
  readonly listen?: string;
  readonly tls?: string;
  readonly insecureLoopback?: true;
}

const HANDSHAKE_MS = 10_000;
const PORT_MAX = 65_535;

/** Opens the port that was asked for, if one was. @throws OperationError USAGE, TLS_FILES, LISTEN */
export async function openPort(options: ListenOptions, log: Log): Promise<NbdPort | undefined> {
  const place = placeOf(options);
  if (place === undefined) return undefined;
  const tls = options.tls === undefined ? undefined : await tlsOf(options.tls);
  try {
    return await NbdPort.open({ listen: place, tls, log });
  } catch (error) {
    throw new OperationError('LISTEN', `cannot listen on ${options.listen}: ${messageOf(error)}`, {
      remedy: 'Choose an address of this machine and a port that is free.',
      cause: error,
    });
  }
}

function placeOf({ listen, tls, insecureLoopback }: ListenOptions): { address: string; port: number } | undefined {
  if (listen === undefined) {
    if (tls !== undefined || insecureLoopback !== undefined)
      throw usage('--tls and --insecure-loopback are for --listen');
    return undefined;
  }
  const [, inBrackets, plain, digits = ''] = /^(?:\[([0-9a-f:]+)\]|([0-9.]+)):(\d{1,5})$/.exec(listen) ?? [];
  const address = inBrackets ?? plain;
  const port = Number(digits);
  if (address === undefined || port > PORT_MAX) throw usage(`'${listen}' is no address and port`);
  if (tls !== undefined && insecureLoopback !== undefined) throw usage('say --tls or --insecure-loopback, not both');
  if (tls !== undefined || (insecureLoopback === true && isLoopback(address))) return { address, port };
  throw new OperationError('USAGE', `images on ${listen} without TLS would be anybody's to read and to change`, {
    remedy: isLoopback(address)
      ? 'Say --tls DIR; or --insecure-loopback, if all users of this machine may use the images.'
      : 'Say --tls DIR, with ca-cert.pem, server-cert.pem and server-key.pem.',
  });
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^127\.\d+\.\d+\.\d+$/.test(address);
}

/** Clients need a certificate of the same authority. */
async function tlsOf(directory: string): Promise<TlsOptions> {
  const ca = await read(join(directory, 'ca-cert.pem'), isCertificate);
  const cert = await read(join(directory, 'server-cert.pem'), isCertificate);
  const key = await read(join(directory, 'server-key.pem'), isKey);
  const options = { ca, cert, key, minVersion: 'TLSv1.3' } as const;
  try {
    createSecureContext(options);
  } catch (error) {
    throw bad(`the TLS files of ${directory} do not go together: ${messageOf(error)}`, error);
  }
  return { ...options, requestCert: true, rejectUnauthorized: true, handshakeTimeout: HANDSHAKE_MS };
}

/** `check` throws where it is not what it is to be. */
async function read(path: string, check: (pem: Buffer) => unknown): Promise<Buffer> {
  const pem = await readFile(path).catch((error: unknown) => {
    throw bad(`${path} cannot be read (${codeOf(error) ?? messageOf(error)})`, error);
  });
  try {
    check(pem);
    return pem;
  } catch (error) {
    throw bad(`${path} is not what its name says: ${messageOf(error)}`, error);
  }
}

const isCertificate = (pem: Buffer): X509Certificate => new X509Certificate(pem);
const isKey = (pem: Buffer): KeyObject => createPrivateKey(pem);

function bad(what: string, cause: unknown): OperationError {
  return new OperationError('TLS_FILES', what, {
    remedy: 'Put ca-cert.pem, server-cert.pem and server-key.pem there, as certtool or openssl make them.',
    cause,
  });
}

function usage(why: string): OperationError {
  return new OperationError('USAGE', why, { remedy: 'For example: --listen 127.0.0.1:10809 --tls /etc/pki/blockd.' });
}
