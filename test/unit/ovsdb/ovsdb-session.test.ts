// A connection's rules: answers in any order, signs of life both ways, and an end with its reason for whatever fits nothing.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { JsonValue } from '../../../sdnd/ovsdb/json.ts';
import { OvsdbSession, type SessionEvent } from '../../../sdnd/ovsdb/ovsdb-session.ts';

function bytesOf(...messages: readonly JsonValue[]): Uint8Array {
  return new TextEncoder().encode(messages.map((message) => JSON.stringify(message)).join(''));
}

/** Events with what is sent as values. */
function plain(events: readonly SessionEvent[]): unknown[] {
  return events.map((event) =>
    event.kind === 'send' ? { send: JSON.parse(new TextDecoder().decode(event.bytes)) } : event,
  );
}

function closeReason(...messages: readonly JsonValue[]): string {
  const session = new OvsdbSession(0);
  session.request('list_dbs', [], 0);
  const last = session.receive(bytesOf(...messages), 0).at(-1);
  return last?.kind === 'close' ? last.reason : 'open';
}

test('requests have numbers, and answers come in any order', () => {
  const session = new OvsdbSession(0);
  assert.equal(plain(session.request('list_dbs', [], 0).events), [{ send: { method: 'list_dbs', params: [], id: 1 } }]);
  session.request('get_schema', ['Open_vSwitch'], 0);
  const refusal = { error: 'unknown database', details: '' };
  const events = session.receive(
    bytesOf({ id: 2, result: null, error: refusal }, { id: 1, result: ['Open_vSwitch'], error: null }),
    0,
  );
  assert.equal(plain(events), [
    { kind: 'refused', request: 2, error: refusal },
    { kind: 'answer', request: 1, result: ['Open_vSwitch'] },
  ]);
});

test("the server's echo is given back as it came; what else it asks is unknown", () => {
  const session = new OvsdbSession(0);
  const events = session.receive(
    bytesOf({ method: 'echo', params: ['a', 1], id: 'x' }, { method: 'transact', params: [], id: 9 }),
    0,
  );
  assert.equal(plain(events), [
    { send: { id: 'x', result: ['a', 1], error: null } },
    { send: { id: 9, result: null, error: { error: 'unknown method', details: '"transact"' } } },
  ]);
});

test('a silent server is asked once, and given up when it stays silent', () => {
  const session = new OvsdbSession(0);
  assert.equal(session.tick(5_000), []);
  assert.equal(plain(session.tick(5_001)), [{ send: { method: 'echo', params: [], id: 'echo' } }]);
  assert.equal(session.tick(15_001), []);
  session.receive(bytesOf({ id: 'echo', result: [], error: null }), 15_001);
  assert.is(session.tick(20_002).length, 1);
  assert.equal(session.tick(30_003), [{ kind: 'close', reason: 'silent for 15002 ms' }]);
  assert.ok(session.isClosed);
  assert.equal(session.tick(90_000), []);
});

test('a request that is never answered ends the connection, also of a server that lives', () => {
  const session = new OvsdbSession(0);
  session.request('transact', [], 0);
  session.receive(bytesOf({ method: 'echo', params: [], id: 1 }), 29_000);
  assert.equal(session.tick(30_001), [{ kind: 'close', reason: 'transact was not answered within 30000 ms' }]);
});

test('notices are told; unknown ones are left unread', () => {
  const session = new OvsdbSession(0);
  const update = { Bridge: {} };
  const events = session.receive(
    bytesOf(
      { method: 'update', params: ['m', update], id: null },
      { method: 'locked', params: ['l'], id: null },
      { method: 'stolen', params: ['l'], id: null },
      { method: 'weather', params: ['fair'], id: null },
    ),
    0,
  );
  assert.equal(events, [
    { kind: 'update', monitor: 'm', tables: update },
    { kind: 'locked', lock: 'l' },
    { kind: 'stolen', lock: 'l' },
  ]);
});

test('what fits nothing ends the connection, and says what it was', () => {
  const nothing = /^a message that fits nothing: /;
  assert.match(closeReason({}), nothing);
  assert.match(closeReason({ id: 7, result: [], error: null }), nothing);
  assert.match(closeReason({ id: '1', result: [], error: null }), nothing);
  assert.match(closeReason({ id: 1, error: null }), nothing);
  assert.match(closeReason({ id: 1, result: 1, error: null }, { id: 1, result: 1, error: null }), nothing);
  assert.match(closeReason({ method: 5, params: [], id: null }), nothing);
  assert.match(closeReason({ method: 'update', params: ['m'], id: null }), nothing);
  assert.match(closeReason({ method: 'locked', params: [5], id: null }), nothing);
  assert.match(closeReason({ method: 'echo', id: 1 }), nothing);
  assert.match(closeReason([1]), /^not-an-object: /);
  assert.is(closeReason({ id: 1, result: [], error: null }), 'open');
});

test('after its end a connection takes nothing more', () => {
  const session = new OvsdbSession(0);
  assert.is(session.receive(bytesOf('x', { method: 'echo', params: [], id: 1 }), 0).length, 1);
  assert.equal(session.receive(bytesOf({ method: 'echo', params: [], id: 1 }), 0), []);
});

test('more open requests than can be meant end the connection', () => {
  const session = new OvsdbSession(0);
  for (let count = 0; count < 1000; count++) assert.is(session.request('echo', [], 0).events[0]?.kind, 'send');
  assert.equal(session.request('echo', [], 0).events, [{ kind: 'close', reason: '1000 requests are open' }]);
});

test.run();
