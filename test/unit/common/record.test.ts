// The codec of a connection's records: each kind there and back, and nothing else.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeMessagePack } from '../../../common/messagepack.ts';
import { decodeRecord, encodeRecord, FRAME_BYTES_MAX, type RpcRecord } from '../../../common/rpc/record.ts';
import { fuzzInputs, fuzzSeed } from '../../fuzz-inputs.ts';
import { seededRandom } from './seeded-random.ts';

const records: RpcRecord[] = [
  { kind: 'request', id: 1, name: 'image.open', params: { image: 'web', bytes: 2 ** 40 } },
  { kind: 'cancel', id: 2 },
  { kind: 'progress', id: 3, value: null },
  { kind: 'result', id: Number.MAX_SAFE_INTEGER, value: { digest: 'a'.repeat(32) } },
  { kind: 'error', id: 5, code: 'INTERNAL', message: 'ü', remedy: '' },
];

function bytesOf(record: RpcRecord): Uint8Array {
  const encoded = encodeRecord(record);
  if (!encoded.ok) throw new Error('too long');
  return encoded.bytes;
}

test('every kind of record comes back as it was, and none that is cut', () => {
  for (const record of records) {
    const bytes = bytesOf(record);
    assert.equal(decodeRecord(bytes), { ok: true, record });
    for (let length = 0; length < bytes.length; length += 1) assert.not(decodeRecord(bytes.subarray(0, length)).ok);
  }
});

test('what is no record is refused', () => {
  const others = [
    null,
    7,
    [],
    {},
    { kind: 'other', id: 1 },
    { kind: 'cancel' },
    { kind: 'cancel', id: 0 },
    { kind: 'cancel', id: 1.5 },
  ];
  for (const other of [...others, { kind: 'request', id: 1, name: 'x'.repeat(101), params: {} }]) {
    assert.not(decodeRecord(encodeMessagePack(other)).ok, JSON.stringify(other));
  }
});

test('a record over the limit is not made', () => {
  const frame = (length: number): RpcRecord => ({ kind: 'result', id: 1, value: 'x'.repeat(length) });
  assert.ok(encodeRecord(frame(FRAME_BYTES_MAX - 100)).ok);
  const encoded = encodeRecord(frame(FRAME_BYTES_MAX));
  assert.ok(!encoded.ok && encoded.lengthBytes > FRAME_BYTES_MAX);
});

test('changed bytes are a record or a fault, and never an exception', () => {
  const inputs = fuzzInputs(20_000);
  const random = seededRandom(fuzzSeed(7));
  const originals = records.map(bytesOf);
  for (let round = 0; round < inputs; round += 1) {
    const bytes = Uint8Array.from(originals[round % originals.length] ?? []);
    for (let i = 0; i <= random() * 3; i += 1) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    const decoded = decodeRecord(bytes);
    assert.ok(decoded.ok || decoded.fault.length > 0);
  }
});

test.run();
