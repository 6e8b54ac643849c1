// A link whose server is there and says nothing: what becomes of its requests, and of what comes after them.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMAND } from '../../../blockd/nbd/nbd-protocol.ts';
import { LinkStand, WAIT_MS } from './link-stand.ts';

/** A stand whose server was reached and stands still now. */
async function silent(): Promise<LinkStand> {
  const stand = new LinkStand();
  stand.ask(COMMAND.READ, 0, 1);
  await stand.server.pump();
  stand.answers.length = 0;
  stand.server.isSilent = true;
  return stand;
}

test('what a silent server does not answer in time fails, and all goes on when it speaks again', async () => {
  const stand = await silent();
  stand.ask(COMMAND.WRITE, 0, 4, 0, 7);
  stand.ask(COMMAND.READ, 8, 4);
  stand.ask(COMMAND.FLUSH);
  await stand.later(WAIT_MS - 1);
  assert.equal([stand.errors, stand.kept], [[], 0]);
  await stand.later(1);
  assert.equal([stand.errors, stand.kept], [[5, 5, 5], 3]);
  assert.ok(stand.link.isIdle);
  assert.is(stand.link.timerMs, undefined);
  stand.server.isSilent = false;
  stand.ask(COMMAND.READ, 0, 4);
  await stand.server.pump();
  assert.equal(stand.answers.at(-1), { error: 0, data: '07070707' });
  assert.equal(stand.server.device.calls, ['write 0 4 false', 'flush']);
  assert.is(stand.server.dials, 1);
});

test('a request fails in its own time, whenever others were made', async () => {
  const stand = await silent();
  stand.ask(COMMAND.READ, 0, 4);
  await stand.later(WAIT_MS / 2);
  stand.ask(COMMAND.READ, 8, 4);
  await stand.later(WAIT_MS / 2);
  assert.equal(stand.errors, [5]);
  stand.server.isSilent = false;
  await stand.server.pump();
  assert.equal(stand.errors, [5, 0]);
});

test('nothing is sent beside a change that was given up and touches the same bytes', async () => {
  const stand = await silent();
  const { device } = stand.server;
  stand.ask(COMMAND.WRITE, 0, 8, 0, 1);
  await stand.later(WAIT_MS);
  assert.equal(stand.errors, [5]);
  const held = Promise.withResolvers<void>();
  device.held = held;
  stand.server.isSilent = false;
  await stand.server.pump();
  device.held = undefined;
  stand.ask(COMMAND.WRITE, 4, 8, 0, 2);
  stand.ask(COMMAND.WRITE_ZEROES, 7, 1);
  stand.ask(COMMAND.READ, 7, 4);
  stand.ask(COMMAND.WRITE, 8, 4, 0, 3);
  await stand.server.pump();
  assert.equal(device.calls, ['write 0 8 false', 'write 8 4 false']);
  assert.equal(stand.errors, [5, 0]);
  held.resolve();
  await stand.server.pump();
  assert.equal(device.calls.slice(2), ['write 4 8 false', 'zero 7 1 false false']);
  assert.equal(stand.errors, [5, 0, 0, 0, 0]);
});

test('what waits beside one fails in its time, and is never sent then', async () => {
  const stand = await silent();
  stand.ask(COMMAND.WRITE, 0, 8);
  await stand.later(WAIT_MS);
  stand.ask(COMMAND.WRITE, 0, 8);
  stand.ask(COMMAND.FLUSH);
  await stand.later(WAIT_MS);
  stand.ask(COMMAND.FLUSH);
  await stand.later(WAIT_MS);
  assert.equal([stand.errors, stand.kept], [[5, 5, 5, 5], 2]);
  stand.server.isSilent = false;
  await stand.server.pump();
  assert.equal(stand.server.device.calls, ['write 0 8 false', 'flush']);
});

test('it keeps the data of 64 changes that were given up, and sends no other', async () => {
  const stand = await silent();
  for (let change = 0; change < 64; change++) stand.ask(COMMAND.WRITE, change * 8, 8);
  await stand.later(WAIT_MS);
  stand.ask(COMMAND.WRITE, 800, 8);
  stand.ask(COMMAND.READ, 900, 8);
  await stand.later(WAIT_MS);
  assert.equal([stand.errors.length, stand.kept], [66, 65]);
  stand.server.isSilent = false;
  await stand.server.pump();
  assert.is(stand.server.device.calls.length, 64);
  stand.ask(COMMAND.WRITE, 800, 8);
  await stand.server.pump();
  assert.is(stand.server.device.calls.length, 65);
});

test('what was given up is not asked of the next server, and is no loss', async () => {
  const stand = await silent();
  stand.ask(COMMAND.WRITE, 0, 8);
  await stand.later(WAIT_MS);
  stand.ask(COMMAND.READ, 0, 4);
  stand.server.die();
  stand.server.isThere = true;
  stand.server.isSilent = false;
  await stand.later(100);
  assert.equal(stand.errors, [5, 0]);
  assert.equal(stand.server.device.calls, []);
  assert.is(stand.link.losses, 0);
});

test('a server that comes and goes does not make a request wait anew', async () => {
  const stand = await silent();
  stand.ask(COMMAND.READ, 0, 4);
  for (let ms = 0; ms < WAIT_MS; ms += 200) {
    assert.equal(stand.errors, []);
    stand.server.die();
    stand.server.isThere = true;
    stand.server.isSilent = false;
    const held = Promise.withResolvers<void>();
    stand.server.device.held = held;
    await stand.later(200);
  }
  assert.equal(stand.errors, [5]);
});

test.run();
