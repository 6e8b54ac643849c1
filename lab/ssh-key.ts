// A key pair for one lab run, by which its owner may log in to the Debian guest. It never leaves the run's directory.
import { type ECKeyPairOptions, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';

/** ECDSA over P-256: OpenSSH reads its SEC 1 form as it is, which it does not for Ed25519's PKCS #8. */
const OPTIONS: ECKeyPairOptions<'der', 'pem'> = {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'sec1', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'der' },
};
/** The uncompressed point at the end of a P-256 SubjectPublicKeyInfo (RFC 5480, 2.2). */
const POINT_BYTES = 65;

export interface SshKey {
  readonly file: string;
  /** One line of `authorized_keys`. */
  readonly publicKey: string;
}

/** Length and bytes, as SSH writes a string (RFC 4251, 5). */
function sshString(value: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(value.length);
  return Buffer.concat([length, value]);
}

/** Makes a key pair and writes the private key, for this user only, into the directory. */
export function createSshKey(directory: string): SshKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', OPTIONS);
  const file = `${directory}/guest-key`;
  writeFileSync(file, privateKey, { mode: 0o600 });
  const parts = ['ecdsa-sha2-nistp256', 'nistp256'].map((text) => sshString(Buffer.from(text)));
  const blob = Buffer.concat([...parts, sshString(publicKey.subarray(-POINT_BYTES))]);
  return { file, publicKey: `ecdsa-sha2-nistp256 ${blob.toString('base64')}` };
}
