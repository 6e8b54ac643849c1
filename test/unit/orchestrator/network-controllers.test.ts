// Which controller of the overlay is active: chosen once and told all, relieved after silence or by order, never twice in a term.
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { NetworkControllers, SILENT_MS } from '../../../orchestrator/network/network-controllers.ts';
import type { NetworkControllerRecord } from '../../../orchestrator/state.ts';
import type { ControllerView, MeshLink, sdndContract } from '../../../wire/contracts/sdnd.ts';
import { failure, quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { FakeDaemon } from './fake-cluster.ts';

const WALL_MS = 5_000_000;
const FIRST_TERM = WALL_MS / 1_000 + 1;
const LINK: MeshLink = { a: 'alpha', b: 'beta', latencyMs: 7 };

/** A controller that does as it is told. */
class FakeSeat extends FakeDaemon<typeof sdndContract> {
  view: ControllerView = { role: 'standby', term: 0, switches: ['alpha'], links: [], isMoving: false };

  constructor(name: string, heard: string[]) {
    super(name, heard, {});
    Object.assign(this.answers, {
      'controller.show': () => this.view,
      'controller.take': ({ term, links }: { term: number; links: MeshLink[] }) => {
        if (term <= this.view.term) throw new OperationError('TERM_STALE', 'it is not above');
        this.view = { ...this.view, role: 'active', term, links };
        return {};
      },
      'controller.yield': ({ term }: { term: number }) => {
        const { links } = this.view;
        this.view = { ...this.view, role: 'standby', term, links: [] };
        return { links };
      },
      'binding.remove': () => {
        if (this.view.role === 'standby') throw new OperationError('NOT_ACTIVE', 'it stands by');
        return {};
      },
    });
  }

  close(): void {
    this.isAway = true;
  }
}

async function settle(): Promise<void> {
  for (let round = 0; round < 20; round++) await turn();
}

function stand(names: readonly string[] = ['alpha', 'beta'], before?: NetworkControllerRecord) {
  const heard: string[] = [];
  const seats = new Map(names.map((name) => [name, new FakeSeat(name, heard)]));
  const clock = new TurnedClock(WALL_MS);
  const kept: NetworkControllerRecord[] = before === undefined ? [] : [before];
  const tellers = { fails: false };
  const changes: string[] = [];
  const controllers = new NetworkControllers({
    record: { get: () => kept.at(-1), put: async (record) => void kept.push(record) },
    controllers: seats,
    tell: async (sdnd) => {
      heard.push('told');
      if (tellers.fails) throw new OperationError('CONNECTION_LOST', 'lost in the middle');
      await sdnd.call('binding.remove', { owner: 'nobody' });
    },
    chosen: (node, before) => void changes.push(`${before} ${node}`),
    clock,
    log: quiet,
  });
  const seat = (name: string): FakeSeat => seats.get(name) ?? new FakeSeat(name, heard);
  /** What was ordered since the last time, without the questions. */
  const orders = (): string[] => heard.splice(0).filter((one) => !one.endsWith('controller.show'));
  return { controllers, seat, clock, kept, orders, tellers, changes };
}

test('the first one is chosen, durably before it is told, and told all once', async () => {
  const { controllers, seat, kept, orders } = stand();
  assert.is((await failure(controllers.call('binding.list', {}))).code, 'NOT_ACTIVE');
  await controllers.look();
  assert.equal(kept, [{ node: 'alpha', term: FIRST_TERM }]);
  assert.equal(orders(), ['alpha controller.take', 'told', 'alpha binding.remove']);
  await controllers.look();
  assert.equal(orders(), []);
  await controllers.call('binding.remove', { owner: 'web' });
  assert.equal(orders(), ['alpha binding.remove']);
  assert.is(seat('beta').view.role, 'standby');
});

test('silence shorter than 5 s changes nothing; after it another one takes over with the links as they were', async () => {
  const { controllers, seat, clock, kept, orders, changes } = stand();
  await controllers.look();
  assert.equal(changes, []);
  seat('alpha').view = { ...seat('alpha').view, links: [LINK] };
  await controllers.look();
  orders();
  seat('alpha').isAway = true;
  clock.turn(SILENT_MS - 1);
  await controllers.look();
  assert.is(kept.length, 1);
  clock.turn(1);
  await controllers.look();
  assert.equal(orders(), ['beta controller.take', 'told', 'beta binding.remove']);
  assert.is(kept.at(-1)?.node, 'beta');
  assert.equal(changes, ['alpha beta']);
  assert.ok((kept.at(-1)?.term ?? 0) > FIRST_TERM);
  assert.equal(seat('beta').view.links, [LINK]);
  // It lives, and had not heard.
  seat('alpha').isAway = false;
  await controllers.look();
  assert.equal(orders(), ['alpha controller.yield']);
  assert.is(seat('alpha').view.role, 'standby');
  await controllers.look();
  assert.equal(orders(), []);
});

test('who stood still itself takes one unanswered question for nobody’s silence', async () => {
  const { controllers, seat, clock, kept, orders } = stand();
  await controllers.look();
  orders();
  clock.turn(60_000);
  seat('alpha').isAway = true;
  await controllers.look();
  seat('alpha').isAway = false;
  await controllers.look();
  assert.equal([orders(), kept.length], [[], 1]);
  seat('alpha').isAway = true;
  clock.turn(SILENT_MS);
  await controllers.look();
  await controllers.look();
  assert.is(kept.at(-1)?.node, 'beta');
});

test('one that answers, and cannot say what it is, is not silent', async () => {
  const { controllers, seat, clock, kept } = stand();
  await controllers.look();
  seat('alpha').answers['controller.show'] = () => {
    throw new OperationError('FRAME_TOO_LARGE', 'it has too many links to tell');
  };
  for (let second = 0; second < 20; second++) {
    clock.turn(1_000);
    await controllers.look();
  }
  assert.is(kept.length, 1);
});

test('with nobody there it goes on asking, and chooses nobody', async () => {
  const { controllers, seat, clock, kept } = stand();
  seat('alpha').isAway = true;
  seat('beta').isAway = true;
  clock.turn(2 * SILENT_MS);
  await controllers.look();
  assert.equal(kept, []);
  seat('beta').isAway = false;
  await controllers.look();
  assert.is(kept.at(-1)?.node, 'beta');
});

test('one that was restarted goes on, in a term above all that anybody has heard of', async () => {
  const { controllers, seat, kept } = stand();
  await controllers.look();
  seat('alpha').view = { ...seat('alpha').view, role: 'standby' };
  seat('beta').view = { ...seat('beta').view, term: FIRST_TERM + 40 };
  await controllers.look();
  assert.equal(kept.at(-1), { node: 'alpha', term: FIRST_TERM + 41 });
  assert.is(seat('alpha').view.role, 'active');
});

test('after its own restart the orchestrator keeps the active one, and tells it all again', async () => {
  const { controllers, seat, kept, orders } = stand(['alpha', 'beta'], { node: 'beta', term: 70 });
  seat('beta').view = { ...seat('beta').view, role: 'active', term: 70 };
  await controllers.look();
  assert.is(kept.length, 1);
  assert.equal(orders(), ['told', 'beta binding.remove']);
});

test('with its record lost it keeps the active one of the highest term', async () => {
  const { controllers, seat, kept } = stand();
  seat('beta').view = { ...seat('beta').view, role: 'active', term: 90 };
  await controllers.look();
  assert.equal(kept, [{ node: 'beta', term: 90 }]);
});

test('what could not be told is told again, until it was', async () => {
  const { controllers, orders, tellers } = stand();
  tellers.fails = true;
  assert.is((await failure(controllers.look())).code, 'CONNECTION_LOST');
  assert.equal(orders(), ['alpha controller.take', 'told']);
  tellers.fails = false;
  await controllers.look();
  assert.equal(orders(), ['told', 'alpha binding.remove']);
});

const full = (): never => {
  throw new OperationError('JOURNAL_FAILED', 'its disk is full');
};

test('one that cannot record that it is active is no choice where another one is heard', async () => {
  const { controllers, seat, kept, orders } = stand();
  seat('alpha').answers['controller.take'] = full;
  assert.is((await failure(controllers.look())).code, 'JOURNAL_FAILED');
  orders();
  await controllers.look();
  assert.equal(orders(), ['beta controller.take', 'told', 'beta binding.remove']);
  assert.is(kept.at(-1)?.node, 'beta');
  await controllers.look();
  assert.equal(orders(), []);
});

test('an active one that can record nothing any more is relieved, unless no other one can', async () => {
  const { controllers, seat, kept, orders } = stand();
  await controllers.look();
  orders();
  seat('alpha').answers['binding.remove'] = full;
  assert.is((await failure(controllers.call('binding.remove', { owner: 'web' }))).code, 'JOURNAL_FAILED');
  await controllers.look();
  assert.equal(orders(), [
    ...['alpha binding.remove', 'beta controller.take', 'told', 'beta binding.remove', 'alpha controller.yield'],
  ]);
  seat('beta').answers['binding.remove'] = full;
  assert.is((await failure(controllers.call('binding.remove', { owner: 'web' }))).code, 'JOURNAL_FAILED');
  await controllers.look();
  await controllers.look();
  assert.equal(orders(), ['beta binding.remove']);
  assert.is(kept.at(-1)?.node, 'beta');
});

test('handed over by order: the old one ends first, calls wait meanwhile, the links go along', async () => {
  const { controllers, seat, orders, kept } = stand();
  await controllers.look();
  // Measured after the last look.
  seat('alpha').answers['controller.yield'] = ({ term }) => {
    seat('alpha').view = { ...seat('alpha').view, role: 'standby', term };
    return { links: [LINK] };
  };
  orders();
  const handed = controllers.handOver();
  await settle();
  await handed;
  assert.equal(orders(), ['alpha controller.yield', 'beta controller.take', 'told', 'beta binding.remove']);
  assert.equal(seat('beta').view.links, [LINK]);
  assert.is(kept.at(-1)?.node, 'beta');
  const states = await controllers.states();
  assert.equal(
    states.map(({ node, role, isChosen }) => `${node} ${role} ${isChosen}`),
    ['alpha standby false', 'beta active true'],
  );
});

test('a call that comes during a hand-over is made at the new one', async () => {
  const { controllers, seat, orders } = stand();
  await controllers.look();
  orders();
  const { promise: may, resolve } = Promise.withResolvers<void>();
  const { answers } = seat('alpha');
  const yields = answers['controller.yield'];
  answers['controller.yield'] = async (params, options) => {
    await may;
    return yields?.(params, options) ?? { links: [] };
  };
  const handed = controllers.handOver('beta');
  await settle();
  const called = controllers.call('binding.remove', { owner: 'web' });
  await settle();
  assert.equal(orders(), ['alpha controller.yield']);
  resolve();
  await Promise.all([handed, called]);
  assert.equal(orders(), ['beta controller.take', 'told', 'beta binding.remove', 'beta binding.remove']);
});

test('a call at one that is gone is made at whoever takes over, once that one was told all', async () => {
  const { controllers, seat, clock, orders } = stand();
  await controllers.look();
  orders();
  seat('alpha').isAway = true;
  const called = controllers.call('binding.remove', { owner: 'web' });
  await settle();
  clock.turn(SILENT_MS);
  await settle();
  await controllers.look();
  await controllers.look();
  assert.equal(orders().slice(-3), ['beta controller.take', 'told', 'beta binding.remove']);
  clock.turn(500);
  await called;
  assert.equal(orders(), ['beta binding.remove']);
});

test('a call at one that is gone fails as it does where nobody takes over, and at once where that cannot be', async () => {
  const { controllers, seat, clock } = stand();
  await controllers.look();
  for (const name of ['alpha', 'beta']) seat(name).isAway = true;
  const failed = failure(controllers.call('binding.remove', { owner: 'web' }));
  for (let half = 0; half < 40; half++) {
    await settle();
    clock.turn(500);
  }
  assert.is((await failed).code, 'UNREACHABLE');
  controllers.close();
  assert.is((await failure(controllers.call('binding.remove', { owner: 'web' }))).code, 'UNREACHABLE');
});

test('it waits while switches send on what comes late, and not for ever', async () => {
  const { controllers, seat, clock, orders } = stand();
  await controllers.look();
  orders();
  seat('alpha').view = { ...seat('alpha').view, isMoving: true };
  const waiting = failure(controllers.handOver());
  for (let half = 0; half < 30; half++) {
    await settle();
    clock.turn(500);
  }
  assert.is((await waiting).code, 'NETWORK_MOVING');
  assert.equal(orders(), []);
  const handed = controllers.handOver();
  await settle();
  seat('alpha').view = { ...seat('alpha').view, isMoving: false };
  clock.turn(500);
  await handed;
  assert.ok(orders().includes('beta controller.take'));
});

test('an order that cannot be followed is refused, and changes nothing', async () => {
  const { controllers, seat, orders } = stand();
  assert.is((await failure(controllers.handOver())).code, 'NOT_ACTIVE');
  await controllers.look();
  orders();
  assert.is((await failure(controllers.handOver('gamma'))).code, 'NODE_UNKNOWN');
  seat('beta').isAway = true;
  assert.is((await failure(controllers.handOver('beta'))).code, 'UNREACHABLE');
  assert.is((await failure(controllers.handOver())).code, 'UNREACHABLE');
  await controllers.handOver('alpha');
  assert.equal(orders(), []);
});

test('the only one is neither chosen nor told', async () => {
  const { controllers, orders, kept } = stand(['alpha']);
  await controllers.look();
  assert.equal([orders(), kept], [[], []]);
  await failure(controllers.call('binding.remove', { owner: 'web' }));
  assert.equal(orders(), ['alpha binding.remove']);
  assert.is((await controllers.states())[0]?.isChosen, true);
  assert.is((await failure(controllers.handOver())).code, 'NO_STANDBY');
});

test.run();
