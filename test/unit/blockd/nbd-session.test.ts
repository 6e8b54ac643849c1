import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NbdSession } from '../../../blockd/nbd/nbd-session.ts';
import { settle } from './manual-clock.ts';
import {
  clientFlags,
  errors,
  FakeDevice,
  FLAGS,
  go,
  option,
  optionReplies,
  request,
  SIZE,
  started,
  Wire,
} from './nbd-client.ts';

const GREETING_BYTES = 18;

test('greets, tells size, flags and block sizes, and refuses what it has not', () => {
  const wire = new Wire();
  const session = new NbdSession(new FakeDevice(), { name: 'web', bytes: SIZE }, wire);
  assert.is(wire.take().toString('latin1', 0, 16), 'NBDMAGICIHAVEOPT');
  session.receive(clientFlags());
  session.receive(option(11));
  session.receive(option(5));
  session.receive(option(3));
  session.receive(option(6, go('web', 3)));
  session.receive(option(6, go('other')));
  session.receive(option(6, Buffer.alloc(3)));
  assert.equal(optionReplies(wire.take()), [
    [11, 0x80000001, ''],
    [5, 0x80000002, ''],
    [3, 2, `00000003${Buffer.from('web').toString('hex')}`],
    [3, 1, ''],
    [6, 3, '000000000000001000000d6d'],
    [6, 3, '0003000000010000100002000000'],
    [6, 1, ''],
    [6, 0x80000006, ''],
    [6, 0x80000003, ''],
  ]);
});

test('unknown client flags, a wrong magic and an abort end the negotiation, and it is told why', () => {
  for (const [bytes, refusals] of [
    [clientFlags(8), ['it begins with the flags 0x8']],
    [Buffer.concat([clientFlags(), Buffer.alloc(16)]), ['what it sends is no option of the protocol']],
    [Buffer.concat([clientFlags(), option(1, Buffer.from('other'))]), ['it asks for an export that is not here']],
    [Buffer.concat([clientFlags(), option(2)]), []],
  ] as const) {
    const wire = new Wire();
    new NbdSession(new FakeDevice(), { name: 'web', bytes: SIZE }, wire).receive(bytes);
    assert.ok(wire.ended);
    assert.equal(wire.refusals, refusals);
  }
});

test('too much option data is skipped, far too much ends the connection', () => {
  const wire = new Wire();
  const session = new NbdSession(new FakeDevice(), { name: 'web', bytes: SIZE }, wire);
  wire.take();
  session.receive(Buffer.concat([clientFlags(), option(7, Buffer.alloc(10_000)), option(3)]));
  assert.equal(
    optionReplies(wire.take()).map(([, type]) => type),
    [0x80000009, 2, 1],
  );
  session.receive(option(7, Buffer.alloc(0), 2 ** 31));
  assert.ok(wire.ended);
  assert.equal(wire.refusals, ['it sends an option of 2147483648 bytes']);
});

test('the old way in works, with and without its zeroes', () => {
  for (const [flags, bytes] of [
    [FLAGS.fixed, 10 + 124],
    [FLAGS.fixed | FLAGS.noZeroes, 10],
  ] as const) {
    const wire = new Wire();
    const session = new NbdSession(new FakeDevice(), { name: 'web', bytes: SIZE }, wire);
    session.receive(Buffer.concat([clientFlags(flags), option(1, Buffer.from('web')), request(3, 0, 0)]));
    assert.is(wire.take().length, GREETING_BYTES + bytes + 16);
  }
});

test('the same answers however the bytes are cut', () => {
  const stream = Buffer.concat([
    clientFlags(),
    option(7, go('', 3)),
    request(1, 100, 300, 1, Buffer.alloc(300, 7)),
    request(0, 50, 400),
    request(6, 0, 4096, 2),
    request(4, 4096, 4096),
    request(5, 0, 512),
    request(3, 0, 0),
    request(2, 0, 0),
  ]);
  const whole = new Wire();
  new NbdSession(new FakeDevice(), { name: 'web', bytes: SIZE }, whole).receive(stream);
  const expected = whole.take();
  assert.ok(whole.ended);
  for (let cut = 1; cut < stream.length; cut++) {
    const wire = new Wire();
    const device = new FakeDevice();
    const session = new NbdSession(device, { name: 'web', bytes: SIZE }, wire);
    session.receive(stream.subarray(0, cut));
    session.receive(stream.subarray(cut));
    assert.equal(wire.take(), expected, `cut at ${cut}`);
    assert.equal(device.calls, [
      'write 100 300 true',
      'zero 0 4096 false true',
      'trim 4096 4096',
      'cache 0 512',
      'flush',
    ]);
  }
});

