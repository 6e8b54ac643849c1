// The session without a socket: handshake, answers in pieces, refusals, liveness, rubbish.
import { decode, encode, type FlowMod, flowMod, type Message, type Port } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OpenFlowSession, type SessionEvent } from '../../../sdnd/session/openflow-session.ts';
import type { RoleWish } from '../../../sdnd/session/session-role.ts';
import { Random } from '../openflow/random.ts';
import { CodecSwitch, type Election, portOf } from './switch-made-of-codec.ts';

const EVERYTHING = { cookie: 0n, cookieMask: 0n };
const PORTS = [portOf('vxlan0', 1), portOf('vm-a', 4096), portOf('vm-b', 4097)];

function sent(events: readonly SessionEvent[]): Uint8Array[] {
  return events.flatMap((event) => (event.kind === 'send' ? [event.bytes] : []));
}

function reasonOf(events: readonly SessionEvent[]): string {
  return events.flatMap((event) => (event.kind === 'close' ? [event.reason] : [])).join();
}

/** Lets both sides talk until nobody has anything to say; answers what the session told. */
function talk(session: OpenFlowSession, peer: CodecSwitch, events: readonly SessionEvent[], nowMs = 0): SessionEvent[] {
  const told: SessionEvent[] = [];
  let current = events;
  while (current.length > 0) {
    told.push(...current.filter(({ kind }) => kind !== 'send'));
    const answers = sent(current).flatMap((bytes) => peer.receive(bytes));
    current = answers.flatMap((bytes) => session.receive(bytes, nowMs));
  }
  return told;
}

function ready(peer: CodecSwitch, generationId?: bigint): { session: OpenFlowSession; told: SessionEvent[] } {
  const session = new OpenFlowSession(0, generationId === undefined ? undefined : { role: 'master', generationId });
  const told = talk(session, peer, session.start());
  told.push(...talk(session, peer, session.receive(peer.hello(), 0)));
  return { session, told };
}

test('the handshake asks features, role and ports, and is then ready', () => {
  const peer = new CodecSwitch(PORTS);
  const { session, told } = ready(peer, 9n);
  assert.equal(peer.types, ['hello', 'features-request', 'role-request', 'multipart-request']);
  assert.equal(told, [{ kind: 'ready', datapathId: 0x2an, ports: PORTS }]);
  assert.ok(session.isReady);
  const role = peer.got[2]?.message;
  assert.ok(role?.type === 'role-request' && role.role === 'master' && role.generationId === 9n);
});

test('without a term no role is asked for', () => {
  const peer = new CodecSwitch();
  ready(peer);
  assert.not.ok(peer.types.includes('role-request'));
});

test('bytes may come in any pieces', () => {
  const random = new Random(7);
  const peer = new CodecSwitch(PORTS);
  const session = new OpenFlowSession(0, { role: 'master', generationId: 1n });
  const stream: Uint8Array[] = [peer.hello(), ...sent(session.start()).flatMap((bytes) => peer.receive(bytes))];
  let isReady = false;
  while (stream.length > 0) {
    const bytes = stream.shift() ?? new Uint8Array(0);
    const cut = random.below(bytes.length + 1);
    for (const piece of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      const events = session.receive(piece, 0);
      isReady ||= events.some(({ kind }) => kind === 'ready');
      stream.push(...sent(events).flatMap((order) => peer.receive(order)));
    }
  }
  assert.ok(isReady);
});

test('a switch without OpenFlow 1.3 is told so and left', () => {
  const session = new OpenFlowSession(0);
  session.start();
  const events = session.receive(encode({ type: 'hello', versions: [1, 5] }, 1), 0);
  assert.equal(
    events.map(({ kind }) => kind),
    ['send', 'close'],
  );
  assert.is(sent(events)[0]?.[1], 1, 'an error message');
  assert.ok(session.isClosed);
});

test('a stale term ends the session with the reason', () => {
  const session = new OpenFlowSession(0, { role: 'master', generationId: 3n });
  const peer = new CodecSwitch();
  talk(session, peer, session.start());
  const [, role] = sent(session.receive(peer.hello(), 0));
  const xid = role === undefined ? 0 : new DataView(role.buffer, role.byteOffset).getUint32(4);
  const events = session.receive(
    encode({ type: 'error', errorType: 11, errorCode: 0, data: new Uint8Array(0) }, xid),
    0,
  );
  assert.match(JSON.stringify(events), /refused the role of master: ROLE_REQUEST_FAILED STALE/);
  assert.ok(session.isClosed);
});

