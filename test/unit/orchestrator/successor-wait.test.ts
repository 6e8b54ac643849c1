// Calls of the overlay that wait for whichever controller takes over from one that is gone: what they say then is so then.
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { NetworkControllers } from '../../../orchestrator/network/network-controllers.ts';
import type { NetworkControllerRecord } from '../../../orchestrator/state.ts';
import type { ControllerView, sdndContract } from '../../../wire/contracts/sdnd.ts';
import type { SecurityGroup } from '../../../wire/contracts/security-groups.ts';
import { quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { FakeDaemon } from './fake-cluster.ts';

const TURN_MS = 100;
/** After it a successor has been there for long. */
const LONG_MS = 12_000;

/** A controller that takes groups while it is active. */
class Seat extends FakeDaemon<typeof sdndContract> {
  view: ControllerView = { role: 'standby', term: 0, switches: [], links: [], isMoving: false };

  constructor(name: string, taken: string[]) {
    super(name, [], {});
    Object.assign(this.answers, {
      'controller.show': () => this.view,
      'controller.take': ({ term }: { term: number }) => {
        this.view = { ...this.view, role: 'active', term };
        return {};
      },
      'groups.set': ({ groups }: { groups: SecurityGroup[] }) => {
        if (this.view.role === 'standby') throw new OperationError('NOT_ACTIVE', 'it stands by');
        taken.push(`${name}: ${groups.map((group) => group.name).join()}`);
        return {};
      },
    });
  }

  close(): void {
    this.isAway = true;
  }
}

/** Two of them, and the orchestrator's word of the groups as it is at each moment. */
async function stand() {
  const taken: string[] = [];
  const [alpha, beta] = [new Seat('alpha', taken), new Seat('beta', taken)];
  const clock = new TurnedClock(5_000_000);
  const kept: NetworkControllerRecord[] = [];
  const state = { groups: ['old'] };
  const groups = () => ({ groups: state.groups.map((name) => ({ name, rules: [], members: [] })) });
  const controllers = new NetworkControllers({
    record: { get: () => kept.at(-1), put: async (record) => void kept.push(record) },
    controllers: new Map([
      ['alpha', alpha],
      ['beta', beta],
    ]),
    tell: async (sdnd) => void (await sdnd.call('groups.set', groups())),
    chosen: () => undefined,
    clock,
    log: quiet,
  });
  await controllers.look();
  taken.length = 0;
  const pass = async (passedMs: number): Promise<void> => {
    for (let ms = 0; ms < passedMs; ms += TURN_MS) {
      if (ms % 1_000 === 0) await controllers.look();
      for (let round = 0; round < 20; round++) await turn();
      clock.turn(TURN_MS);
    }
  };
  return { taken, alpha, state, tell: () => controllers.call('groups.set', groups()), pass };
}

test('what a newer call has set while an older one waited is not undone by it', async () => {
  const { taken, alpha, state, tell, pass } = await stand();
  alpha.isAway = true;
  const older = tell();
  await pass(3 * TURN_MS);
  state.groups = ['new'];
  const newer = tell();
  await pass(LONG_MS);
  await Promise.all([older, newer]);
  assert.equal([...new Set(taken)], ['beta: new']);
});

test('nor is it on a connection that was lost for a moment', async () => {
  const { taken, alpha, state, tell, pass } = await stand();
  alpha.isAway = true;
  const older = tell();
  await pass(TURN_MS);
  alpha.isAway = false;
  state.groups = ['new'];
  await tell();
  await pass(LONG_MS);
  await older;
  assert.equal(taken, ['alpha: new', 'alpha: new']);
});

test('what a successor is told of the change that nobody has called for yet stands too', async () => {
  const { taken, alpha, state, tell, pass } = await stand();
  alpha.isAway = true;
  const older = tell();
  await pass(3 * TURN_MS);
  state.groups = ['new'];
  await pass(LONG_MS);
  await older;
  assert.equal([...new Set(taken)], ['beta: new']);
});

test.run();
