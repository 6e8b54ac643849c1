// A migration that its source was told to give up never begins there, however late its order comes.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SourceOrders } from '../../../hypervisor/agent.ts';
import { type AgentRecord, AgentState } from '../../../hypervisor/agent-records.ts';
import { failure } from '../common/members.ts';

const MIGRATION = '0123456789abcdef';
const ORDER = {
  ...{ term: 1, migration: MIGRATION, vm: 'web', destination: { node: 'beta', address: '10.0.0.2' } },
  ...{ maxBandwidthBytesPerSecond: 1, downtimeLimitMs: 1 },
};
const ABORT = { term: 1, migration: MIGRATION, reason: 'cancelled' };

function source(): { orders: SourceOrders; state: AgentState; asked: string[]; write: () => void } {
  const state = new AgentState();
  const asked: string[] = [];
  const written = Promise.withResolvers<void>();
  const journal = {
    state,
    append: async (...records: AgentRecord[]) => {
      await written.promise;
      for (const record of records) state.apply(record);
    },
  };
  const migrations = {
    outgoing: () => {
      asked.push('outgoing');
      return { outcome: new Promise<never>(() => undefined) };
    },
    abort: () => {
      asked.push('abort');
      return 'undecided';
    },
  };
  // Of what it begins the orders use the outcome alone.
  const orders = new SourceOrders(migrations as unknown as ConstructorParameters<typeof SourceOrders>[0], journal);
  return { orders, state, asked, write: () => written.resolve() };
}

test('given up before it came: refused, durably, and refused when it comes', async () => {
  const { orders, state, asked, write } = source();
  const given = orders.giveUp(ABORT);
  assert.throws(() => orders.begin(ORDER), /given up before it began/);
  write();
  assert.is(await given, 'refused');
  assert.ok(state.refusals.has(MIGRATION));
  assert.is((await failure(Promise.resolve().then(() => orders.begin(ORDER)))).code, 'REFUSED');
  assert.equal(asked, []);
});

test('one that has begun decides for itself, before and after it is in the journal', async () => {
  const { orders, state, asked } = source();
  orders.begin(ORDER);
  assert.is(await orders.giveUp(ABORT), 'undecided');
  state.apply({
    kind: 'source',
    migration: MIGRATION,
    vm: 'web',
    destination: ORDER.destination,
    entry: { kind: 'outgoing' },
  });
  assert.is(await orders.giveUp(ABORT), 'undecided');
  assert.equal(asked, ['outgoing', 'abort', 'abort']);
  assert.not.ok(state.refusals.has(MIGRATION));
});

test.run();
