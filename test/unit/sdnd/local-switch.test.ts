// An agent's connection with its node's switch, and the flows that it keeps there, at a switch made of the codec: both come
// back whatever happens, and a slow switch is asked no more often than it answers.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { type Message, NO_BUFFER } from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { closeGate, GATE_FILTER, gateFlows, openGate } from '../../../sdnd/agent/gate.ts';
import { flowKey } from '../../../sdnd/flow.ts';
import { FlowKeeper } from '../../../sdnd/local-switch/flow-keeper.ts';
import { LocalSwitch } from '../../../sdnd/local-switch/local-switch.ts';
import { AGENT_COOKIE, isAgentPort } from '../../../sdnd/pipeline.ts';
import { failure, quiet, within } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { SocketSwitch } from './socket-switch.ts';

const PORT = 0x1001;
const OTHER = 0x1002;
const RECONNECT_MS = 250;
const VERIFY_EVERY_MS = 2_500;
const LIMIT_MS = 60_000;

const connections = suite('connection with the own switch');
const keepers = suite('keeper of flows');
const folder = mkdtempSync(join(tmpdir(), 'own-switch-'));
keepers.after(() => rmSync(folder, { recursive: true }));

/** Lets sockets be served until it is so. */
async function until(what: string, isSo: () => boolean): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  while (!isSo()) {
    if (performance.now() > endMs) throw new Error(`not so: ${what}`);
    await turn();
  }
}

function connection(at: { readonly path: string }, controllerId?: number) {
  const clock = new TurnedClock();
  const told: string[] = [];
  const id = controllerId === undefined ? {} : { controllerId };
  const own = new LocalSwitch(
    { socket: at.path, who: 'a test', ...id, clock, log: quiet },
    {
      begun: () => told.push('begun'),
      ended: () => told.push('ended'),
      packet: ({ data }) => told.push(Buffer.from(data).toString()),
    },
  );
  return { clock, told, own };
}

function packetIn(data: string): Message {
  const words = { bufferId: NO_BUFFER, totalBytes: data.length, reason: 'action', tableId: 0, cookie: 0n } as const;
  return { type: 'packet-in', ...words, match: { inPort: PORT }, data: Buffer.from(data) };
}

connections('it comes again after every end, asks for packets each time, and stays away once stopped', async () => {
  const at = new SocketSwitch(folder, 'again');
  const { clock, told, own } = connection(at, 5);
  for (const round of [1, 2, 3]) {
    await at.messages('set-config', 1);
    assert.equal(await at.messages('nx-set-controller-id', 1), [{ type: 'nx-set-controller-id', controllerId: 5 }]);
    at.send(packetIn(`packet ${round}`));
    await until('the packet came', () => told.includes(`packet ${round}`));
    at.drop();
    await until('the end is known', () => told.at(-1) === 'ended');
    assert.is(own.channel, undefined);
    assert.is(at.accepts, round, 'not at once');
    const next = own.session();
    clock.turn(RECONNECT_MS);
    assert.is(await within(next), own.channel, 'the new one');
  }
  assert.equal(
    told.filter((word) => !word.startsWith('packet')),
    ['begun', 'ended', 'begun', 'ended', 'begun', 'ended', 'begun'],
  );
  await at.messages('set-config', 1);
  own.stop();
  assert.is(own.channel, undefined);
  assert.is(clock.timers, 0, 'nothing of it is left');
  await at.close();
});

connections('who waits for a switch that is away gets the session that begins, or hears of it after 5 s', async () => {
  const absent = connection({ path: join(folder, 'absent') });
  const waiting = absent.own.session();
  const error = failure(waiting);
  absent.clock.turn(4_999);
  await turn();
  assert.is(absent.own.channel, undefined);
  absent.clock.turn(1);
  assert.is((await error).code, 'SWITCH_LOST');
  const late = absent.own.session();
  const at = new SocketSwitch(folder, 'absent');
  await until('a try is due', () => absent.clock.timers > 1);
  absent.clock.turn(RECONNECT_MS);
  assert.is(await within(late), absent.own.channel);
  assert.not.ok(
    at.got.some(({ type }) => type === 'set-config'),
    'nobody asked for packets',
  );
  absent.own.stop();
  await at.close();
});