/** Two connections of one switch. */
function pair(): { switches: readonly [CodecSwitch, CodecSwitch]; election: Election } {
  const first = new CodecSwitch(PORTS);
  const { flows, election } = first;
  return { switches: [first, new CodecSwitch(PORTS, flows, election)], election };
}

function begun(peer: CodecSwitch, wish: RoleWish): OpenFlowSession {
  const session = new OpenFlowSession(0, wish);
  talk(session, peer, session.start());
  talk(session, peer, session.receive(peer.hello(), 0));
  return session;
}

test('a slave never outranks the master, under no term, and is ready with the ports', () => {
  const { switches, election } = pair();
  const fresh = begun(switches[1], { role: 'slave' });
  assert.is(switches[1].role, 'slave');
  assert.ok(fresh.isReady && !fresh.isMaster);
  begun(switches[0], { role: 'master', generationId: 7n });
  const slave = begun(switches[1], { role: 'slave' });
  assert.ok(slave.isReady);
  assert.is(switches[1].role, 'slave');
  assert.is(election.generationId, 7n);
  assert.ok(begun(switches[0], { role: 'master', generationId: 7n }).isMaster);
});

test('a slave becomes master under a higher term, and the other hears of it when it asks, or changes something', () => {
  for (const hears of ['asking', 'changing'] as const) {
    const { switches } = pair();
    const old = begun(switches[0], { role: 'master', generationId: 7n });
    const next = begun(switches[1], { role: 'slave' });
    const asked = next.promote(8n);
    assert.not.ok(next.isMaster, 'before the switch has said so');
    assert.equal(talk(next, switches[1], asked), [{ kind: 'promoted' }]);
    assert.ok(next.isMaster);
    const mods = [flowMod({ command: 'add', priority: 1 })];
    const events = hears === 'asking' ? old.tick(5_000) : old.apply(mods, 0).events;
    assert.equal(
      talk(old, switches[0], events, 5_000).map(({ kind }) => kind),
      ['outranked', 'close'],
    );
    assert.is(switches[0].flows.size, 0);
    assert.equal(talk(next, switches[1], next.apply(mods, 0).events).at(-1)?.kind, 'applied');
  }
});

test('a slave that asks to be master under a term that is not above is outranked', () => {
  const { switches, election } = pair();
  begun(switches[0], { role: 'master', generationId: 7n });
  const late = begun(switches[1], { role: 'slave' });
  assert.is(election.generationId, 7n, 'a slave is one under the term in force');
  assert.equal(
    talk(late, switches[1], late.promote(6n)).map(({ kind }) => kind),
    ['outranked', 'close'],
  );
});

test('a master without anything to do goes on asking, and stays', () => {
  const peer = new CodecSwitch();
  const { session } = ready(peer, 1n);
  for (let nowMs = 0; nowMs < 10_000; nowMs += 500) talk(session, peer, session.tick(nowMs), nowMs);
  const asked = peer.got.filter(({ message }) => message.type === 'role-request' && message.role === 'no-change');
  assert.is(asked.length, 4);
  assert.ok(session.isMaster);
});

test('flows come in several messages and are joined', () => {
  const peer = new CodecSwitch();
  const { session } = ready(peer);
  const mods = [1, 2, 3, 4, 5].map((priority) => flowMod({ command: 'add', priority, cookie: BigInt(priority % 2) }));
  const put = session.apply(mods, 0);
  assert.equal(talk(session, peer, put.events), [{ kind: 'applied', operation: put.operation, refusals: [] }]);
  const read = session.readFlows(EVERYTHING, 0);
  const [answer, ...others] = talk(session, peer, read.events);
  assert.equal(others, []);
  assert.ok(answer?.kind === 'flows' && answer.operation === read.operation && answer.flows.length === 5);
  const some = session.readFlows({ cookie: 1n, cookieMask: 1n }, 0);
  const [filtered] = talk(session, peer, some.events);
  assert.ok(filtered?.kind === 'flows' && filtered.flows.length === 3);
});

test('entries are counted by whose they are, without being told', () => {
  const peer = new CodecSwitch();
  const { session } = ready(peer);
  const mods = [1, 2, 3, 4, 5].map((priority) => flowMod({ command: 'add', priority, cookie: BigInt(priority % 2) }));
  talk(session, peer, session.apply(mods, 0).events);
  const some = session.countFlows({ cookie: 1n, cookieMask: 1n }, 0);
  assert.equal(talk(session, peer, some.events), [{ kind: 'counted', operation: some.operation, count: 3 }]);
});

