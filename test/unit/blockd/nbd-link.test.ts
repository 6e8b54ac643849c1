// Our NBD client against our own server's session: negotiation, requests, and what becomes of them when a server goes.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMAND, COMMAND_FLAG } from '../../../blockd/nbd/nbd-protocol.ts';
import { type ClientEvents, NbdClientSession } from '../../../blockd/nbd-client/nbd-client-session.ts';
import { NbdLink, REST_MS } from '../../../blockd/nbd-client/nbd-link.ts';
import { LinkStand, WAIT_MS } from './link-stand.ts';
import { SIZE } from './nbd-client.ts';

test('it reaches an export and is told its size', async () => {
  const { link, server } = new LinkStand();
  const told: unknown[] = [];
  link.reach((facts) => told.push(facts?.bytes));
  await server.pump();
  assert.equal(told, [SIZE]);
  assert.not(link.isReadOnly);
  link.reach((facts) => told.push(facts?.bytes));
  assert.equal(told, [SIZE, SIZE]);
});

test('a server that knows no such name is asked for its default export', async () => {
  const { link, server } = new LinkStand('other');
  const told: unknown[] = [];
  link.reach((facts) => told.push(facts?.bytes));
  await server.pump();
  assert.equal(told, [SIZE]);
});

test('reads, writes and flushes come through, however the bytes are cut', async () => {
  for (const cut of [1, 7, 15, 16, 17, 1000]) {
    const stand = new LinkStand();
    stand.server.cutBytes = cut;
    stand.ask(COMMAND.WRITE, 100, 8, COMMAND_FLAG.FUA, 0xab);
    stand.ask(COMMAND.READ, 99, 10);
    stand.ask(COMMAND.WRITE_ZEROES, 4096, 4096, COMMAND_FLAG.NO_HOLE);
    stand.ask(COMMAND.FLUSH);
    stand.ask(COMMAND.READ, SIZE - 4, 4);
    await stand.server.pump();
    assert.equal(stand.server.device.calls, ['write 100 8 true', 'zero 4096 4096 false true', 'flush']);
    assert.equal(stand.errors, [0, 0, 0, 0, 0]);
    assert.is(stand.answers[1]?.data, `00${'ab'.repeat(8)}00`);
    assert.ok(stand.link.isIdle);
  }
});

test('answers come in any order, each to its request', async () => {
  const stand = new LinkStand();
  stand.server.device.bytes.fill(5, 0, 4);
  stand.ask(COMMAND.FLUSH);
  await stand.server.pump();
  const held = Promise.withResolvers<void>();
  stand.server.device.held = held;
  stand.ask(COMMAND.READ, 0, 4);
  await stand.server.pump();
  stand.server.device.held = undefined;
  stand.ask(COMMAND.READ, 8, 2);
  await stand.server.pump();
  assert.equal(
    stand.answers.map(({ data }) => data),
    ['', '0000'],
  );
  held.resolve();
  await stand.server.pump();
  assert.equal(
    stand.answers.map(({ data }) => data),
    ['', '0000', '05050505'],
  );
});

test('errors are the server’s', async () => {
  const stand = new LinkStand();
  stand.ask(COMMAND.READ, SIZE, 1);
  stand.ask(COMMAND.WRITE, SIZE - 1, 2);
  await stand.server.pump();
  assert.equal(stand.errors, [22, 28]);
});

test('what is under way when a server goes is asked of the next one', async () => {
  const stand = new LinkStand();
  stand.server.device.held = Promise.withResolvers();
  stand.ask(COMMAND.READ, 0, 4);
  stand.ask(COMMAND.WRITE, 8, 4, 0, 7);
  await stand.server.pump();
  stand.server.die();
  stand.server.device.held = undefined;
  stand.ask(COMMAND.READ, 8, 4);
  await stand.later(100);
  assert.equal(stand.answers, []);
  stand.server.isThere = true;
  await stand.later(100);
  assert.equal(stand.errors, [0, 0, 0]);
  assert.is(stand.answers[2]?.data, '07070707');
});

