// VMs that ask for what is in another place: told of once, and moved there, unless the stub's policy is only to tell; a VM is not
// moved again and again.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { StubEvents } from '../../../orchestrator/network/stub-events.ts';
import { StubMoves } from '../../../orchestrator/network/stub-moves.ts';
import type { AddressEvent } from '../../../wire/contracts/events.ts';
import type { StubOrder } from '../../../wire/contracts/network-stubs.ts';
import { quiet } from '../common/members.ts';
import { ControlStand } from './control-stand.ts';
import { memberRecord, vmRecord } from './records.ts';

const OUTSIDE = { device: 'eth1', addresses: ['198.51.100.7'], nextHop: '02:99:00:00:00:01' };
const ORDERS: StubOrder = {
  ...{ name: 'orders', address: '10.88.0.200', to: '203.0.113.10', place: 'home', policy: 'move' },
};
const ASKS = { vm: 'web', node: 'alpha', stub: 'orders', trouble: '', isOver: false };
const MINUTE_MS = 60_000;
const GIVEN_UP_MS = 2 * MINUTE_MS;

type Shown = Pick<AddressEvent, 'vm' | 'node' | 'stub' | 'trouble'> & { readonly isOver: boolean };

/** Migrations that are begun, and end when a test says so. */
class Moves {
  readonly stand: ControlStand;
  readonly events: StubEvents;
  readonly moves: StubMoves;
  /** VM and node of each. */
  readonly begun: string[] = [];
  #end: (failure?: OperationError) => void = () => undefined;

  constructor(stand: ControlStand) {
    const { clock, cluster } = stand;
    const { state } = stand.control;
    this.stand = stand;
    this.events = new StubEvents({ state, clock, log: quiet });
    this.moves = new StubMoves({
      ...{ state, clock, log: quiet, events: this.events },
      cluster: { isUp: (node) => !cluster.down.has(node) },
      migrate: (vm, to) => this.#migrate(vm, to),
    });
  }

  async asked(stub = 'orders', node = 'alpha'): Promise<void> {
    await this.moves.asked('web', node, stub);
  }

  /** The migration under way comes to its end. */
  async over(failure?: OperationError): Promise<void> {
    const { state } = this.stand.control;
    const to = this.begun.at(-1)?.split(' ')[1] ?? '';
    if (failure === undefined) await state.put('vms', 'web', vmRecord({ node: to }));
    this.#end(failure);
    await this.rested();
  }

  /** All that was begun has been noted. */
  async rested(): Promise<void> {
    await this.stand.over(new Promise(setImmediate));
  }

  /** Without their times. */
  shown(): Shown[] {
    return this.events.list().flatMap((event) => {
      if (!('stub' in event)) return [];
      const { vm, node, stub, trouble, endedMs } = event;
      return [{ vm, node, stub, trouble, isOver: endedMs !== null }];
    });
  }

  #migrate(vm: string, to: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.begun.push(`${vm} ${to}`);
    this.#end = (failure) => (failure === undefined ? resolve() : reject(failure));
    return promise;
  }
}

const test = suite<{ stand: ControlStand; it: Moves }>('stub moves');

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  const { state } = stand.control;
  await state.put('members', 'alpha', memberRecord());
  for (const node of ['gamma', 'gamma2'])
    await state.put('members', node, memberRecord({ node, cloud: 'home', outside: OUTSIDE }));
  await state.put('vms', 'web', vmRecord());
  await state.put('stubs', 'orders', ORDERS);
  Object.assign(context, { stand, it: new Moves(stand) });
});
test.after.each(({ stand }) => stand.close());

test('asked often it is one event and one migration, and over once the VM has moved', async ({ it }) => {
  for (let time = 0; time < 3; time++) await it.asked();
  await it.rested();
  await it.asked();
  assert.equal([it.begun, it.shown()], [['web gamma'], [ASKS]]);
  await it.events.tidy();
  assert.equal(it.shown(), [ASKS], 'it lasts while the VM is on its way');
  await it.over();
  await it.events.tidy();
  assert.equal(it.shown(), [{ ...ASKS, isOver: true }]);
  await it.asked('orders', 'gamma');
  await it.asked('orders', 'alpha');
  assert.is(it.shown().length, 1, 'where it is, and where it was, is no news');
});

