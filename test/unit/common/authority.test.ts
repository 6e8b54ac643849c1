// Certificates that say what the authority decided, in the form that TLS stacks accept, and nothing that a requester
// wished for.
import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  createAuthority,
  createKey,
  createRequest,
  issueIdentity,
  loadAuthority,
  pinOf,
  requestKeyHash,
  saveAuthority,
  signRequest,
} from '../../../common/membership/authority.ts';
import { loadIdentity, peerOf, saveIdentity } from '../../../common/membership/identity.ts';
import { failure } from './members.ts';
import { TurnedClock } from './turned-clock.ts';

const DAY_MS = 24 * 3600 * 1000;
const authority = await createAuthority();
const root = new X509Certificate(authority.certificate);

test('a member certificate names its member, is signed by the authority and lasts 30 days', async () => {
  const clock = new TurnedClock(Date.UTC(2030, 0, 1));
  const identity = await issueIdentity(authority, { node: 'alpha', role: 'node' }, clock);
  const certificate = new X509Certificate(identity.certificate);
  assert.is(certificate.subject, 'O=supercloud\nOU=node\nCN=alpha');
  assert.is(certificate.subjectAltName, 'DNS:alpha');
  assert.ok(certificate.checkIssued(root) && certificate.verify(root.publicKey));
  assert.is(certificate.ca, false);
  assert.is(certificate.validToDate.getTime(), Date.UTC(2030, 0, 31));
  assert.is(certificate.validFromDate.getTime(), Date.UTC(2030, 0, 1) - 10 * 60 * 1000);
  assert.equal(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  assert.is(certificate.publicKey.asymmetricKeyDetails?.namedCurve, 'prime256v1');
});

test('an operator certificate is for clients only', async () => {
  const identity = await issueIdentity(authority, { node: 'alice', role: 'operator' });
  assert.equal(new X509Certificate(identity.certificate).keyUsage, ['1.3.6.1.5.5.7.3.2']);
});

test('the authority signs for itself, may sign members and lasts for years', () => {
  assert.ok(root.ca && root.checkIssued(root) && root.verify(root.publicKey));
  assert.ok(root.validToDate.getTime() - Date.now() > 3600 * DAY_MS);
  assert.match(pinOf(authority.certificate), /^[A-Za-z0-9_-]{43}$/);
  assert.is(pinOf(root.raw), pinOf(authority.certificate));
});

test('what a request says of its name is ignored', async () => {
  const request = await createRequest(await createKey(), 'controller');
  const certificate = new X509Certificate(await signRequest(authority, request, { node: 'beta', role: 'node' }));
  assert.equal(peerOf(certificate), { node: 'beta', role: 'node' });
});

test('the same key has the same hash in every request, another key another', async () => {
  const key = await createKey();
  const hash = await requestKeyHash(await createRequest(key, 'a'));
  assert.is(await requestKeyHash(await createRequest(key, 'b')), hash);
  assert.is.not(await requestKeyHash(await createRequest(await createKey(), 'a')), hash);
  assert.match(hash, /^[0-9a-f]{64}$/);
});

test('a changed request is refused, or is still about the same key', async () => {
  const request = await createRequest(await createKey(), 'a');
  const hash = await requestKeyHash(request);
  const der = Buffer.from(request.replaceAll(/-----[A-Z ]+-----|\n/g, ''), 'base64');
  let refused = 0;
  for (let at = 0; at < der.length; at += 1) {
    const changed = Buffer.from(der);
    changed[at] = (changed[at] ?? 0) ^ 1;
    // A few bits of the envelope (a length, unused bits) are read generously; the key is never another.
    const outcome = await requestKeyHash(pemOf(changed)).catch((error) => error.code);
    assert.ok([hash, 'REQUEST_BAD'].includes(outcome), `byte ${at}: ${outcome}`);
    if (outcome !== hash) refused += 1;
  }
  assert.ok(refused > der.length - 5, `${refused} of ${der.length}`);
  for (const none of ['', 'x', authority.certificate]) {
    assert.is((await failure(requestKeyHash(none))).code, 'REQUEST_BAD');
  }
});

function pemOf(der: Buffer): string {
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
}

test('names that mean something in a subject or a path are refused', async () => {
  const request = await createRequest(await createKey(), 'a');
  for (const node of ['', 'A', 'a b', '../a', 'a,OU=controller', 'a\nb', 'a'.repeat(41), '1a']) {
    assert.is((await failure(signRequest(authority, request, { node, role: 'node' }))).code, 'NAME_BAD', node);
  }
});

test('two certificates never share a serial number', async () => {
  const request = await createRequest(await createKey(), 'a');
  const serials = new Set<string>();
  for (let i = 0; i < 20; i += 1) {
    serials.add(new X509Certificate(await signRequest(authority, request, { node: 'a', role: 'node' })).serialNumber);
  }
  assert.is(serials.size, 20);
});

test('an authority and an identity are written for this user only and read again', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'authority-'));
  await saveAuthority(join(directory, 'authority'), authority);
  assert.equal(await loadAuthority(join(directory, 'authority')), authority);
  const identity = await issueIdentity(authority, { node: 'alpha', role: 'controller' });
  await saveIdentity(join(directory, 'identity'), identity);
  assert.equal(await loadIdentity(join(directory, 'identity')), identity);
  for (const file of ['authority/ca-key.pem', 'identity/key.pem']) {
    assert.is((await stat(join(directory, file))).mode & 0o777, 0o600, file);
  }
  assert.is((await failure(loadIdentity(directory))).code, 'IDENTITY_MISSING');
  assert.is((await failure(loadAuthority(directory))).code, 'AUTHORITY_MISSING');
  await rm(directory, { recursive: true });
});

test('a certificate that is not a member is nobody', () => {
  assert.throws(() => peerOf(root), /is not one of a member/);
});

test.run();