test('it fails what waited too long, and reaches a server that comes later', async () => {
  const stand = new LinkStand();
  stand.server.isThere = false;
  stand.ask(COMMAND.READ, 0, 4);
  const told: unknown[] = [];
  stand.link.reach((facts) => told.push(facts));
  await stand.later(WAIT_MS - 1);
  assert.equal(stand.answers, []);
  await stand.later(1);
  assert.equal(stand.errors, [5]);
  assert.equal(told, [undefined]);
  assert.is(stand.link.timerMs, undefined);
  stand.server.isThere = true;
  stand.nowMs += 1_000;
  stand.ask(COMMAND.READ, 0, 4);
  await stand.server.pump();
  assert.equal(stand.errors, [5, 0]);
});

test('a server that takes connections and never greets is given up', async () => {
  let closed = 0;
  let nowMs = 0;
  const link = new NbdLink(
    'web',
    () => ({ send: () => undefined, close: () => void closed++ }),
    WAIT_MS,
    () => nowMs,
  );
  const told: unknown[] = [];
  link.reach((facts) => told.push(facts));
  nowMs = WAIT_MS;
  link.tick();
  assert.equal(told, [undefined]);
  assert.is(closed, 1);
});

test('it tries again and again while something waits, with a pause', async () => {
  const stand = new LinkStand();
  stand.server.isThere = false;
  for (let asked = 0; asked < 5; asked++) stand.ask(COMMAND.FLUSH);
  for (let ms = 0; ms < WAIT_MS; ms += 10) await stand.later(10);
  assert.is(stand.server.dials, 10);
  await stand.later(WAIT_MS);
  assert.is(stand.server.dials, 10);
});

test('a server that goes with answered changes unflushed is a loss; a flushed one and a durable change are none', async () => {
  const stand = new LinkStand();
  const restart = async (): Promise<number> => {
    stand.server.die();
    stand.server.isThere = true;
    stand.nowMs += 1_000;
    stand.ask(COMMAND.READ, 0, 1);
    await stand.server.pump();
    return stand.link.losses;
  };
  stand.ask(COMMAND.WRITE, 0, 4);
  stand.ask(COMMAND.FLUSH);
  await stand.server.pump();
  stand.ask(COMMAND.FLUSH);
  await stand.server.pump();
  assert.is(await restart(), 0);
  stand.ask(COMMAND.WRITE, 0, 4, COMMAND_FLAG.FUA);
  await stand.server.pump();
  assert.is(await restart(), 0);
  stand.ask(COMMAND.WRITE, 0, 4);
  await stand.server.pump();
  assert.is(await restart(), 1);
  assert.is(await restart(), 1);
});

test('a flush covers what was answered before it was sent, and nothing that is answered beside it', async () => {
  const stand = new LinkStand();
  stand.ask(COMMAND.READ, 0, 1);
  await stand.server.pump();
  const held = Promise.withResolvers<void>();
  stand.server.device.held = held;
  stand.ask(COMMAND.FLUSH);
  await stand.server.pump();
  stand.server.device.held = undefined;
  stand.ask(COMMAND.WRITE, 0, 4);
  await stand.server.pump();
  held.resolve();
  await stand.server.pump();
  assert.equal(stand.errors, [0, 0, 0]);
  stand.server.die();
  assert.is(stand.link.losses, 1);
});

test('a request that a closing server refuses waits for the next one, and fails as the server said', async () => {
  const stand = new LinkStand();
  stand.ask(COMMAND.READ, 0, 1);
  await stand.server.pump();
  const refuse = async (): Promise<void> => {
    const held = Promise.withResolvers<void>();
    stand.server.device.held = held;
    stand.ask(COMMAND.WRITE, 0, 4);
    await stand.server.pump();
    stand.server.isThere = false;
    held.reject(Object.assign(new Error('EXPORT_ENDED'), { code: 'EXPORT_ENDED' }));
    stand.server.device.held = undefined;
    await stand.server.pump();
  };
  await refuse();
  assert.equal(stand.errors, [0]);
  stand.server.isThere = true;
  await stand.later(100);
  assert.equal(stand.errors, [0, 0]);
  await refuse();
  await stand.later(WAIT_MS);
  assert.equal(stand.errors, [0, 0, 108]);
});