function keeper(at: SocketSwitch, wanted: number[]) {
  const clock = new TurnedClock();
  const flows = new FlowKeeper({
    ...{ socket: at.path, who: 'a test', clock, log: quiet, filter: GATE_FILTER },
    sets: [{ what: 'gates', wanted: () => wanted.flatMap(gateFlows) }],
  });
  // Its two timers: the session's, and that of the next look.
  const rests = () => until('the next look is waited for', () => clock.timers === 2);
  return { clock, flows, rests };
}

function keys(...ports: number[]): string[] {
  return ports.flatMap(gateFlows).map(flowKey).sort();
}

function reads(at: SocketSwitch): number {
  return at.got.filter((message) => message.type === 'multipart-request' && message.part === 'flow').length;
}

keepers("what somebody took or put by hand is put right at the next look; a stranger's flow is let alone", async () => {
  const at = new SocketSwitch(folder, 'by-hand');
  const { clock, flows, rests } = keeper(at, [PORT]);
  await rests();
  assert.equal([...at.flows.keys()].sort(), keys(PORT));
  const [kept = ''] = at.flows.keys();
  at.flows.delete(kept);
  for (const flow of gateFlows(OTHER)) at.flows.set(flowKey(flow), flow);
  const [stranger] = gateFlows(7).map((flow) => ({ ...flow, cookie: AGENT_COOKIE + (1n << 56n) }));
  assert.ok(stranger !== undefined && !isAgentPort(7));
  at.flows.set(flowKey(stranger), stranger);
  clock.turn(VERIFY_EVERY_MS - 1);
  assert.is(reads(at), 1, 'not before its time');
  clock.turn(1);
  await rests();
  assert.equal([...at.flows.keys()].sort(), [...keys(PORT), flowKey(stranger)].sort());
  flows.stop();
  assert.is(clock.timers, 0, 'nothing of it is left');
  await at.close();
});

keepers('a switch that comes back empty has its flows again at once', async () => {
  const at = new SocketSwitch(folder, 'restarted');
  const { clock, flows, rests } = keeper(at, [PORT]);
  await rests();
  at.drop();
  await until('the end is known', () => clock.timers === 1);
  clock.turn(RECONNECT_MS);
  await at.messages('flow-mod', 2);
  assert.equal([...at.flows.keys()].sort(), keys(PORT));
  flows.stop();
  await at.close();
});

keepers(
  'a slow comparison is never run twice at once, and however many looks come meanwhile, one follows',
  async () => {
    const at = new SocketSwitch(folder, 'slow');
    const { clock, flows, rests } = keeper(at, [PORT]);
    await rests();
    at.hold();
    flows.look();
    await until('it is asked', () => at.isHolding);
    for (let look = 0; look < 5; look++) flows.look();
    clock.turn(VERIFY_EVERY_MS);
    await turn();
    assert.is(reads(at), 2, 'the first, and the one that waits for its answer');
    at.goOn();
    await rests();
    assert.is(reads(at), 3);
    flows.stop();
    await at.close();
  },
);

keepers('a change waits for the comparison that is under way, which does not undo it', async () => {
  const at = new SocketSwitch(folder, 'change');
  const wanted = [PORT];
  const { flows, rests } = keeper(at, wanted);
  await rests();
  at.hold();
  flows.look();
  await until('it is asked', () => at.isHolding);
  wanted.push(OTHER);
  const opened = flows.change(openGate(OTHER));
  wanted.shift();
  const closed = flows.change(closeGate(PORT));
  at.goOn();
  await within(Promise.all([opened, closed]));
  await rests();
  assert.equal([...at.flows.keys()].sort(), keys(OTHER));
  flows.stop();
  await at.close();
});

connections.run();
keepers.run();
