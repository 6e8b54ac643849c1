// What of the orchestrator has to do with stubs, in a namespace of a test: its own rooms for events and moves, at its own port,
// with a migration that the test carries out. Says what is to be moved, and on the word `events` what events there are.
import { createInterface } from 'node:readline';
import { realClock } from '../../common/clock.ts';
import { createLog } from '../../common/log.ts';
import { loadIdentity } from '../../common/membership/identity.ts';
import { startRpcServer } from '../../common/rpc/server.ts';
import { StubEvents } from '../../orchestrator/network/stub-events.ts';
import { StubMoves } from '../../orchestrator/network/stub-moves.ts';
import { State, type VmRecord } from '../../orchestrator/state.ts';
import { contract } from '../../wire/contract.ts';
import { type StubOrder, stubCalls } from '../../wire/contracts/network-stubs.ts';
import { ORCHESTRATOR_PORT } from '../../wire/ports.ts';
import { memberRecord, vmRecord } from '../unit/orchestrator/records.ts';

export interface StubControl {
  readonly state: string;
  readonly identity: string;
  readonly address: string;
  readonly stub: StubOrder;
  /** By name, where each is. */
  readonly vms: Readonly<Record<string, string>>;
}

if (import.meta.main) {
  const { identity, address, stub, vms, ...config } = JSON.parse(process.argv[2] ?? '') as StubControl;
  const log = createLog('stub-control', 'silent');
  const state = await State.open(config.state);
  const outside = { device: 'outside0', addresses: ['198.51.100.7'], nextHop: '02:99:00:00:00:01' };
  await state.put('members', stub.place, memberRecord({ node: stub.place, cloud: stub.place, outside }));
  await state.put('stubs', stub.name, stub);
  for (const [vm, node] of Object.entries(vms)) await state.put('vms', vm, vmRecord({ vm, node }));
  const events = new StubEvents({ state, clock: realClock, log });
  const moved = new Map<string, () => void>();
  const migrate = async (vm: string, to: string): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    moved.set(vm, resolve);
    process.stdout.write(`move ${vm} to ${to}\n`);
    await promise;
    const before: VmRecord = state.get('vms', vm) ?? vmRecord({ vm });
    await state.put('vms', vm, { ...before, node: to });
  };
  const moves = new StubMoves({ state, cluster: { isUp: () => true }, events, migrate, clock: realClock, log });
  const server = await startRpcServer({
    contract: contract('orchestrator', { 'stub.asked': stubCalls['stub.asked'] }),
    handlers: {
      'stub.asked': async ({ vm, stub: name }, { peer }) => {
        await moves.asked(vm, peer.node, name);
        return {};
      },
    },
    identity: await loadIdentity(identity),
    listen: { address, port: ORCHESTRATOR_PORT },
    log,
  });
  process.stdout.write('listens\n');
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, vm = ''] = line.split(' ');
    if (word === 'moved') moved.get(vm)?.();
    if (word === 'events') process.stdout.write(`${JSON.stringify(events.list())}\n`);
  }
  await server.close();
  await state.close();
  process.exit(0);
}
