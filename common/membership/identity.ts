// Who this daemon is and who its peers are, as their certificates say. Reads and writes the three files of an
// identity; a private key never leaves this node and is never logged.
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { Disk } from '../disk/disk.ts';
import { realDisk } from '../disk/disk.ts';
import { OperationError } from '../errors.ts';

export type Role = 'controller' | 'node' | 'operator';

/** Who a certificate speaks for. */
export interface Peer {
  readonly node: string;
  readonly role: Role;
}

/** A name, the key that proves it, its certificate and the authority that everyone's certificate must come from. */
export interface Identity extends Peer {
  /** PEM, PKCS #8. */
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
  /** PEM. */
  readonly authority: string;
}

const FILES = { key: 'key.pem', certificate: 'cert.pem', authority: 'ca.pem' } as const;
const ROLES: readonly string[] = ['controller', 'node', 'operator'] satisfies Role[];
/** Readable by the daemon's user alone. */
const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;

/**
 * Reads the identity in a directory (key.pem, cert.pem, ca.pem).
 * @throws OperationError IDENTITY_MISSING or IDENTITY_BAD
 */
export async function loadIdentity(directory: string, disk: Disk = realDisk): Promise<Identity> {
  const [key, certificate, authority] = await Promise.all([
    readPem(disk, directory, FILES.key),
    readPem(disk, directory, FILES.certificate),
    readPem(disk, directory, FILES.authority),
  ]);
  return identityOf({ key, certificate, authority });
}

/** An identity from its three PEM texts; name and role are what the certificate says. */
export function identityOf(pem: { key: string; certificate: string; authority: string }): Identity {
  return { ...pem, ...peerOf(new X509Certificate(pem.certificate)) };
}

/** Writes an identity's files, each whole or not at all, the key first and for this user only. */
export async function saveIdentity(directory: string, identity: Identity, disk: Disk = realDisk): Promise<void> {
  await disk.makeDirectory(directory);
  await disk.replace(join(directory, FILES.key), Buffer.from(identity.key), SECRET_MODE);
  await disk.replace(join(directory, FILES.authority), Buffer.from(identity.authority), PUBLIC_MODE);
  await disk.replace(join(directory, FILES.certificate), Buffer.from(identity.certificate), PUBLIC_MODE);
}

/**
 * Whom a certificate of our authority speaks for. The name stands in the subject and, alone, in the alternative
 * names: a certificate that says two things is refused.
 * @throws OperationError IDENTITY_BAD
 */
export function peerOf(certificate: X509Certificate): Peer {
  const { CN: node, OU: role } = certificate.toLegacyObject().subject;
  if (typeof node !== 'string' || certificate.subjectAltName !== `DNS:${node}` || !isRole(role)) {
    throw new OperationError(
      'IDENTITY_BAD',
      `the certificate with subject ${JSON.stringify(certificate.subject)} and names ${certificate.subjectAltName ?? 'none'} is not one of a member`,
      { remedy: 'Join the node again with a new token.' },
    );
  }
  return { node, role };
}

function isRole(value: unknown): value is Role {
  return typeof value === 'string' && ROLES.includes(value);
}

async function readPem(disk: Disk, directory: string, file: string): Promise<string> {
  try {
    return Buffer.from(await disk.readWhole(join(directory, file))).toString('utf8');
  } catch (cause) {
    throw new OperationError('IDENTITY_MISSING', `cannot read ${join(directory, file)} of this node's identity`, {
      remedy: 'Join the node first (supercloud join).',
      cause,
    });
  }
}