test('a chunk of requests is answered by one write', () => {
  const { session, wire } = started();
  const before = wire.writes;
  session.receive(Buffer.concat(Array.from({ length: 32 }, (_, index) => request(0, index * 4096, 4096))));
  assert.is(wire.writes, before + 1);
  assert.is(wire.take().length, 32 * (16 + 4096));
});

test('bad requests get the errors of the protocol, and the connection lives on (S10)', () => {
  const { session, device, wire } = started();
  const cases: [Buffer, number][] = [
    [request(0, SIZE - 10, 20), 22],
    [request(1, SIZE - 10, 20, 0, Buffer.alloc(20)), 28],
    [request(6, SIZE - 10, 20), 28],
    [request(4, SIZE - 10, 20), 22],
    [request(5, SIZE, 1), 22],
    [request(7, 0, 512), 22],
    [request(99, 0, 0), 22],
    [request(0, 0, 512, 4), 22],
    [request(1, 0, 4, 2, Buffer.alloc(4)), 22],
    [request(3, 512, 0), 22],
    [request(0, 0, 33 * 2 ** 20), 22],
    [request(0, 2 ** 52, 1), 22],
    ...[0, 1, 4, 5, 6].map((type): [Buffer, number] => [request(type, 0, 0), 22]),
  ];
  session.receive(Buffer.concat(cases.map(([bytes]) => bytes)));
  assert.equal(
    errors(wire.take()),
    cases.map(([, error]) => error),
  );
  assert.equal(device.calls, []);
});

test('a write that is too large is skipped to its end and refused', () => {
  const { session, wire } = started();
  const length = 33 * 2 ** 20;
  session.receive(request(1, 0, length));
  for (let sent = 0; sent < length; sent += 2 ** 20) session.receive(Buffer.alloc(2 ** 20));
  session.receive(request(3, 0, 0));
  assert.equal(errors(wire.take()), [22, 0]);
});

test('writes that come in pieces, one after the other, are each written as they were sent', () => {
  const { session, device, wire } = started();
  const sent = [
    [0, 5000, 1],
    [8192, 9000, 2],
    [20_000, 100, 3],
  ] as const;
  const bytes = Buffer.concat(
    sent.map(([offset, length, fill]) => request(1, offset, length, 0, Buffer.alloc(length, fill))),
  );
  for (let at = 0; at < bytes.length; at += 999) session.receive(bytes.subarray(at, at + 999));
  assert.equal(errors(wire.take()), [0, 0, 0]);
  for (const [offset, length, fill] of sent) {
    assert.ok(device.bytes.subarray(offset, offset + length).equals(Buffer.alloc(length, fill)));
  }
});

test('what is not a request drops the connection', () => {
  const { session, wire } = started();
  session.receive(Buffer.alloc(28));
  assert.ok(wire.dropped);
  assert.equal(wire.refusals, ['what it sends is no request of the protocol']);
});

test('replies that wait do not hold up others, and a disconnect waits for them', async () => {
  const { session, device, wire } = started();
  device.held = Promise.withResolvers();
  session.receive(Buffer.concat([request(0, 0, 4096), request(1, 0, 4, 0, Buffer.alloc(4, 9))]));
  const { held } = device;
  device.held = undefined;
  session.receive(request(3, 0, 0));
  assert.equal(errors(wire.take()), [0]);
  session.receive(request(2, 0, 0));
  assert.not(wire.ended);
  held.resolve();
  await settle();
  assert.is(wire.take().length, 16 + 4096 + 16);
  assert.ok(wire.ended);
});

