// The join tokens of a cluster: made, used once, expired (PROMISES X1, SOUNDNESS D4). A state machine: what it decides
// comes with the record that must be durable before anyone hears of the decision. Knows secrets only by their hash.
import { type Static, Type } from '#typebox';
import { AttemptLimit } from './attempt-limit.ts';
import type { Role } from './identity.ts';

/** SHA-256 in hexadecimal digits. */
const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Id = Type.String({ pattern: '^[0-9a-f]{16}$' });
/** By the controller's wall clock, since a token outlives the process. */
const WallMs = Type.Number();

export const TokenRecord = Type.Union([
  Type.Object({
    kind: Type.Literal('token-created'),
    id: Id,
    secretHash: Hash,
    role: Type.Union([Type.Literal('controller'), Type.Literal('node'), Type.Literal('operator')]),
    expiresAtMs: WallMs,
  }),
  Type.Object({ kind: Type.Literal('token-burnt'), id: Id, keyHash: Hash, atMs: WallMs }),
]);
export type TokenRecord = Static<typeof TokenRecord>;

export type TokenRefusal = 'TOKEN_UNKNOWN' | 'TOKEN_USED' | 'TOKEN_EXPIRED' | 'TOO_MANY_ATTEMPTS';

/** The outcome, and the record (if any) that must be durable before it is told. */
export type Redeemed =
  | { readonly code: 'OK'; readonly role: Role; readonly record?: TokenRecord }
  | { readonly code: TokenRefusal; readonly record?: TokenRecord };

/** Randomness and hashing, handed in. */
export interface TokenCrypto {
  randomBytes(count: number): Uint8Array;
  sha256(text: string): Uint8Array;
}

interface Token {
  readonly created: Extract<TokenRecord, { kind: 'token-created' }>;
  burnt: Extract<TokenRecord, { kind: 'token-burnt' }> | undefined;
}

export const SECRET_BYTES = 32;
const ID_BYTES = 8;
/** A joiner whose answer was lost asks again; the same key gets the same answer for so long. */
const REPEAT_MS = 10 * 60 * 1000;
/** A late user of a token hears that it expired, rather than that there is none, for a day. */
const KEEP_MS = 24 * 3600 * 1000;
/** What an unknown id's secret is compared with, so that the answer takes as long. */
const NO_HASH = '0'.repeat(64);

export class TokenBook {
  readonly #crypto: TokenCrypto;
  readonly #tokens = new Map<string, Token>();
  readonly #attempts = new AttemptLimit();

  constructor(crypto: TokenCrypto, records: readonly TokenRecord[] = []) {
    this.#crypto = crypto;
    for (const record of records) this.#apply(record);
  }

  /** A new token; the secret (base64url) is known to nobody once this is answered and forgotten. */
  create(ttlMs: number, nowMs: number, role: Role = 'node'): { id: string; secret: string; record: TokenRecord } {
    const id = Buffer.from(this.#crypto.randomBytes(ID_BYTES)).toString('hex');
    const secret = Buffer.from(this.#crypto.randomBytes(SECRET_BYTES)).toString('base64url');
    const secretHash = this.#hash(secret);
    const record: TokenRecord = { kind: 'token-created', id, secretHash, role, expiresAtMs: nowMs + ttlMs };
    this.#apply(record);
    return { id, secret, record };
  }

  /** Uses a token for the key with this hash. The order is the point: secret, burning, expiry. */
  redeem(id: string, secret: string, keyHash: string, source: string, nowMs: number): Redeemed {
    if (!this.#attempts.allows(source, nowMs)) return { code: 'TOO_MANY_ATTEMPTS' };
    const token = this.#tokens.get(id);
    const right = equalInConstantTime(this.#hash(secret), token?.created.secretHash ?? NO_HASH);
    if (token === undefined || !right) return this.#wrong('TOKEN_UNKNOWN', source, nowMs);
    if (token.burnt !== undefined) return this.#again(token, token.burnt, keyHash, source, nowMs);
    const record: TokenRecord = { kind: 'token-burnt', id, keyHash, atMs: nowMs };
    this.#apply(record);
    if (nowMs > token.created.expiresAtMs) return { ...this.#wrong('TOKEN_EXPIRED', source, nowMs), record };
    return { code: 'OK', role: token.created.role, record };
  }

  /** The records that still matter, for the journal's rewriting. */
  live(nowMs: number): TokenRecord[] {
    const live = [...this.#tokens.values()].filter((token) => nowMs - token.created.expiresAtMs < KEEP_MS);
    return live.flatMap((token) => (token.burnt === undefined ? [token.created] : [token.created, token.burnt]));
  }

  #again(
    token: Token,
    burnt: { keyHash: string; atMs: number },
    keyHash: string,
    source: string,
    nowMs: number,
  ): Redeemed {
    const repeated = burnt.keyHash === keyHash && nowMs - burnt.atMs <= REPEAT_MS;
    if (!repeated) return this.#wrong('TOKEN_USED', source, nowMs);
    if (burnt.atMs > token.created.expiresAtMs) return this.#wrong('TOKEN_EXPIRED', source, nowMs);
    return { code: 'OK', role: token.created.role };
  }

  #wrong(code: TokenRefusal, source: string, nowMs: number): { code: TokenRefusal } {
    this.#attempts.failed(source, nowMs);
    return { code };
  }

  #apply(record: TokenRecord): void {
    if (record.kind === 'token-created') this.#tokens.set(record.id, { created: record, burnt: undefined });
    else {
      const token = this.#tokens.get(record.id);
      if (token !== undefined) token.burnt = record;
    }
  }

  #hash(secret: string): string {
    return Buffer.from(this.#crypto.sha256(secret)).toString('hex');
  }
}

/** Two texts of one length; takes as long wherever they differ. */
function equalInConstantTime(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i += 1) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}
