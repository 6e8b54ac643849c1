// The controller's commands with switches made of the codec: durable before any switch hears, answered after barriers,
// never held up by a switch that hangs or is away.
import { Duplex, PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../../common/errors.ts';
import type { Peer } from '../../../common/identity.ts';
import { Controller } from '../../../sdnd/controller.ts';
import type { Flow } from '../../../sdnd/flow.ts';
import { OpenFlowChannel } from '../../../sdnd/openflow-channel.ts';
import { Overlay, type OverlayRecord } from '../../../sdnd/overlay.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { addressOf, bindingOf, NODES, portsOf } from './overlay-maker.ts';
import { CodecSwitch, portOf } from './switch-made-of-codec.ts';

const MIGRATION = '0000000000000001';
const log = pino({ level: 'silent' });

/** A switch on a stream; while it hangs it takes bytes and answers none. */
class StreamSwitch {
  readonly peer: CodecSwitch;
  readonly channel: OpenFlowChannel;
  hangs = false;
  readonly #answers = new PassThrough();

  constructor(node: string, controller: Controller, clock: TurnedClock, flows: ReadonlyMap<string, Flow> = new Map()) {
    this.peer = new CodecSwitch([...portsOf(node)].map(([name, portNo]) => portOf(name, portNo)));
    for (const [key, flow] of flows) this.peer.flows.set(key, flow);
    const orders = new PassThrough();
    orders.on('data', (bytes: Uint8Array) => {
      const answers = this.peer.receive(bytes);
      if (!this.hangs) for (const answer of answers) this.#answers.write(answer);
    });
    this.channel = new OpenFlowChannel(Duplex.from({ readable: this.#answers, writable: orders }), clock, {
      ready: (datapathId, ports) => controller.ready(node, this.channel, datapathId, ports),
      port: (reason, port) => controller.port(node, this.channel, reason, port),
      closed: (reason) => controller.closed(node, this.channel, reason),
    });
    this.#answers.write(this.peer.hello());
  }
}

class Fixture {
  readonly clock = new TurnedClock();
  readonly journal: OverlayRecord[] = [];
  readonly switches = new Map<string, StreamSwitch>();
  readonly controller: Controller;
  readonly #handlers: ReturnType<Controller['handlers']>;

  /** `records`: what an earlier life of the controller left in its journal. */
  constructor(records: readonly OverlayRecord[] = []) {
    const journal = {
      sizeBytes: 0,
      append: async (...records: OverlayRecord[]) => void this.journal.push(...records),
      rewrite: async () => undefined,
    };
    this.controller = new Controller({ overlay: new Overlay(records), journal, clock: this.clock, log });
    this.#handlers = this.controller.handlers();
  }

  async connect(...nodes: readonly string[]): Promise<void> {
    for (const node of nodes) this.switches.set(node, new StreamSwitch(node, this.controller, this.clock));
    await settle();
  }

  /** The switches of an earlier life, with the flows that they have from it. */
  async connectFrom(earlier: Fixture): Promise<void> {
    for (const [node, { peer }] of earlier.switches) {
      this.switches.set(node, new StreamSwitch(node, this.controller, this.clock, peer.flows));
    }
    await settle();
  }

  /** As the orchestrator says that it has told everything. */
  async tellAll(): Promise<void> {
    const { term } = (await this.call('binding.list', {})) as { term: number };
    await this.call('state.told', { term });
  }

  flowKeysAt(node: string): string[] {
    return [...(this.switches.get(node)?.peer.flows.keys() ?? [])].sort();
  }

  call(name: keyof ReturnType<Controller['handlers']>, params: object, peer: Peer = orchestrator): Promise<unknown> {
    const handler = this.#handlers[name] as (given: object, context: object) => unknown;
    return Promise.resolve(handler(params, { peer }));
  }

  async begin(): Promise<void> {
    await this.call('members.set', { members: NODES.map((node) => ({ node, address: addressOf(node) })) });
    await this.call('binding.set', { binding: bindingOf('g0', 'n0') });
  }

  flowsAt(node: string): number {
    return this.switches.get(node)?.peer.flows.size ?? 0;
  }

  /** Lets so much time pass in steps, as a session's ticks need it. */
  async pass(ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += 500) {
      this.clock.turn(500);
      await settle();
    }
  }

  close(): void {
    this.controller.close();
    for (const { channel } of this.switches.values()) channel.close('the test ends');
  }
}

const orchestrator: Peer = { node: 'n0', role: 'controller' };

/** Streams and promises run on for some turns of the event loop. */
async function settle(): Promise<void> {
  for (let round = 0; round < 30; round++) await turn();
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  await settle();
  return settled;
}

test('a command is in the journal, then on every switch that is there', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1');
  await fixture.begin();
  assert.equal(
    fixture.journal.map(({ kind }) => kind),
    ['members', 'bound'],
  );
  assert.ok(fixture.flowsAt('n0') > 5 && fixture.flowsAt('n1') > 3);
  await fixture.connect('n2');
  assert.ok(fixture.flowsAt('n2') > 3);
  fixture.close();
});

test('a migration needs its destination: its switch, its port', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1');
  await fixture.begin();
  for (const to of [bindingOf('g0', 'n2', 2), { ...bindingOf('g0', 'n1', 2), port: 'vm-none' }]) {
    const prepared = fixture.call('migration.prepare', { migration: MIGRATION, to });
    const outcome = prepared.catch((error: unknown) => codeOf(error));
    await fixture.pass(4_500);
    assert.not.ok(await isSettled(outcome));
    await fixture.pass(1_000);
    assert.is(await outcome, 'DESTINATION_NOT_READY');
  }
  assert.not.ok(fixture.journal.some(({ kind }) => kind === 'prepared'));
  fixture.close();
});

