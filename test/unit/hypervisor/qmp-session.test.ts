// The QMP state machine alone: every kind of line, in every cut, and what it does not take.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LINE_CHARS_MAX, PENDING_COMMANDS_MAX, QmpSession } from '../../../hypervisor/qmp/qmp-session.ts';

const GREETING =
  '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "x"}, "capabilities": ["oob"]}}\r\n';
const EVENT = '{"timestamp": {"seconds": 2, "microseconds": 500000}, "event": "STOP"}\r\n';

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function sent(session: QmpSession, name: string): number {
  const command = session.command(name, {});
  if (command === undefined) throw new Error('refused');
  return command.id;
}

test('greeting, answer, error and event come out the same in every cut', () => {
  const wanted = [
    { kind: 'greeting', version: '7.2.22', capabilities: ['oob'] },
    { kind: 'return', id: 1, value: { running: true, text: 'Käse' } },
    { kind: 'event', name: 'STOP', data: {}, atMs: 2500 },
    { kind: 'error', id: 2, errorClass: 'GenericError', desc: 'no' },
  ];
  const answers = `{"return": {"running": true, "text": "Käse"}, "id": 1}\r\n${EVENT}{"id": 2, "error": {"class": "GenericError", "desc": "no"}}\r\n`;
  const stream = bytes(GREETING + answers);
  for (let cut = 0; cut <= stream.length; cut++) {
    const session = new QmpSession();
    sent(session, 'query-status');
    sent(session, 'cont');
    const messages = [...session.receive(stream.subarray(0, cut)), ...session.receive(stream.subarray(cut))];
    assert.equal(messages, wanted, `cut at ${cut}`);
    assert.equal(session.pending, []);
  }
});

test('a command is one line with an id of its own', () => {
  const session = new QmpSession();
  assert.equal(session.command('cont', {}), { id: 1, line: '{"execute":"cont","id":1}\r\n' });
  const migrate = session.command('migrate', { uri: 'unix:/a\n' });
  assert.is(migrate?.line, '{"execute":"migrate","arguments":{"uri":"unix:/a\\n"},"id":2}\r\n');
  assert.equal(session.pending, ['cont', 'migrate']);
});

test('too many waiting commands are refused', () => {
  const session = new QmpSession();
  for (let count = 0; count < PENDING_COMMANDS_MAX; count++) sent(session, 'cont');
  assert.is(session.command('cont', {}), undefined);
  session.receive(bytes('{"return": {}, "id": 1}\n'));
  assert.ok(session.command('cont', {}));
});

const rubbish: [string, string, string][] = [
  ['no JSON', 'hello\n', 'NOT_JSON'],
  ['JSON but no object', '[1]\n', 'NOT_JSON'],
  ['an object of no kind', '{"a": 1}\n', 'NOT_QMP'],
  ['an answer to nothing', '{"return": {}, "id": 7}\n', 'UNKNOWN_ID'],
  ['an answer without an id', '{"error": {"class": "a", "desc": "b"}}\n', 'UNKNOWN_ID'],
];

for (const [what, line, code] of rubbish) {
  test(`${what} is a fault, and the last message`, () => {
    const session = new QmpSession();
    const messages = session.receive(bytes(line + EVENT));
    assert.is(messages.length, 1);
    assert.is(messages[0]?.kind === 'fault' && messages[0].code, code);
    assert.equal(session.receive(bytes(EVENT)), []);
  });
}

test('a line without an end is cut off at the limit', () => {
  const session = new QmpSession();
  const chunk = bytes('x'.repeat(LINE_CHARS_MAX / 4));
  for (let count = 0; count < 4; count++) assert.equal(session.receive(chunk), []);
  const [fault] = session.receive(bytes('x'));
  assert.is(fault?.kind === 'fault' && fault.code, 'LINE_TOO_LONG');
});

test.run();
