// The QMP connection against a server of ours that says what the test wants.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { QmpClient, QmpError } from '../../../hypervisor/qmp/qmp-client.ts';

const GREETING = '{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}}, "capabilities": []}}\r\n';

/** Only to end what would hang. */
const BOUND_MS = 60_000;

type Answer = (command: { execute: string; id: number }, socket: Socket) => void;

let folder: string;
let server: Server;
let path: string;
let answer: Answer;
let greeting: string;
let peer: Socket;

test.before.each(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sc-qmp-'));
  path = join(folder, 'qmp.sock');
  greeting = GREETING;
  answer = ({ id }, socket) => void socket.write(`{"return": {}, "id": ${id}}\r\n`);
  server = createServer((socket) => {
    peer = socket.on('error', () => undefined);
    socket.write(greeting);
    createInterface({ input: socket }).on('line', (line) => {
      const command = JSON.parse(line);
      if (command.execute === 'qmp_capabilities') socket.write(`{"return": {}, "id": ${command.id}}\r\n`);
      else answer(command, socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
});

test.after.each(async () => {
  server.close();
  peer?.destroy();
  await rm(folder, { recursive: true, force: true });
});

test('a command gets its own answer', async () => {
  answer = ({ id }, socket) => void socket.write(`{"return": {"running": false, "status": "paused"}, "id": ${id}}\r\n`);
  const client = await connect();
  assert.equal(await client.execute('query-status', {}), { running: false, status: 'paused' });
  client.close();
});

test('a refusal carries the class and the sentence of QEMU', async () => {
  answer = ({ id }, socket) =>
    void socket.write(`{"error": {"class": "GenericError", "desc": "not now"}, "id": ${id}}\r\n`);
  const client = await connect();
  const error = await failed(client.execute('cont', {}));
  assert.equal([error.code, error.errorClass, error.desc], ['QMP_COMMAND', 'GenericError', 'not now']);
  assert.match(error.message, /QEMU refused cont: not now/);
  client.close();
});

test('a command that times out leaves the connection, and its late answer, alone', async () => {
  const held = Promise.withResolvers<number>();
  answer = ({ id }) => held.resolve(id);
  const client = await connect();
  const error = await failed(client.execute('stop', {}, { timeoutMs: 10 }));
  assert.is(error.code, 'QMP_TIMEOUT');
  assert.match(error.message, /may still take effect/);
  // It may have timed out before it was heard.
  const late = await held.promise;
  answer = ({ id }, socket) => void socket.write(`{"return": {}, "id": ${late}}\r\n{"return": {}, "id": ${id}}\r\n`);
  assert.equal(await client.execute('cont', {}), {});
  client.close();
});

test('events go to their listeners until these stop listening', async () => {
  const client = await connect();
  const seen: string[] = [];
  const stop = client.on('MIGRATION', ({ status }) => seen.push(status));
  await migration(client, 'setup');
  stop();
  await migration(client, 'active');
  assert.equal(seen, ['setup']);
  client.close();
});

test('waiting for an event ends by predicate, abort, timeout and close', async () => {
  const client = await connect();
  const completed = client.waitEvent('MIGRATION', ({ status }) => status === 'completed', { timeoutMs: BOUND_MS });
  await migration(client, 'active');
  await migration(client, 'completed');
  assert.equal(await completed, { status: 'completed' });
  const abort = new AbortController();
  const aborted = client.waitEvent('STOP', () => true, { signal: abort.signal });
  abort.abort(new Error('enough'));
  await aborted.then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'enough'),
  );
  assert.is((await failed(client.waitEvent('STOP', () => true, { timeoutMs: 5 }))).code, 'QMP_TIMEOUT');
  const cut = client.waitEvent('STOP');
  peer.destroy();
  assert.is((await failed(cut)).code, 'QMP_CLOSED');
});

test('when QEMU goes, every promise is settled', async () => {
  answer = (_, socket) => void socket.destroy();
  const client = await connect();
  assert.is((await failed(client.execute('cont', {}))).code, 'QMP_CLOSED');
  await client.closed;
  assert.is((await failed(client.execute('cont', {}))).code, 'QMP_CLOSED');
  assert.is((await failed(client.waitEvent('STOP'))).code, 'QMP_CLOSED');
});

test('rubbish ends the connection', async () => {
  answer = (_, socket) => void socket.write('rubbish\r\n');
  const client = await connect();
  assert.is((await failed(client.execute('cont', {}))).code, 'QMP_PROTOCOL');
});

test('nobody there, and somebody who does not greet', async () => {
  assert.is((await failed(QmpClient.connect(join(folder, 'nobody')))).code, 'QMP_CONNECT');
  greeting = '';
  assert.is((await failed(QmpClient.connect(path, { timeoutMs: 20 }))).code, 'QMP_TIMEOUT');
});

function connect(): Promise<QmpClient> {
  return QmpClient.connect(path, { timeoutMs: BOUND_MS });
}

/** Sends a migration event and resolves when the client has it. */
async function migration(client: QmpClient, status: string): Promise<void> {
  peer.write(
    `{"timestamp": {"seconds": 1, "microseconds": 0}, "event": "MIGRATION", "data": {"status": "${status}"}}\r\n`,
  );
  await client.execute('query-name', {});
}

async function failed(promise: Promise<unknown>): Promise<QmpError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof QmpError) return error;
  throw new Error(`expected a QmpError, got ${error}`);
}

test.run();