test('a preparation that waits for its port when the cancel comes has no effect', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1');
  await fixture.begin();
  const to = bindingOf('g0', 'n2', 2);
  const preparing = fixture.call('migration.prepare', { migration: MIGRATION, to }).catch(codeOf);
  await settle();
  await fixture.call('migration.cancel', { migration: MIGRATION });
  await fixture.connect('n2');
  assert.is(await preparing, 'MIGRATION_OVER');
  assert.not.ok(fixture.journal.some(({ kind }) => kind === 'prepared'));
  fixture.close();
});

test('a switch that hangs holds nobody up for more than two seconds', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1', 'n2');
  await fixture.begin();
  await fixture.call('migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  const stuck = fixture.switches.get('n2');
  assert.ok(stuck);
  stuck.hangs = true;
  const completed = fixture.call('migration.complete', { migration: MIGRATION });
  assert.not.ok(await isSettled(completed));
  await fixture.pass(2_000);
  await completed;
  const { bindings } = (await fixture.call('binding.list', {})) as { bindings: { node: string }[] };
  assert.is(bindings[0]?.node, 'n1');
  fixture.close();
});

test('a switch that is away holds nobody up and is brought up to date when it is back', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1', 'n2');
  await fixture.begin();
  await fixture.call('migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  const before = [...(fixture.switches.get('n2')?.peer.flows.keys() ?? [])];
  fixture.switches.get('n2')?.channel.close('the wire is cut');
  await fixture.call('migration.complete', { migration: MIGRATION });
  assert.equal([...(fixture.switches.get('n2')?.peer.flows.keys() ?? [])], before);
  await fixture.connect('n2');
  assert.equal(
    [...(fixture.switches.get('n2')?.peer.flows.keys() ?? [])].filter((key) => key.includes('ethSrc')).length,
    1,
  );
  fixture.close();
});

/** A life in which a guest runs at n0 and is prepared for n1; n1's flows before that, and with it. */
async function prepared(): Promise<{ life: Fixture; alone: string[]; both: string[] }> {
  const life = new Fixture();
  await life.connect('n0', 'n1', 'n2');
  await life.begin();
  const alone = life.flowKeysAt('n1');
  await life.call('migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  const both = life.flowKeysAt('n1');
  assert.ok(both.length > alone.length + 4);
  return { life, alone, both };
}

test('killed in a migration that is taken back: its flows go once all was told, at a switch that returns late', async () => {
  const { life, alone, both } = await prepared();
  const next = new Fixture(life.journal);
  await next.call('migration.cancel', { migration: MIGRATION });
  await next.connectFrom(life);
  assert.equal(next.flowKeysAt('n1'), both);
  await next.tellAll();
  assert.equal(next.flowKeysAt('n1'), alone);
  const later = new Fixture([...life.journal, ...next.journal]);
  await later.tellAll();
  await later.connectFrom(life);
  assert.equal(later.flowKeysAt('n1'), alone);
  for (const fixture of [life, next, later]) fixture.close();
});

test('a guest that was unbound while its switch was away leaves nothing there, also after a restart', async () => {
  const { life } = await prepared();
  const next = new Fixture(life.journal);
  await next.call('binding.remove', { owner: 'g0' });
  const overlay = new Overlay([...life.journal, ...next.journal]);
  const last = new Fixture(overlay.records());
  await last.tellAll();
  await last.connectFrom(life);
  for (const node of ['n0', 'n1', 'n2']) {
    assert.not.ok(last.flowKeysAt(node).some((key) => /eth(Src|Dst)|arpTpa/.test(key)));
  }
  for (const fixture of [life, next, last]) fixture.close();
});

test('with a lost journal the flows of a guest that nobody told of are kept, whoever says that all was told', async () => {
  const { life } = await prepared();
  await life.call('migration.complete', { migration: MIGRATION });
  const lost = new Fixture();
  await lost.call('members.set', { members: NODES.map((node) => ({ node, address: addressOf(node) })) });
  await lost.tellAll();
  await lost.connectFrom(life);
  assert.equal(lost.flowKeysAt('n1'), life.flowKeysAt('n1'));
  for (const fixture of [life, lost]) fixture.close();
});

test('what was told to an earlier life is not told', async () => {
  const { life } = await prepared();
  const next = new Fixture([...life.journal, { kind: 'term', term: 7 }]);
  assert.is(await next.call('state.told', { term: 6 }).catch(codeOf), 'TERM_STALE');
  await next.call('migration.cancel', { migration: MIGRATION });
  await next.connectFrom(life);
  assert.equal(next.flowKeysAt('n1'), life.flowKeysAt('n1'));
  for (const fixture of [life, next]) fixture.close();
});

test('a migration that is prepared already waits for no switch when that is told again', async () => {
  const { life } = await prepared();
  const next = new Fixture(life.journal);
  const again = next.call('migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  assert.ok(await isSettled(again));
  for (const fixture of [life, next]) fixture.close();
});

test('only the destination, or the orchestrator, completes a migration', async () => {
  const fixture = new Fixture();
  await fixture.connect('n0', 'n1');
  await fixture.begin();
  await fixture.call('migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
  const complete = (peer: Peer): Promise<unknown> => fixture.call('migration.complete', { migration: MIGRATION }, peer);
  const outcome = await complete({ node: 'n0', role: 'node' }).catch((error: unknown) => codeOf(error));
  assert.is(outcome, 'NOT_ALLOWED');
  await complete({ node: 'n1', role: 'node' });
  await complete({ node: 'n1', role: 'node' });
  fixture.close();
});

test.run();