test('refusals are told with the operation that they belong to', () => {
  const peer = new CodecSwitch();
  const { session } = ready(peer);
  peer.isFull = true;
  const full = session.apply([flowMod({ command: 'add' }), flowMod({ command: 'add', priority: 1 })], 0);
  const [refused] = talk(session, peer, full.events);
  assert.ok(refused?.kind === 'applied' && refused.refusals.length === 2);
  assert.match(refused.refusals[0] ?? '', /FLOW_MOD_FAILED TABLE_FULL/);
  const [one, barrier] = [session.apply([flowMod({ command: 'add' })], 0), session.apply([], 0)];
  const [blamed, clean] = talk(session, peer, [...one.events, ...barrier.events]);
  assert.ok(clean?.kind === 'applied' && clean.operation === barrier.operation && clean.refusals.length === 0);
  assert.ok(blamed?.kind === 'applied' && blamed.operation === one.operation && blamed.refusals.length === 1);
  peer.isFull = false;
  const good = session.apply([flowMod({ command: 'add' })], 0);
  assert.equal(talk(session, peer, good.events), [{ kind: 'applied', operation: good.operation, refusals: [] }]);
});

test('an exchange is carried out whole, or not at all', () => {
  const peer = new CodecSwitch();
  const { session } = ready(peer);
  const [old, next] = [1, 2].map((priority) => flowMod({ command: 'add', priority })) as [FlowMod, FlowMod];
  talk(session, peer, session.apply([old], 0).events);
  const mods = [next, flowMod({ ...old, command: 'delete-strict', cookieMask: 0n })];
  peer.isFull = true;
  const full = session.applyWhole(mods, 0);
  const [refused] = talk(session, peer, full.events);
  assert.ok(refused?.kind === 'applied' && refused.operation === full.operation);
  assert.match(refused.refusals[0] ?? '', /FLOW_MOD_FAILED TABLE_FULL/);
  assert.match(refused.refusals[1] ?? '', /BUNDLE_FAILED MSG_FAILED/);
  const priorities = (): number[] => peer.stats().map(({ priority }) => priority);
  assert.equal(priorities(), [1], 'what was there is there');
  peer.isFull = false;
  const good = session.applyWhole(mods, 0);
  assert.equal(talk(session, peer, good.events), [{ kind: 'applied', operation: good.operation, refusals: [] }]);
  assert.equal(priorities(), [2]);
});

test('a silent switch is asked and then given up; a talking one is not', () => {
  const peer = new CodecSwitch();
  const { session } = ready(peer);
  assert.equal(session.tick(5_000), []);
  const asked = session.tick(5_001);
  assert.is(asked.length, 1);
  assert.equal(session.tick(6_000), []);
  talk(session, peer, asked, 6_500);
  assert.equal(session.tick(11_400), []);
  assert.is(session.tick(11_600).length, 1);
  const [end] = session.tick(16_501);
  assert.ok(end?.kind === 'close');
  assert.equal(session.tick(17_000), []);
});

test('who stood still itself asks a switch before it gives it up', () => {
  const peer = new CodecSwitch();
  const { session } = ready(peer);
  const asked = session.tick(60_000);
  assert.equal(
    asked.map(({ kind }) => kind),
    ['send'],
  );
  talk(session, peer, asked, 60_100);
  assert.equal(session.tick(61_000), []);
  assert.is(session.tick(65_200).length, 1);
  assert.is(session.tick(70_200)[0]?.kind, 'close');
});

test('a switch that never finishes the handshake, or an operation, is given up', () => {
  const unready = new OpenFlowSession(0);
  unready.start();
  unready.receive(encode({ type: 'hello', versions: [4] }, 1), 9_000);
  assert.ok(unready.tick(10_001).some(({ kind }) => kind === 'close'));
  const peer = new CodecSwitch();
  const { session } = ready(peer);
  session.readFlows(EVERYTHING, 0);
  for (let nowMs = 4_000; nowMs <= 60_000; nowMs += 4_000) {
    session.receive(encode({ type: 'echo-request', data: new Uint8Array(0) }, 1), nowMs);
    assert.equal(session.tick(nowMs), []);
  }
  assert.ok(session.tick(60_001).some(({ kind }) => kind === 'close'));
});