test('the errors of the device become the protocol errors', async () => {
  for (const [code, error] of [
    ['ENOSPC', 28],
    ['EXPORT_ENDED', 108],
    ['BLOCKS_LOST', 5],
    ['EIO', 5],
  ] as const) {
    const { session, device, wire } = started();
    device.held = Promise.withResolvers();
    session.receive(Buffer.concat([request(1, 0, 4, 0, Buffer.alloc(4)), request(0, 0, 512)]));
    device.held.reject(Object.assign(new Error(code), { code }));
    await settle();
    assert.equal(errors(wire.take()), [error, error]);
  }
});

test('a client that sends more than may wait is not read on', () => {
  const { session, device } = started();
  device.held = Promise.withResolvers();
  for (let count = 0; count < 1024; count++) {
    assert.not(session.isFull);
    session.receive(request(1, 0, 4, 0, Buffer.alloc(4)));
  }
  assert.ok(session.isFull);
});

test('requests of one chunk wait as those of many do, and none is lost', async () => {
  const { session, device, wire } = started();
  device.held = Promise.withResolvers();
  const { held } = device;
  session.receive(Buffer.concat(Array.from({ length: 3000 }, () => request(4, 0, 512))));
  assert.is(device.calls.length, 1024);
  device.held = undefined;
  held.resolve();
  await settle();
  assert.is(errors(wire.take()).length, 3000);
  assert.is(wire.resumed, 1);
});

test('a client that asks and never reads is not answered on; once it reads it gets everything, in order', () => {
  const { session, wire } = started();
  const count = 100;
  const bytes = 256 * 1024;
  wire.unread = [];
  session.receive(Buffer.concat(Array.from({ length: count }, (_, index) => request(0, index, bytes))));
  assert.ok(session.isFull);
  assert.ok(wire.sentBytes <= 9 * 2 ** 20, `${wire.sentBytes} bytes wait for it`);
  session.receive(request(3, 0, 0));
  assert.ok(wire.sentBytes <= 9 * 2 ** 20, 'nor by what comes late');
  for (let done = wire.unread.shift(); done !== undefined; done = wire.unread.shift()) done();
  assert.is(wire.take().length, count * (16 + bytes) + 16);
  assert.not(session.isFull);
  assert.is(wire.resumed, 1);
});

test('the rest of a payload may be put where it goes; headers and what is refused may not', () => {
  const { session, device, wire } = started();
  const data = Buffer.from(Uint8Array.from({ length: 200_000 }, (_, index) => (index * 3) % 251));
  const whole = request(1, 4096, data.length, 0, data);
  session.take(whole.subarray(0, 20));
  assert.is(session.payloadRoom, undefined);
  session.take(whole.subarray(20, 28 + 5_000));
  let at = 5_000;
  for (let room = session.payloadRoom; room !== undefined; room = session.payloadRoom) {
    assert.is(room.length, data.length - at);
    session.filled(data.copy(room, 0, at, at + 70_000));
    at += 70_000;
  }
  assert.is(at, 145_000, 'a small rest comes with what is behind it');
  session.take(whole.subarray(28 + at));
  assert.is(wire.take().length, 0, 'replies wait for the flush');
  session.flush();
  assert.equal(errors(wire.take()), [0]);
  assert.ok(device.bytes.subarray(4096, 4096 + data.length).equals(data));
  session.receive(request(1, SIZE, data.length, 0, data.subarray(0, 1_000)));
  assert.is(session.payloadRoom, undefined, 'it is only skipped');
});

test('a client that is to come again gets its answers; what it sends then is not carried out', async () => {
  const { session, device, wire } = started();
  device.held = Promise.withResolvers();
  const { held } = device;
  session.receive(request(1, 0, 4, 0, Buffer.from('kept')));
  session.release();
  session.receive(request(1, 0, 4, 0, Buffer.from('late')));
  assert.not(wire.ended);
  held.resolve();
  await settle();
  assert.equal(errors(wire.take()), [0]);
  assert.ok(wire.ended);
  assert.equal([device.calls.length, device.bytes.toString('latin1', 0, 4)], [1, 'kept']);
  const { session: idle, wire: other } = started();
  idle.release();
  assert.ok(other.ended, 'one that waits for nothing goes at once');
});

test.run();
