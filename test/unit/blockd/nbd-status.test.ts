// The status of an export as a client hears it: its negotiation with servers that know it and others that do not, and the
// chunks of its replies, whole, cut and wrong.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMAND } from '../../../blockd/nbd/nbd-protocol.ts';
import type { ExportFacts } from '../../../blockd/nbd-client/nbd-client-handshake.ts';
import { NbdClientSession } from '../../../blockd/nbd-client/nbd-client-session.ts';
import { NbdLink } from '../../../blockd/nbd-client/nbd-link.ts';
import { extentsOf, readChunk } from '../../../blockd/nbd-client/status-replies.ts';
import { PairServer } from './nbd-pair.ts';

const [DONE, NONE, DATA, STATUS, ERROR] = [1, 0, 1, 5, 0x8001];

function chunk(type: number, flags: number, body: Buffer, cookie = 1, magic = 0x668e33ef): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt32BE(magic, 0);
  header.writeUInt16BE(flags, 4);
  header.writeUInt16BE(type, 6);
  header.writeUInt32BE(cookie, 12);
  header.writeUInt32BE(body.length, 16);
  return Buffer.concat([header, body]);
}

const words = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
};

const TWO_EXTENTS = words(1, 4096, 3, 8192, 0);

async function factsOf(server: PairServer, name: string): Promise<ExportFacts | undefined> {
  const link = new NbdLink(name, server.dial, 1_000, () => 0, undefined, true);
  let facts: ExportFacts | undefined;
  link.reach((told) => {
    facts = told;
  });
  await server.pump();
  return facts;
}

test('a server of the name, or of a default export, tells that it has a status; an older one has none', async () => {
  for (const name of ['web', 'other']) assert.is((await factsOf(new PairServer(), name))?.hasStatus, true, name);
  const plain = new PairServer();
  plain.isPlain = true;
  assert.equal([(await factsOf(plain, 'web'))?.hasStatus, (await factsOf(plain, 'other'))?.hasStatus], [false, false]);
});

test('a status comes in one chunk or in several, in whatever pieces, and is told once', () => {
  const inOne = [chunk(STATUS, DONE, TWO_EXTENTS)];
  const inTwo = [chunk(STATUS, 0, TWO_EXTENTS), chunk(NONE, DONE, Buffer.alloc(0))];
  for (const chunks of [inOne, inTwo]) {
    for (const cut of [1, 19, 20, 21, 100]) {
      const { answers, receive } = underWay();
      const bytes = Buffer.concat(chunks);
      for (let at = 0; at < bytes.length; at += cut) receive(bytes.subarray(at, at + cut));
      assert.is(answers.length, 1);
      assert.is(answers[0]?.error, 0);
      assert.equal(extentsOf(answers[0]?.reply ?? Buffer.alloc(0)), [
        { bytes: 4096, isZero: true },
        { bytes: 8192, isZero: false },
      ]);
    }
  }
});

test('an error is told as one, also behind a part of the status', () => {
  for (const before of [[], [chunk(STATUS, 0, TWO_EXTENTS)]]) {
    const { answers, receive } = underWay();
    receive(Buffer.concat([...before, chunk(ERROR, DONE, Buffer.concat([words(22), Buffer.alloc(2)]))]));
    assert.equal(
      answers.map(({ error }) => error),
      [22],
    );
  }
});

/** A session that has asked for a status, and what became of that. */
function underWay() {
  const answers: { error: number; reply: Buffer }[] = [];
  const failures: string[] = [];
  const events = {
    send: () => undefined,
    ready: () => undefined,
    failed: (reason: string) => void failures.push(reason),
  };
  const session = new NbdClientSession('web', events, true);
  let rest = Buffer.alloc(0);
  const receive = (bytes: Buffer): void => {
    const input = Buffer.concat([rest, bytes]);
    rest = input.subarray(session.receive(input));
  };
  const answered = (error: number, reply: Buffer): void => void answers.push({ error, reply: Buffer.from(reply) });
  receive(Buffer.from('4e42444d4147494349484156454f50540003', 'hex'));
  const reply = (option: number, type: number, data = Buffer.alloc(0)): void => {
    const header = Buffer.from('0003e889045565a9000000000000000000000000', 'hex');
    header.writeUInt32BE(option, 8);
    header.writeUInt32BE(type, 12);
    header.writeUInt32BE(data.length, 16);
    receive(Buffer.concat([header, data]));
  };
  reply(8, 1);
  reply(10, 4, Buffer.concat([words(1), Buffer.from('base:allocation')]));
  reply(10, 1);
  reply(7, 3, Buffer.from('000000000000001000000101', 'hex'));
  reply(7, 1);
  session.request({ type: COMMAND.BLOCK_STATUS, flags: 0, offset: 0, length: 12_288, answered });
  return { answers, failures, receive };
}

test('what is no chunk of a status ends the connection with a reason, and throws nothing', () => {
  const wrong = [
    chunk(STATUS, DONE, TWO_EXTENTS, 9),
    chunk(STATUS, DONE, words(1)),
    chunk(DATA, DONE, Buffer.alloc(16)),
    chunk(ERROR, DONE, Buffer.alloc(2)),
    chunk(STATUS, DONE, Buffer.alloc(2 ** 20 + 1)),
    chunk(STATUS, DONE, TWO_EXTENTS, 1, 0x12345678),
  ];
  for (const [index, bytes] of wrong.entries()) {
    const { answers, failures, receive } = underWay();
    receive(bytes);
    assert.equal([answers.length, failures.length], [0, 1], `${index}`);
  }
  assert.is(readChunk(chunk(STATUS, DONE, TWO_EXTENTS).subarray(0, 30), 0), 'more');
});

test.run();