test('time in which nobody looked is no silence of the switch, nor a handshake that takes long', () => {
  const unready = new OpenFlowSession(0);
  unready.start();
  unready.receive(encode({ type: 'hello', versions: [4] }, 1), 500);
  unready.excuse(9_000);
  assert.not.ok(unready.tick(12_000).some(({ kind }) => kind === 'close'));
  const peer = new CodecSwitch();
  const { session } = ready(peer);
  session.excuse(20_000);
  assert.equal(session.tick(21_000), []);
  assert.is(session.tick(25_001).length, 1);
});

test('an echo is answered with its data and number', () => {
  const { session } = ready(new CodecSwitch());
  const data = Uint8Array.of(1, 2, 3);
  const events = session.receive(encode({ type: 'echo-request', data }, 77), 0);
  assert.equal(sent(events), [encode({ type: 'echo-reply', data }, 77)]);
});

test('port news are passed on', () => {
  const { session } = ready(new CodecSwitch());
  const port = portOf('vm-c', 4098);
  const events = session.receive(encode({ type: 'port-status', reason: 'add', port }, 0), 0);
  assert.equal(events, [{ kind: 'port', reason: 'add', port }]);
});

const portDesc = (more: boolean, ports: readonly Port[]): Message => ({
  type: 'multipart-reply',
  part: 'port-desc',
  more,
  ports,
});

test('ports that are told once more, or unasked, are nothing', () => {
  const peer = new CodecSwitch(PORTS);
  const { session } = ready(peer);
  const asked = peer.got.find(({ message }) => message.type === 'multipart-request');
  assert.equal(session.receive(encode(portDesc(false, PORTS), asked?.xid ?? 0), 0), []);
  assert.equal(session.receive(encode(portDesc(true, PORTS), 4_711), 0), []);
  assert.ok(session.isReady);
});

test('more ports than any switch has end the session, at the beginning and later', () => {
  const first = new OpenFlowSession(0);
  const [, , request] = [...sent(first.start()), ...sent(first.receive(new CodecSwitch().hello(), 0))];
  const xid = Buffer.from(request ?? []).readUInt32BE(4);
  const part = encode(
    portDesc(
      true,
      Array.from({ length: 1_000 }, (_, index) => portOf('p', index + 1)),
    ),
    xid,
  );
  for (let parts = 0; parts < 65; parts++) assert.equal(first.receive(part, 0), []);
  assert.match(reasonOf(first.receive(part, 0)), /more than 65536 ports/);

  const { session } = ready(new CodecSwitch());
  for (let portNo = 1; portNo <= 65_536; portNo++) {
    session.receive(encode({ type: 'port-status', reason: 'add', port: portOf('p', portNo) }, 0), 0);
  }
  session.receive(encode({ type: 'port-status', reason: 'delete', port: portOf('p', 9) }, 0), 0);
  session.receive(encode({ type: 'port-status', reason: 'add', port: portOf('p', 70_000) }, 0), 0);
  assert.ok(session.isReady);
  const status = encode({ type: 'port-status', reason: 'add', port: portOf('p', 70_001) }, 0);
  assert.match(reasonOf(session.receive(status, 0)), /more than 65536 ports/);
});

test('a message with a wrong body is answered and told of, once in ten seconds, and ends nothing', () => {
  const { session } = ready(new CodecSwitch());
  const wrong = encode({ type: 'port-status', reason: 'add', port: portOf('p', 1) }, 5).slice(0, 16);
  wrong[3] = 16;
  const [answer, told] = session.receive(wrong, 0);
  assert.is(told?.kind === 'garbled' && told.reason.length > 0, true);
  const refusal = decode(sent(answer === undefined ? [] : [answer])[0] ?? new Uint8Array(0));
  assert.ok(refusal.kind === 'message' && refusal.xid === 5 && refusal.message.type === 'error');
  assert.equal(session.receive(wrong, 9_999), []);
  assert.is(session.receive(wrong, 10_000).length, 2);
  assert.ok(session.isReady);
});

test('rubbish ends the session without throwing', () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(seed);
    const { session } = ready(new CodecSwitch());
    const bytes = Uint8Array.from({ length: 64 }, () => random.below(256));
    session.receive(bytes, 0);
    session.receive(bytes, 0);
    session.tick(1);
  }
  const { session } = ready(new CodecSwitch());
  assert.ok(session.receive(Uint8Array.of(9, 9, 0, 8, 0, 0, 0, 0), 0).some(({ kind }) => kind === 'close'));
});

test.run();
