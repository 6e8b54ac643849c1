// Structured replies and what rests on them, byte by byte.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NbdSession } from '../../../blockd/nbd/nbd-session.ts';
import { settle } from './manual-clock.ts';
import {
  chunks,
  clientFlags,
  errors,
  FakeDevice,
  go,
  metaQuery,
  option,
  optionReplies,
  request,
  SIZE,
  started,
  Wire,
} from './nbd-client.ts';

const BLOCK = 4096;
const STRUCTURED = option(8);
const DF = 4;
const REQ_ONE = 8;

function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}

function selected(...queries: string[]): Buffer[] {
  return [STRUCTURED, option(10, metaQuery('web', ...queries))];
}

test('the option is agreed on once it carries nothing, and DF is offered only then', () => {
  const wire = new Wire();
  const session = new NbdSession(new FakeDevice(), { name: 'web', bytes: SIZE }, wire);
  wire.take();
  const info = option(6, go('web'));
  session.receive(Buffer.concat([clientFlags(), option(8, Buffer.alloc(1)), info, STRUCTURED, info]));
  assert.equal(optionReplies(wire.take()), [
    [8, 0x80000003, ''],
    [6, 3, '000000000000001000000d6d'],
    [6, 1, ''],
    [8, 1, ''],
    [6, 3, '00000000000000100000' + '0ded'],
    [6, 1, ''],
  ]);
});

test('a small read of data is one chunk, to the byte', () => {
  const { session, device, wire } = started([STRUCTURED]);
  device.bytes.write('disk', 100);
  session.receive(request(0, 100, 4));
  assert.is(
    wire.take().toString('hex'),
    `668e33ef${'0001'}${'0001'}${'0000000000000004'}${'0000000c'}${'0000000000000064'}${hex('disk')}`,
  );
});

test('a read whose last part turns out to be missing is answered once, whole, when that has come', async () => {
  const { session, device, wire } = started([STRUCTURED]);
  device.zeros.add(1);
  device.bytes.fill(7, 2 * BLOCK, 3 * BLOCK);
  device.spoilt.add(2);
  session.receive(request(0, 0, 3 * BLOCK));
  assert.is(wire.take().length, 0, 'nothing of it yet');
  await settle();
  assert.equal(
    chunks(wire.take()).map(({ type }) => type),
    [1, 2, 1],
  );
});

test('a read across data and zeros comes in chunks, and its zeros cost nothing', () => {
  const { session, device, wire } = started([STRUCTURED]);
  device.bytes.fill(7);
  for (const block of [1, 2, 3, 5]) device.zeros.add(block);
  session.receive(request(0, BLOCK - 2, 5 * BLOCK + 4));
  assert.equal(chunks(wire.take()), [
    { done: false, type: 1, payload: '0000000000000ffe0707' },
    { done: false, type: 2, payload: '000000000000100000003000' },
    { done: false, type: 1, payload: `0000000000004000${'07'.repeat(BLOCK)}` },
    { done: false, type: 2, payload: '000000000000500000001000' },
    { done: true, type: 1, payload: '00000000000060000707' },
  ]);
});

test('a read that may not be divided is one chunk with its zeros', () => {
  const { session, device, wire } = started([STRUCTURED]);
  device.bytes.fill(7, 0, BLOCK);
  device.zeros.add(1);
  session.receive(request(0, BLOCK - 1, 2, DF));
  assert.equal(chunks(wire.take()), [{ done: true, type: 1, payload: '0000000000000fff0700' }]);
});

test('a chunk of requests is answered by one write, also in chunks', () => {
  const { session, device, wire } = started([STRUCTURED]);
  device.zeros.add(1);
  const before = wire.writes;
  session.receive(Buffer.concat(Array.from({ length: 32 }, (_, index) => request(0, index * BLOCK, BLOCK))));
  assert.is(wire.writes, before + 1);
  assert.is(wire.take().length, 31 * (28 + BLOCK) + 32);
});

