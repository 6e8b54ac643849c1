// What a client makes of what comes in one piece: contents and changes in their order, and odd answers as the end of it.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { realClock } from '../../../common/clock.ts';
import type { JsonObject, JsonValue } from '../../../sdnd/ovsdb/json.ts';
import { OvsdbClient, type ServerAddress } from '../../../sdnd/ovsdb/ovsdb-client.ts';
import { BadValue } from '../../../sdnd/ovsdb/values.ts';
import { failure, within } from '../common/members.ts';

const folder = mkdtempSync(join(tmpdir(), 'ovsdb-client-'));
const servers: Server[] = [];

/** A server that answers the first request with these messages in one piece. */
async function answering(...messages: readonly JsonValue[]) {
  const address: ServerAddress = `unix:${join(folder, `${servers.length}.sock`)}`;
  const bytes = messages.map((message) => JSON.stringify(message)).join('');
  const server = createServer((socket) =>
    socket.on('error', () => socket.destroy()).once('data', () => socket.write(bytes)),
  );
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(address.slice('unix:'.length), resolve));
  const up = Promise.withResolvers<void>();
  const end = Promise.withResolvers<string>();
  const client = new OvsdbClient(address, realClock, { connected: up.resolve, closed: end.resolve });
  await within(up.promise);
  return { client, end: within(end.promise) };
}

test.after(async () => {
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

test('a change that comes with the contents is taken after them', async () => {
  const update = (number: number) => ({ method: 'update', params: ['m', { T: { number } }], id: null });
  const { client } = await answering({ id: 1, result: { T: {} }, error: null }, update(1), update(2));
  const taken: JsonObject[] = [];
  const second = Promise.withResolvers<void>();
  await client.monitor('db', 'm', [], (tables) => {
    if (taken.push(tables) === 3) second.resolve();
  });
  await within(second.promise);
  assert.equal(taken, [{ T: {} }, { T: { number: 1 } }, { T: { number: 2 } }]);
  client.close('done');
});

test('a lock that comes free with the answer that it is not ours is ours', async () => {
  const notice = (method: string) => ({ method, params: ['l'], id: null });
  const { client } = await answering(
    { id: 1, result: { locked: false }, error: null },
    notice('locked'),
    notice('stolen'),
  );
  const told: boolean[] = [];
  const third = Promise.withResolvers<void>();
  await client.lock('l', (isOurs) => {
    if (told.push(isOurs) === 3) third.resolve();
  });
  await within(third.promise);
  assert.equal(told, [false, true, false]);
  client.close('done');
});

test('an answer that cannot be taken ends the connection, and its request with it', async () => {
  const bad = await answering({ id: 1, result: { T: 5 }, error: null });
  const failed = failure(
    bad.client.monitor('db', 'm', [], () => {
      throw new BadValue('T is 5');
    }),
  );
  assert.is(await bad.end, 'T is 5');
  assert.is((await failed).code, 'OVSDB_LOST');
  const odd = await answering({ id: 1, result: [], error: null });
  const refused = failure(odd.client.lock('l', () => undefined));
  assert.is(await odd.end, 'lock was answered with []');
  assert.match((await refused).message, /^lock was not carried out, or not known to be: lock was answered with \[\]/);
});

test('an update that nobody asked for ends the connection', async () => {
  const { client, end } = await answering({ method: 'update', params: ['other', {}], id: null });
  const failed = failure(client.echo());
  assert.is(await end, 'an update of "other", which was not asked for');
  assert.is((await failed).code, 'OVSDB_LOST');
});

test.run();
