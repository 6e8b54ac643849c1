// The cluster's authority: makes its key, makes members' keys and requests, signs certificates. The authority's key
// stays in the controller's directory; a member's key stays at the member.
import './reflect-metadata.ts';
import { createHash, X509Certificate as NodeCertificate, webcrypto } from 'node:crypto';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { type Clock, realClock } from '../clock.ts';
import { type Disk, realDisk } from '../disk/disk.ts';
import { messageOf, OperationError } from '../errors.ts';
import { type Identity, identityOf, type Peer, type Role } from './identity.ts';

/** The key that signs and the certificate that everyone knows. */
export interface Authority {
  /** PEM, PKCS #8. */
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
}

/** ECDSA on P-256 with SHA-256: what every TLS 1.3 peer speaks (RFC 8446 9.1). */
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 24 * 3600 * 1000;
/** As long as a key is of use without anyone there to renew it (SOUNDNESS D3). */
const MEMBER_DAYS = 30;
/** The root outlives the clusters it signs for; replacing it means joining anew. */
const AUTHORITY_DAYS = 3650;
/** A member whose clock is behind by less than this accepts a certificate that was signed just now. */
const BACKDATE_MS = 10 * 60 * 1000;
const SERIAL_BYTES = 16;
const FILES = { key: 'ca-key.pem', certificate: 'ca.pem' } as const;
const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;
/** As the contracts' `Name`: nothing that means something in a subject or a file name. */
const MEMBER_NAME = /^[a-z][a-z0-9-]{0,39}$/;

/** Makes a new authority. */
export async function createAuthority(clock: Clock = realClock): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: [{ O: ['supercloud'] }, { CN: ['supercloud authority'] }],
      keys,
      serialNumber: newSerial(),
      signingAlgorithm: ALGORITHM,
      ...validity(clock, AUTHORITY_DAYS),
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      ],
    },
    webcrypto,
  );
  return { key: await privatePem(keys.privateKey), certificate: certificate.toString('pem') };
}

/** Writes the authority's two files, the key for this user only. */
export async function saveAuthority(directory: string, authority: Authority, disk: Disk = realDisk): Promise<void> {
  await disk.makeDirectory(directory);
  await disk.replace(join(directory, FILES.key), Buffer.from(authority.key), SECRET_MODE);
  await disk.replace(join(directory, FILES.certificate), Buffer.from(authority.certificate), PUBLIC_MODE);
}

/** Reads the authority's two files. @throws OperationError AUTHORITY_MISSING */
export async function loadAuthority(directory: string, disk: Disk = realDisk): Promise<Authority> {
  try {
    const key = Buffer.from(await disk.readWhole(join(directory, FILES.key))).toString('utf8');
    const certificate = Buffer.from(await disk.readWhole(join(directory, FILES.certificate))).toString('utf8');
    return { key, certificate };
  } catch (cause) {
    throw new OperationError('AUTHORITY_MISSING', `cannot read the authority in ${directory}: ${messageOf(cause)}`, {
      remedy: 'Make the cluster first (supercloud init).',
      cause,
    });
  }
}

/** A new member key and, where one is given, its request for a certificate. Both PEM. */
export async function createKey(): Promise<string> {
  return privatePem((await newKeys()).privateKey);
}

/** A request (PKCS #10, RFC 2986) that proves possession of the key. PEM; the subject is only a suggestion. */
export async function createRequest(key: string, node: string): Promise<string> {
  const keys = await keysOf(key);
  const request = await Pkcs10CertificateRequestGenerator.create(
    { name: [{ CN: [node] }], keys, signingAlgorithm: ALGORITHM },
    webcrypto,
  );
  return request.toString('pem');
}

/**
 * The key in a request, as the SHA-256 of its SPKI in hexadecimal digits, after checking that the requester has it.
 * @throws OperationError REQUEST_BAD
 */
