// The two ends of a connection without any connection: what each record means, and what a peer cannot do.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Type } from '#typebox';
import { mayCall } from '../../../common/rpc/contract-check.ts';
import type { RpcRecord } from '../../../common/rpc/record.ts';
import { AnswererSession, CallerSession, OPEN_CALLS_MAX } from '../../../common/rpc/rpc-session.ts';
import { type Caller, contract, method } from '../../../wire/contract.ts';

const Empty = Type.Object({});
const service = contract('service', {
  go: method(['node'], Type.Object({ n: Type.Integer() }), Type.Integer(), { progress: Type.Integer() }),
  own: method(['self'], Empty, Empty),
});
const peer = { node: 'beta', role: 'node' as const };
const request = (id: number, params: unknown = { n: 1 }): RpcRecord => ({ kind: 'request', id, name: 'go', params });

test('a caller gives ids that grow and takes each answer once', () => {
  const caller = new CallerSession(service);
  assert.is(caller.request('go', { n: 1 }).id, 1);
  assert.is(caller.request('go', { n: 2 }).id, 2);
  assert.equal(caller.receive({ kind: 'progress', id: 2, value: 5 }), { kind: 'progress', id: 2, value: 5 });
  assert.equal(caller.receive({ kind: 'result', id: 2, value: 6 }), { kind: 'result', id: 2, value: 6 });
  assert.equal(caller.receive({ kind: 'result', id: 2, value: 6 }), { kind: 'late' });
  assert.equal(caller.receive({ kind: 'progress', id: 2, value: 6 }), { kind: 'late' });
});

test('an answer to a call that was given up is late', () => {
  const caller = new CallerSession(service);
  const { id } = caller.request('go', { n: 1 });
  assert.equal(caller.cancel(id), { kind: 'cancel', id });
  assert.equal(caller.receive({ kind: 'result', id, value: 1 }), { kind: 'late' });
});

test('an answer to a call that was never made, or a request, is a violation', () => {
  const caller = new CallerSession(service);
  assert.is(caller.receive({ kind: 'result', id: 1, value: 1 }).kind, 'violation');
  assert.is(caller.receive(request(1)).kind, 'violation');
  assert.is(caller.receive({ kind: 'cancel', id: 1 }).kind, 'violation');
});

test('results and progress are checked; bad progress stops the work', () => {
  const caller = new CallerSession(service);
  const first = caller.request('go', { n: 1 });
  const second = caller.request('go', { n: 1 });
  const bad = caller.receive({ kind: 'result', id: first.id, value: 'x' });
  assert.ok(bad.kind === 'failed' && !bad.cancel && bad.error.code === 'BAD_ANSWER');
  const badProgress = caller.receive({ kind: 'progress', id: second.id, value: 1.5 });
  assert.ok(badProgress.kind === 'failed' && badProgress.cancel && badProgress.error.code === 'BAD_ANSWER');
});

test('a caller cannot open more than the limit', () => {
  const caller = new CallerSession(service);
  for (let i = 0; i < OPEN_CALLS_MAX; i += 1) caller.request('go', { n: i });
  assert.throws(() => caller.request('go', { n: 1 }), /TOO_MANY|are open/);
  caller.cancel(1);
  assert.is(caller.request('go', { n: 1 }).kind, 'request');
});

test('a server refuses calls over the limit and takes them again later', () => {
  const answerer = new AnswererSession(service, peer, 'alpha');
  for (let id = 1; id <= OPEN_CALLS_MAX; id += 1) assert.is(answerer.receive(request(id)).kind, 'call');
  const refused = answerer.receive(request(OPEN_CALLS_MAX + 1));
  assert.ok(refused.kind === 'refused' && refused.answer.kind === 'error' && refused.answer.code === 'TOO_MANY_CALLS');
  assert.equal(answerer.result(1, 2), { kind: 'result', id: 1, value: 2 });
  assert.is(answerer.receive(request(OPEN_CALLS_MAX + 2)).kind, 'call');
});

test('ids that do not grow, and answers, are violations', () => {
  const answerer = new AnswererSession(service, peer, 'alpha');
  answerer.receive(request(5));
  assert.is(answerer.receive(request(5)).kind, 'violation');
  assert.is(answerer.receive(request(4)).kind, 'violation');
  assert.is(answerer.receive({ kind: 'result', id: 6, value: 1 }).kind, 'violation');
});

test('a call that ended or was given up sends nothing more', () => {
  const answerer = new AnswererSession(service, peer, 'alpha');
  answerer.receive(request(1));
  answerer.receive(request(2));
  assert.equal(answerer.progress(1, 7), { kind: 'progress', id: 1, value: 7 });
  assert.equal(answerer.receive({ kind: 'cancel', id: 1 }), { kind: 'cancel', id: 1 });
  assert.is(answerer.progress(1, 8), undefined);
  assert.is(answerer.result(1, 8), undefined);
  assert.equal(answerer.receive({ kind: 'cancel', id: 1 }), { kind: 'late' });
  answerer.result(2, 1);
  assert.is(answerer.progress(2, 1), undefined);
});

test('who may call what', () => {
  const own = 'alpha';
  const table: [Caller[], string, 'controller' | 'node' | 'operator', boolean][] = [
    [['node'], 'beta', 'node', true],
    [['node'], 'beta', 'controller', true],
    [['node'], 'beta', 'operator', false],
    [['self'], 'alpha', 'node', true],
    [['self'], 'alpha', 'controller', true],
    [['self'], 'alpha', 'operator', false],
    [['self'], 'beta', 'node', false],
    [['controller'], 'beta', 'controller', true],
    [['controller'], 'alpha', 'node', false],
    [['operator'], 'alice', 'operator', true],
    [['operator'], 'beta', 'controller', false],
    [['controller', 'self'], 'alpha', 'node', true],
    [[], 'alpha', 'controller', false],
  ];
  for (const [callers, node, role, allowed] of table) {
    assert.is(mayCall(callers, { node, role }, own), allowed, `${callers} for ${role} ${node}`);
  }
});

test.run();
