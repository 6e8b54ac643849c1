// Tokens: used once, by who knows the secret, in time; and in the order that lets nobody burn another one's token.
import { createHash } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AttemptLimit } from '../../../common/membership/attempt-limit.ts';
import { NameBook } from '../../../common/membership/name-book.ts';
import { TokenBook, type TokenRecord } from '../../../common/membership/token-book.ts';
import { seededRandom } from './seeded-random.ts';

const MINUTE_MS = 60_000;
const START_MS = 1_900_000_000_000;
const KEY_A = 'a'.repeat(64);
const KEY_B = 'b'.repeat(64);

function crypto(seed = 1) {
  const random = seededRandom(seed);
  return {
    randomBytes: (count: number) => Uint8Array.from({ length: count }, () => Math.floor(random() * 256)),
    sha256: (text: string) => new Uint8Array(createHash('sha256').update(text).digest()),
  };
}

function setUp(ttlMs = 60 * MINUTE_MS) {
  const book = new TokenBook(crypto());
  const records: TokenRecord[] = [];
  const { id, secret, record } = book.create(ttlMs, START_MS);
  records.push(record);
  const redeem = (key: string, atMs = START_MS, given = secret, source = '10.0.0.1') => {
    const redeemed = book.redeem(id, given, key, source, atMs);
    if (redeemed.record !== undefined) records.push(redeemed.record);
    return redeemed;
  };
  return { book, records, id, secret, redeem };
}

test('a token lets one key in, with the role it was made for, and burns with a record', () => {
  const { redeem } = setUp();
  const first = redeem(KEY_A);
  assert.ok(first.code === 'OK' && first.role === 'node');
  assert.equal(first.record?.kind, 'token-burnt');
  assert.is(redeem(KEY_B).code, 'TOKEN_USED');
});

test('the secret is 32 random bytes and is kept nowhere', () => {
  const { secret, records, redeem } = setUp();
  redeem(KEY_A);
  assert.is(Buffer.from(secret, 'base64url').length, 32);
  assert.not.match(JSON.stringify(records), secret);
  assert.not.match(JSON.stringify(records), Buffer.from(secret, 'base64url').toString('hex'));
});

test('who knows only the id cannot burn the token', () => {
  const { redeem, secret } = setUp();
  for (const wrong of ['', 'x', secret.slice(1), `${secret}x`, secret.toUpperCase()]) {
    const answer = redeem(KEY_B, START_MS, wrong);
    assert.is(answer.code, 'TOKEN_UNKNOWN');
    assert.is(answer.record, undefined);
  }
  assert.is(redeem(KEY_A).code, 'OK');
});

test('an unknown token and a wrong secret look alike', () => {
  const { book, redeem } = setUp();
  assert.equal(book.redeem('0'.repeat(16), 'x', KEY_A, 's', START_MS), redeem(KEY_A, START_MS, 'x'));
});

test('the same key may repeat for 10 minutes, also beyond the expiry', () => {
  const { redeem } = setUp(MINUTE_MS);
  assert.is(redeem(KEY_A, START_MS + MINUTE_MS).code, 'OK');
  assert.is(redeem(KEY_A, START_MS + 11 * MINUTE_MS).code, 'OK');
  assert.is(redeem(KEY_A, START_MS + 11 * MINUTE_MS + 1).code, 'TOKEN_USED');
});

test('a late use burns the token and is told that it expired, each time', () => {
  const { redeem } = setUp(MINUTE_MS);
  const late = redeem(KEY_A, START_MS + MINUTE_MS + 1);
  assert.is(late.code, 'TOKEN_EXPIRED');
  assert.is(late.record?.kind, 'token-burnt');
  assert.is(redeem(KEY_A, START_MS + MINUTE_MS + 2).code, 'TOKEN_EXPIRED');
  assert.is(redeem(KEY_B, START_MS + MINUTE_MS + 3).code, 'TOKEN_USED');
});

test('a restart changes nothing', () => {
  const { records, id, secret, redeem } = setUp();
  const before = new TokenBook(crypto(), records);
  assert.is(before.redeem(id, secret, KEY_A, 's', START_MS).code, 'OK');
  redeem(KEY_A);
  const after = new TokenBook(crypto(), records);
  assert.is(after.redeem(id, secret, KEY_B, 's', START_MS).code, 'TOKEN_USED');
  assert.is(after.redeem(id, secret, KEY_A, 's', START_MS).code, 'OK');
  const rewritten = new TokenBook(crypto(), after.live(START_MS));
  assert.is(rewritten.redeem(id, secret, KEY_B, 's', START_MS).code, 'TOKEN_USED');
});

test('tokens are forgotten a day after they expired', () => {
  const { book } = setUp(MINUTE_MS);
  assert.is(book.live(START_MS + 24 * 60 * MINUTE_MS).length, 1);
  assert.is(book.live(START_MS + 25 * 60 * MINUTE_MS).length, 0);
});

test('a source that was wrong ten times has to wait, the right secret included; others need not', () => {
  const { redeem } = setUp();
  for (let i = 0; i < 10; i += 1) assert.is(redeem(KEY_B, START_MS, 'wrong').code, 'TOKEN_UNKNOWN');
  const blocked = redeem(KEY_A);
  assert.is(blocked.code, 'TOO_MANY_ATTEMPTS');
  assert.is(blocked.record, undefined);
  assert.is(redeem(KEY_A, START_MS, undefined, '10.0.0.2').code, 'OK');
  assert.is(redeem(KEY_A, START_MS + 10 * MINUTE_MS).code, 'OK');
});

test('the memory for wrong sources is bounded', () => {
  const limit = new AttemptLimit();
  for (let i = 0; i < 10; i += 1) limit.failed('first', 0);
  assert.not(limit.allows('first', 1));
  for (let i = 0; i < 4096; i += 1) limit.failed(`source ${i}`, 1);
  assert.ok(limit.allows('first', 2), 'the oldest is forgotten');
});

test('a name belongs to the key that took it until it is freed', () => {
  const book = new NameBook();
  const taken = book.take('beta', KEY_A);
  assert.ok(taken.code === 'OK' && taken.record !== undefined);
  assert.equal(book.take('beta', KEY_A), { code: 'OK' });
  assert.equal(book.take('beta', KEY_B), { code: 'NAME_TAKEN' });
  const again = new NameBook(book.live());
  assert.equal(again.take('beta', KEY_B), { code: 'NAME_TAKEN' });
  assert.equal(again.free('beta'), { kind: 'name-freed', node: 'beta' });
  assert.is(again.free('beta'), undefined);
  assert.is(again.take('beta', KEY_B).code, 'OK');
});

test.run();
