// Calls of the overlay that wait for whichever controller takes over from one that is gone: what they say then is so then.
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf, OperationError } from '../../../common/errors.ts';
import { Admission } from '../../../orchestrator/admission.ts';
import { Network } from '../../../orchestrator/network/network.ts';
import { NetworkControllers } from '../../../orchestrator/network/network-controllers.ts';
import type { NetworkControllerRecord } from '../../../orchestrator/state.ts';
import type { Binding, ControllerView, sdndContract } from '../../../wire/contracts/sdnd.ts';
import type { SecurityGroup } from '../../../wire/contracts/security-groups.ts';
import { quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { ControlStand } from './control-stand.ts';
import { FakeDaemon } from './fake-cluster.ts';
import { vmRecord } from './records.ts';

const TURN_MS = 100;
/** After it a successor has been there for long. */
const LONG_MS = 12_000;

/** A controller that takes groups and places while it is active. */
class Seat extends FakeDaemon<typeof sdndContract> {
  view: ControllerView = { role: 'standby', term: 0, switches: [], links: [], isMoving: false };
  readonly bound = new Set<string>();

  constructor(name: string, taken: string[]) {
    super(name, [], {});
    Object.assign(this.answers, {
      'controller.show': () => this.view,
      'controller.take': ({ term }: { term: number }) => {
        this.view = { ...this.view, role: 'active', term };
        return {};
      },
      'groups.set': ({ groups }: { groups: SecurityGroup[] }) => {
        this.#checkActive();
        taken.push(`${name}: ${groups.map((group) => group.name).join()}`);
        return {};
      },
      'networks.set': () => ({}),
      'state.told': () => ({}),
      'binding.list': () => ({ bindings: [], isMore: false, term: this.view.term }),
      'binding.set': ({ binding }: { binding: Binding }) => {
        this.#checkActive();
        this.bound.add(binding.owner);
        return {};
      },
      'binding.remove': ({ owner }: { owner: string }) => {
        this.#checkActive();
        this.bound.delete(owner);
        return {};
      },
    });
  }

  #checkActive(): void {
    if (this.view.role === 'standby') throw new OperationError('NOT_ACTIVE', 'it stands by');
  }

  close(): void {
    this.isAway = true;
  }
}

type Tell = ConstructorParameters<typeof NetworkControllers>[0]['tell'];

/** Two of them, of which the first is active. */
async function seats(tell: Tell, clock = new TurnedClock(5_000_000)) {
  const taken: string[] = [];
  const [alpha, beta] = [new Seat('alpha', taken), new Seat('beta', taken)];
  const kept: NetworkControllerRecord[] = [];
  const controllers = new NetworkControllers({
    record: { get: () => kept.at(-1), put: async (record) => void kept.push(record) },
    controllers: new Map([
      ['alpha', alpha],
      ['beta', beta],
    ]),
    ...{ tell, chosen: () => undefined, clock, log: quiet },
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
  return { taken, alpha, beta, controllers, pass };
}

/** Beside them the orchestrator's word of the groups as it is at each moment. */
async function stand() {
  const state = { groups: ['old'] };
  const groups = () => ({ groups: state.groups.map((name) => ({ name, rules: [], members: [] })) });
  const all = await seats(async (sdnd) => void (await sdnd.call('groups.set', groups())));
  return { ...all, state, tell: () => all.controllers.call('groups.set', groups()) };
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

test('a VM that is deleted while a controller dies that was being told of it is bound nowhere', async () => {
  const control = await ControlStand.open();
  const { state, groups } = control.control;
  const admission = new Admission(state);
  const network: Network = new Network({ state, cluster: control.cluster, groups, admission, log: quiet });
  const { alpha, beta, controllers, pass } = await seats((sdnd) => network.repeat(sdnd), control.clock);
  alpha.answers['binding.set'] = () => {
    alpha.isAway = true;
    throw new OperationError('CONNECTION_LOST', 'it is killed as it takes the place');
  };
  await state.put('vms', 'web', vmRecord());
  const repeated = network.repeat(controllers.once).then(() => 'told', codeOf);
  await pass(TURN_MS);
  await state.put('vms', 'web', vmRecord({ phase: 'deleting' }));
  const removed = controllers.call('binding.remove', { owner: 'web' });
  await pass(LONG_MS);
  await removed;
  await control.close();
  assert.equal([beta.view.role, [...beta.bound], await repeated], ['active', [], 'CONNECTION_LOST']);
});

test.run();
