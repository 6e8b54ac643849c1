// WireGuard's key pairs: Curve25519, as the base64 text that the tools of WireGuard take (wg(8), "genkey").
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';

/** What comes before the 32 bytes of a private key in PKCS #8 (RFC 8410, 7 and 10.3). */
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** Each 32 bytes in base64. */
export interface KeyPair {
  /** Never leaves its node. */
  readonly privateKey: string;
  readonly publicKey: string;
}

/** A new pair. */
export function newKeyPair(): KeyPair {
  const { privateKey } = generateKeyPairSync('x25519');
  const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
  return { privateKey: plainBase64(d), publicKey: plainBase64(x) };
}

/** The public key of a private one. @throws Error if it is none */
export function publicKeyOf(privateKey: string): string {
  const bytes = Buffer.from(privateKey, 'base64');
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_X25519, bytes]), format: 'der', type: 'pkcs8' });
  return plainBase64(createPublicKey(key).export({ format: 'jwk' }).x ?? '');
}

function plainBase64(url: string): string {
  return Buffer.from(url, 'base64url').toString('base64');
}