test('an image of another size is not given what was meant for the first', async () => {
  const stand = new LinkStand();
  stand.ask(COMMAND.READ, 0, 1);
  await stand.server.pump();
  stand.server.die();
  stand.ask(COMMAND.WRITE, 0, 4);
  stand.server.isThere = true;
  stand.server.bytes = SIZE / 2;
  await stand.later(100);
  assert.equal(stand.errors, [0, 5]);
  assert.equal(stand.server.device.calls, []);
  assert.is(stand.link.facts?.bytes, SIZE / 2);
});

/** What a session says of bytes that no server of NBD sends. */
function failureOf(...received: Buffer[]): string {
  let failure = '';
  const events: ClientEvents = {
    send: () => undefined,
    ready: () => undefined,
    failed: (reason) => {
      failure = reason;
    },
  };
  const session = new NbdClientSession('web', events);
  let rest = Buffer.alloc(0);
  for (const bytes of received) {
    const input = Buffer.concat([rest, bytes]);
    rest = input.subarray(session.receive(input));
  }
  return failure;
}

test('a connection that nobody uses may be given up once all that was answered is durable, and the export may be larger then', async () => {
  const stand = new LinkStand();
  const { link } = stand;
  assert.is(link.restMs, undefined, 'there is none');
  stand.ask(COMMAND.WRITE, 0, 4, 0, 7);
  assert.is(link.restMs, undefined, 'it is under way');
  await stand.server.pump();
  assert.is(link.restMs, undefined, 'the change could be lost');
  await stand.later(100);
  stand.ask(COMMAND.FLUSH);
  await stand.server.pump();
  assert.is(link.restMs, 100 + REST_MS);
  link.rest();
  assert.equal([link.restMs, link.losses], [undefined, 0]);
  await stand.later(200);
  stand.server.bytes = 2 * SIZE;
  stand.ask(COMMAND.READ, 0, 4);
  await stand.server.pump();
  assert.equal([stand.answers.at(-1), stand.server.dials], [{ error: 0, data: '07070707' }, 2]);
});

test('a connection stays while the server may yet carry out what was given up: a later change must not come before it', async () => {
  const stand = new LinkStand();
  stand.ask(COMMAND.READ, 0, 1);
  await stand.server.pump();
  stand.server.isSilent = true;
  stand.ask(COMMAND.WRITE, 0, 4, COMMAND_FLAG.FUA, 7);
  await stand.later(WAIT_MS);
  assert.equal([stand.errors.at(-1), stand.link.isIdle, stand.link.restMs], [5, true, undefined]);
  stand.server.isSilent = false;
  await stand.server.pump();
  assert.not.equal(stand.link.restMs, undefined);
});

const GREETING = Buffer.from('4e42444d4147494349484156454f50540003', 'hex');
const optionReply = (type: number, data: Buffer = Buffer.alloc(0)): Buffer => {
  const header = Buffer.from('0003e889045565a9000000070000000000000000', 'hex');
  header.writeUInt32BE(type, 12);
  header.writeUInt32BE(data.length, 16);
  return Buffer.concat([header, data]);
};
const SIZE_INFO = optionReply(3, Buffer.from('000000000000001000000001', 'hex'));

test('what is not NBD ends the connection with a reason, and throws nothing', () => {
  assert.match(failureOf(Buffer.alloc(18)), /fixed newstyle/);
  assert.match(failureOf(Buffer.from('4e42444d41474943004202818612530003', 'hex'), Buffer.alloc(1)), /fixed newstyle/);
  assert.match(failureOf(GREETING, Buffer.alloc(20)), /no reply to an option/);
  assert.match(failureOf(GREETING, optionReply(1)), /no size/);
  assert.match(failureOf(GREETING, optionReply(0x80000002)), /refused the export/);
  assert.match(failureOf(GREETING, SIZE_INFO, optionReply(1), Buffer.alloc(16)), /no reply to a request/);
  const unasked = Buffer.from('67446698000000000000000000000009', 'hex');
  assert.match(failureOf(GREETING, SIZE_INFO, optionReply(1), unasked), /no reply to a request/);
  assert.is(failureOf(GREETING, SIZE_INFO, optionReply(1)), '');
});

test.run();