test('errors of a read are chunks; of a device that fails half way, with their place', () => {
  const { session, device, wire } = started([STRUCTURED]);
  device.zeros.add(1);
  device.broken.add(2);
  session.receive(Buffer.concat([request(0, SIZE, 512), request(0, BLOCK, 2 * BLOCK), request(0, 0, 0)]));
  assert.equal(chunks(wire.take()), [
    { done: true, type: 0x8001, payload: '000000160000' },
    { done: false, type: 2, payload: '000000000000100000001000' },
    { done: true, type: 0x8002, payload: '0000000500000000000000002000' },
    { done: true, type: 0x8001, payload: '000000160000' },
  ]);
});

test('without structured replies DF and block status are errors, and so is a status without a context', () => {
  const simple = started();
  simple.session.receive(Buffer.concat([request(0, 0, 512, DF), request(7, 0, 512)]));
  assert.equal(errors(simple.wire.take()), [22, 22]);
  const { session, wire } = started([STRUCTURED]);
  session.receive(request(7, 0, 512));
  assert.equal(chunks(wire.take()), [{ done: true, type: 0x8001, payload: '000000160000' }]);
});

test('a read that waits is answered in chunks once it can be', async () => {
  const { session, device, wire } = started([STRUCTURED]);
  device.zeros.add(0);
  device.held = Promise.withResolvers();
  session.receive(request(0, 0, BLOCK));
  const { held } = device;
  device.held = undefined;
  assert.is(wire.take().length, 0);
  held.resolve();
  await settle();
  assert.equal(chunks(wire.take()), [{ done: true, type: 2, payload: '000000000000000000001000' }]);
});

test('contexts are listed by namespace and by name, unknown ones are ignored, bad queries refused', () => {
  const wire = new Wire();
  const session = new NbdSession(new FakeDevice(), { name: 'web', bytes: SIZE }, wire);
  wire.take();
  const list = (...queries: string[]): Buffer => option(9, metaQuery('web', ...queries));
  const cut = metaQuery('web', 'base:');
  session.receive(Buffer.concat([clientFlags(), list(), option(10, metaQuery('web', 'base:allocation')), STRUCTURED]));
  assert.equal(
    optionReplies(wire.take()).map(([, type]) => type),
    [0x80000003, 0x80000003, 1],
  );
  const cases: [Buffer, [number, string][]][] = [
    [
      list(),
      [
        [4, `00000000${hex('base:allocation')}`],
        [4, `00000000${hex('supercloud:version')}`],
        [1, ''],
      ],
    ],
    [
      list('base:'),
      [
        [4, `00000000${hex('base:allocation')}`],
        [1, ''],
      ],
    ],
    [
      list('supercloud:', 'supercloud:version'),
      [
        [4, `00000000${hex('supercloud:version')}`],
        [1, ''],
      ],
    ],
    [list('base:dirty', 'qemu:dirty-bitmap:x'), [[1, '']]],
    [list('allocation'), [[0x80000003, '']]],
    [option(9, cut.subarray(0, cut.length - 1)), [[0x80000003, '']]],
    [option(9, Buffer.concat([cut, Buffer.alloc(1)])), [[0x80000003, '']]],
    [option(9, metaQuery('other')), [[0x80000006, '']]],
    [option(10, metaQuery('web', 'base:', 'x-y:z')), [[1, '']]],
    [
      option(10, metaQuery('web', 'supercloud:version')),
      [
        [4, `00000002${hex('supercloud:version')}`],
        [1, ''],
      ],
    ],
  ];
  for (const [bytes, expected] of cases) {
    session.receive(bytes);
    assert.equal(
      optionReplies(wire.take()).map(([, type, data]) => [type, data]),
      expected,
    );
  }
});

