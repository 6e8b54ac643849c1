// The one line by which a node joins: where the controller is, the hash of its authority's key, and a secret that
// works once. A codec; whoever holds the text can become a member, so it belongs in no argument and no log.
import { type Static, Type } from '#typebox';
import { OperationError } from '../errors.ts';
import { SchemaCheck } from '../schema-check.ts';

/** Version of the text's form. */
const PREFIX = 'sc1.';
/** Several addresses of one controller, inner and outer. */
const ADDRESSES_MAX = 8;
/** 32 bytes in base64url without padding (secret and pin). */
const Base64Of32 = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' });

export const JoinString = Type.Object({
  addresses: Type.Array(Type.String({ minLength: 1, maxLength: 253 }), { minItems: 1, maxItems: ADDRESSES_MAX }),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
  /** SHA-256 of the authority's public key (SPKI). */
  pin: Base64Of32,
  id: Type.String({ pattern: '^[0-9a-f]{16}$' }),
  secret: Base64Of32,
});
export type JoinString = Static<typeof JoinString>;

const check = new SchemaCheck(JoinString);

/** The text of a join string. */
export function encodeJoinString(value: JoinString): string {
  return PREFIX + Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** What a join string says. @throws OperationError TOKEN_MALFORMED, which never repeats the text */
export function decodeJoinString(text: string): JoinString {
  if (!text.startsWith(PREFIX)) throw malformed(`it does not start with ${PREFIX}`);
  const value = parsed(text.slice(PREFIX.length));
  if (!check.accepts(value)) throw malformed('a part of it is missing');
  return value;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    // The error would quote the text, which holds the secret.
    throw malformed('it was cut or changed');
  }
}

function malformed(why: string): OperationError {
  return new OperationError('TOKEN_MALFORMED', `this is not a join string: ${why}`, {
    remedy: 'Copy the whole line that `supercloud token create` printed.',
  });
}
