// Sessions as clients have them, with bytes changed, cut, doubled and mixed: nothing throws, answers stay the
// protocol's, and little is kept.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NbdSession } from '../../../blockd/nbd/nbd-session.ts';
import { fuzzInputs, fuzzSeed } from '../../fuzz-inputs.ts';
import { seededRandom } from '../common/seeded-random.ts';
import { settle } from './manual-clock.ts';
import { clientFlags, FakeDevice, go, metaQuery, option, request, SIZE, Wire } from './nbd-client.ts';

const INPUTS = fuzzInputs(20_000);
const CHANGES_MAX = 4;
const BLOCK = 4096;
const GREETING_BYTES = 18;
const ERRORS: readonly number[] = [0, 1, 5, 22, 28, 95, 108];
const CHUNKS: readonly number[] = [0, 1, 2, 5, 0x8001, 0x8002];
/** Of a session that reads at once: a reply of the largest read beside a batch. */
const SENT_BYTES_MAX = 40 * 2 ** 20;
const HEAP_BYTES_MAX = 192 * 2 ** 20;
/** Twice the table of a test run's garbage; payloads that were begun have buffers outside the heap. */
const OUTSIDE_BYTES_MAX = 256 * 2 ** 20;

const requests = [
  request(0, 100, 400),
  request(1, 100, 300, 1, Buffer.alloc(300, 7)),
  request(6, 0, BLOCK, 2),
  request(4, BLOCK, BLOCK),
  request(5, 0, 512),
  request(3, 0, 0),
  request(7, 0, 4 * BLOCK),
  request(0, BLOCK - 100, 2 * BLOCK),
  request(7, 0, BLOCK, 8),
  request(1, SIZE - 4, 8, 0, Buffer.alloc(8)),
];
const chosen = option(10, metaQuery('web', 'base:allocation', 'supercloud:version'));
const RECORDED: readonly (readonly Buffer[])[] = [
  [clientFlags(), option(7, go('web', 3)), ...requests, request(2, 0, 0)],
  [clientFlags(), option(8), option(9, metaQuery('web', 'base:')), chosen, option(7, go('web')), ...requests],
  [clientFlags(1), option(3), option(5), option(6, go('web', 1, 3)), option(1, Buffer.from('web')), ...requests],
];

type Random = () => number;

function below(random: Random, end: number): number {
  return Math.floor(random() * end);
}

/** Messages left out, doubled or exchanged, then bytes changed. */
function mutated(random: Random): Buffer {
  const messages = [...(RECORDED[below(random, RECORDED.length)] ?? [])];
  const kind = random();
  const at = below(random, messages.length);
  if (kind < 0.15) messages.splice(at, 1);
  else if (kind < 0.3) messages.splice(at, 0, ...messages.slice(at, at + 2));
  const bytes = Buffer.concat(messages);
  for (let count = below(random, CHANGES_MAX + 1); count > 0; count--) {
    bytes[below(random, bytes.length)] = random() < 0.5 ? below(random, 256) : 1 << below(random, 8);
  }
  return random() < 0.2 ? bytes.subarray(0, below(random, bytes.length)) : bytes;
}

/** Feeds the input in pieces. */
function feed(session: NbdSession, input: Buffer, random: Random): void {
  for (let at = 0; at < input.length; ) {
    const end = at + 1 + below(random, input.length);
    session.receive(Buffer.from(input.subarray(at, end)));
    at = end;
  }
}

/** Where the replies of the transmission phase begin: after the last option's. */
function endOfOptions(sent: Buffer): number {
  let at = GREETING_BYTES;
  while (at + 20 <= sent.length && sent.readBigUInt64BE(at) === 0x3e889045565a9n) at += 20 + sent.readUInt32BE(at + 16);
  return at;
}

/** The answer to NBD_OPT_EXPORT_NAME is no option's reply: the size, the flags, and zeroes for who wants them. */
function oldAnswerBytes(sent: Buffer, at: number, wantsZeroes: boolean): number {
  if (at + 8 > sent.length || sent.readBigUInt64BE(at) !== BigInt(SIZE)) return 0;
  return wantsZeroes ? 134 : 10;
}

/** Each reply is one that we know; simple ones with data cannot be told apart from their bytes alone. */
function checkReplies(sent: Buffer, isStructured: boolean, wantsZeroes: boolean): void {
  const start = endOfOptions(sent);
  for (let at = start + oldAnswerBytes(sent, start, wantsZeroes); at < sent.length; ) {
    const magic = sent.readUInt32BE(at);
    if (magic === 0x67446698) {
      assert.ok(ERRORS.includes(sent.readUInt32BE(at + 4)), 'an error of ours');
      if (!isStructured) return;
      at += 16;
    } else {
      assert.is(magic, 0x668e33ef);
      const type = sent.readUInt16BE(at + 6);
      assert.ok(CHUNKS.includes(type), `chunk type ${type}`);
      if (type >= 0x8000) assert.ok(ERRORS.includes(sent.readUInt32BE(at + 20)), 'an error of ours');
      at += 20 + sent.readUInt32BE(at + 16);
    }
  }
}

/** Whether the session agreed on structured replies: NBD_OPT_STRUCTURED_REPLY was acknowledged. */
function agreed(sent: Buffer): boolean {
  for (let at = GREETING_BYTES, end = endOfOptions(sent); at < end; at += 20 + sent.readUInt32BE(at + 16)) {
    if (sent.readUInt32BE(at + 8) === 8 && sent.readUInt32BE(at + 12) === 1) return true;
  }
  return false;
}

test(`${INPUTS} changed sessions are answered or ended, and never throw`, async () => {
  const seed = fuzzSeed();
  const random = seededRandom(seed);
  const device = new FakeDevice();
  device.zeros.add(1);
  let transmissions = 0;
  for (let index = 0; index < INPUTS; index++) {
    const wire = new Wire();
    const session = new NbdSession(device, { name: 'web', bytes: SIZE }, wire);
    const input = mutated(random);
    try {
      feed(session, input, random);
      assert.ok(wire.sentBytes <= SENT_BYTES_MAX, `${wire.sentBytes} bytes sent`);
      const sent = wire.take();
      if (sent.length > endOfOptions(sent)) transmissions++;
      checkReplies(sent, agreed(sent), ((input[3] ?? 0) & 2) === 0);
    } catch (error) {
      throw new Error(`seed ${seed}, input ${index}: ${input.toString('hex')}`, { cause: error });
    }
    session.close();
    device.calls.length = 0;
    if (index % 1000 === 0) await settle();
  }
  assert.ok(transmissions > INPUTS / 2, `${transmissions} came to their requests`);
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  assert.ok(heapUsed < HEAP_BYTES_MAX, `${heapUsed} bytes of heap`);
  assert.ok(arrayBuffers < OUTSIDE_BYTES_MAX, `${arrayBuffers} bytes outside the heap`);
});

test.run();