test('under the policy to tell nothing moves it', async ({ stand, it }) => {
  await stand.control.state.put('stubs', 'orders', { ...ORDERS, policy: 'tell' });
  await it.asked();
  await it.rested();
  assert.equal(it.begun, []);
  assert.equal(it.shown(), [{ ...ASKS, trouble: "the stub's policy is to tell: nothing moves it by itself" }]);
});

test('it goes to a node of the place that is up, and waits where there is none', async ({ stand, it }) => {
  for (const node of ['gamma', 'gamma2']) stand.cluster.down.add(node);
  await it.asked();
  await it.rested();
  assert.equal(it.shown(), [{ ...ASKS, trouble: 'no node of home that leads to it is up' }]);
  stand.cluster.down.delete('gamma2');
  await it.asked();
  await it.rested();
  assert.equal([it.begun, it.shown()], [['web gamma2'], [ASKS]]);
});

test('a migration that fails is told with its reason, and not tried again at once', async ({ stand, it }) => {
  await it.asked();
  await it.over(new OperationError('NO_ROOM', 'node gamma has no room'));
  await it.asked();
  await it.rested();
  assert.equal([it.begun.length, it.shown()], [1, [{ ...ASKS, trouble: 'node gamma has no room' }]]);
  stand.clock.turn(MINUTE_MS);
  await it.asked();
  await it.rested();
  assert.equal([it.begun.length, it.shown()], [2, [ASKS]]);
});

test('a VM that asks in turn for what is in two places stays a while at each', async ({ stand, it }) => {
  const { state } = stand.control;
  await state.put('members', 'beta', memberRecord({ node: 'beta', cloud: 'beta', outside: OUTSIDE }));
  await state.put('stubs', 'store', { ...ORDERS, name: 'store', address: '10.88.0.201', place: 'beta' });
  await it.asked();
  await it.over();
  await it.asked('store', 'gamma');
  await it.rested();
  assert.equal(it.begun, ['web gamma']);
  assert.is(it.shown().find(({ stub }) => stub === 'store')?.trouble, 'a stub has moved it within the last minute');
  stand.clock.turn(MINUTE_MS);
  await it.asked('store', 'gamma');
  await it.rested();
  assert.equal(it.begun, ['web gamma', 'web beta']);
});

test('what nobody asks for any more is over: the guest gave up, the stub or the VM is gone', async ({ stand, it }) => {
  const { state } = stand.control;
  await state.put('stubs', 'orders', { ...ORDERS, policy: 'tell' });
  const over = (): (boolean | undefined)[] => it.shown().map(({ isOver }) => isOver);
  await it.asked();
  stand.clock.turn(GIVEN_UP_MS - 1);
  await it.asked();
  stand.clock.turn(GIVEN_UP_MS - 1);
  await it.events.tidy();
  assert.equal(over(), [false], 'it still asks');
  stand.clock.turn(1);
  await it.events.tidy();
  assert.equal(over(), [true]);
  await it.asked();
  await state.remove('stubs', 'orders');
  await it.asked();
  await it.events.tidy();
  assert.equal(over(), [true, true]);
  await state.put('stubs', 'orders', { ...ORDERS, policy: 'tell' });
  stand.clock.turn(1);
  await it.asked();
  await state.remove('vms', 'web');
  await it.events.tidy();
  assert.equal(over(), [true, true, true]);
});

test('a node speaks for the VMs that it has alone', async ({ it }) => {
  await it.asked('orders', 'beta');
  await it.asked('nothing');
  await it.moves.asked('db', 'alpha', 'orders');
  await it.rested();
  assert.equal([it.begun, it.shown()], [[], []]);
});

test.run();