export async function requestKeyHash(request: string): Promise<string> {
  return createHash('sha256')
    .update(new Uint8Array((await readRequest(request)).publicKey.rawData))
    .digest('hex');
}

/**
 * Signs a request for the name and role that the authority decided; what the request itself says of them is ignored.
 * @throws OperationError REQUEST_BAD or NAME_BAD
 */
export async function signRequest(
  authority: Authority,
  request: string,
  member: Peer,
  clock: Clock = realClock,
): Promise<string> {
  if (!MEMBER_NAME.test(member.node)) throw badName(member.node);
  const { publicKey } = await readRequest(request);
  const issuer = new X509Certificate(authority.certificate);
  const certificate = await X509CertificateGenerator.create(
    {
      subject: [{ O: ['supercloud'] }, { OU: [member.role] }, { CN: [member.node] }],
      issuer: issuer.subjectName,
      publicKey,
      signingKey: (await keysOf(authority.key)).privateKey,
      signingAlgorithm: ALGORITHM,
      serialNumber: newSerial(),
      ...validity(clock, MEMBER_DAYS),
      extensions: memberExtensions(member),
    },
    webcrypto,
  );
  return certificate.toString('pem');
}

/** A member's identity made in one place: for the controller's own, an operator's, and the lab. */
export async function issueIdentity(authority: Authority, member: Peer, clock: Clock = realClock): Promise<Identity> {
  const key = await createKey();
  const certificate = await signRequest(authority, await createRequest(key, member.node), member, clock);
  return identityOf({ key, certificate, authority: authority.certificate });
}

/** The SHA-256 of a certificate's public key (SPKI) in base64url: what a join string pins (PROMISES X2). */
export function pinOf(certificate: string | Uint8Array): string {
  const key = new NodeCertificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(key).digest('base64url');
}

function memberExtensions(member: Peer): Extension[] {
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension(keyUsages(member.role)),
    new SubjectAlternativeNameExtension([{ type: 'dns', value: member.node }]),
  ];
}

/** An operator's certificate opens connections and never answers any. */
function keyUsages(role: Role): ExtendedKeyUsage[] {
  if (role === 'operator') return [ExtendedKeyUsage.clientAuth];
  return [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth];
}

async function readRequest(pem: string): Promise<Pkcs10CertificateRequest> {
  let request: Pkcs10CertificateRequest;
  try {
    request = new Pkcs10CertificateRequest(pem);
    if (await request.verify(webcrypto)) return request;
  } catch (cause) {
    throw new OperationError('REQUEST_BAD', `the certificate request cannot be read: ${messageOf(cause)}`, { cause });
  }
  throw new OperationError('REQUEST_BAD', 'the certificate request is not signed by the key that it names');
}

function badName(node: string): OperationError {
  return new OperationError('NAME_BAD', `${JSON.stringify(node.slice(0, 80))} is not a name for a member`, {
    remedy: 'Use 1 to 40 lower-case letters, digits and hyphens, a letter first.',
  });
}

function validity(clock: Clock, days: number): { notBefore: Date; notAfter: Date } {
  const nowMs = clock.wallMs();
  return { notBefore: new Date(nowMs - BACKDATE_MS), notAfter: new Date(nowMs + days * DAY_MS) };
}

/** Positive and at most 20 bytes (RFC 5280 4.1.2.2). */
function newSerial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(SERIAL_BYTES));
  return `01${Buffer.from(bytes).toString('hex')}`;
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  return PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

async function keysOf(pem: string): Promise<webcrypto.CryptoKeyPair> {
  const { subtle } = webcrypto;
  const privateKey = await subtle.importKey('pkcs8', PemConverter.decodeFirst(pem), ALGORITHM, true, ['sign']);
  const { d: _secret, key_ops: _uses, ...publicPart } = await subtle.exportKey('jwk', privateKey);
  return { privateKey, publicKey: await subtle.importKey('jwk', publicPart, ALGORITHM, true, ['verify']) };
}