test('a status has one chunk per context, to the byte', () => {
  const { session, device, wire } = started(selected('base:allocation', 'supercloud:version'));
  device.zeros.add(1);
  session.receive(request(7, 512, 2 * BLOCK));
  assert.equal(chunks(wire.take()), [
    { done: false, type: 5, payload: '00000001' + '00000e0000000000' + '0000100000000003' + '0000020000000000' },
    { done: true, type: 5, payload: '00000002' + '00000e0000000700' + '0000100000000002' + '0000020000000700' },
  ]);
});

test('a client that wants one extent gets one, none longer than it asked for', () => {
  const { session, wire } = started(selected('base:allocation'));
  session.receive(request(7, 0, 8 * BLOCK, REQ_ONE));
  assert.equal(chunks(wire.take()), [{ done: true, type: 5, payload: '000000010000800000000000' }]);
});

test('bad status requests are errors', () => {
  const { session, wire } = started(selected('base:allocation'));
  session.receive(Buffer.concat([request(7, 0, 0), request(7, SIZE - 1, 2), request(7, 0, 512, DF)]));
  assert.equal(
    chunks(wire.take()).map(({ type, payload }) => [type, payload]),
    Array.from({ length: 3 }, () => [0x8001, '000000160000']),
  );
});

test('a choice that fails leaves none', () => {
  const { session, wire } = started([
    ...selected('base:allocation'),
    option(10, metaQuery('other', 'base:allocation')),
  ]);
  session.receive(request(7, 0, 512));
  assert.equal(
    chunks(wire.take()).map(({ type }) => type),
    [0x8001],
  );
});

test('a status waits while the table is on its way', async () => {
  const { session, device, wire } = started(selected('base:allocation'));
  device.held = Promise.withResolvers();
  session.receive(request(7, 0, 512));
  assert.is(wire.take().length, 0);
  const { held } = device;
  device.held = undefined;
  held.resolve();
  await settle();
  assert.equal(chunks(wire.take()), [{ done: true, type: 5, payload: '000000010000020000000000' }]);
});

test('an export that is read only says so, and refuses every change', () => {
  const wire = new Wire();
  const device = new FakeDevice();
  const session = new NbdSession(device, { name: 'web', bytes: SIZE, isReadOnly: true }, wire);
  wire.take();
  session.receive(Buffer.concat([clientFlags(), option(7, go('web'))]));
  assert.equal(optionReplies(wire.take())[0], [7, 3, '00000000000000100000' + '0507']);
  const changes = [request(1, 0, 4, 0, Buffer.alloc(4)), request(4, 0, 512), request(6, 0, 512)];
  session.receive(Buffer.concat([...changes, request(3, 0, 0), request(5, 0, 512)]));
  session.receive(Buffer.concat([request(1, 0, 4, 1, Buffer.alloc(4)), request(0, 0, 0, 1)]));
  assert.equal(errors(wire.take()), [1, 1, 1, 0, 0, 1, 22], 'nothing is durable where nothing changes');
  assert.equal(device.calls, ['flush', 'cache 0 512']);
});

test('zeros are fast, unless room is to be kept', () => {
  const { session, device, wire } = started();
  session.receive(Buffer.concat([request(6, 0, BLOCK, 16), request(6, 0, BLOCK, 16 | 2), request(6, 0, BLOCK, 2)]));
  assert.equal(errors(wire.take()), [0, 95, 0]);
  assert.equal(device.calls, ['zero 0 4096 false false', 'zero 0 4096 false true']);
});

test('what newer versions of the protocol have is refused as unknown', () => {
  const wire = new Wire();
  const session = new NbdSession(new FakeDevice(), { name: 'web', bytes: SIZE }, wire);
  wire.take();
  session.receive(Buffer.concat([clientFlags(), option(11), option(4), option(99, Buffer.alloc(7))]));
  assert.equal(
    optionReplies(wire.take()).map(([, type]) => type),
    [0x80000001, 0x80000001, 0x80000001],
  );
  const { session: running, wire: answers } = started();
  running.receive(Buffer.concat([request(1, 0, 4, 32, Buffer.alloc(4)), request(8, 0, 512)]));
  assert.equal(errors(answers.take()), [22, 22]);
});

test.run();
