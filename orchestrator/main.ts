// The orchestrator's process: membership, VMs, migrations, the API for people and the status page.
import { join } from 'node:path';
import { Type } from 'typebox';
import { realClock } from '../common/clock.ts';
import { runDaemon } from '../common/daemon.ts';
import { loadIdentity } from '../common/identity.ts';
import { startJoinServer } from '../common/join-server.ts';
import { startRpcServer } from '../common/rpc/server.ts';
import { orchestratorContract } from '../wire/contracts/orchestrator.ts';
import { Ipv4 } from '../wire/names.ts';
import { JOIN_PORT, ORCHESTRATOR_PORT } from '../wire/ports.ts';
import { apiHandlers, type Rooms, watchStatus } from './api.ts';
import { Images } from './images.ts';
import { Members } from './members.ts';
import { Migrations } from './migrations.ts';
import { Network } from './network.ts';
import { State } from './state.ts';
import { startStatusServer } from './status-page/status-server.ts';
import { Vms } from './vms.ts';

const Config = Type.Object({
  state: Type.String(),
  run: Type.String(),
  identity: Type.String(),
  /** The authority's key and certificate, by which joining nodes get theirs. */
  authority: Type.String(),
  address: Ipv4,
});

await runDaemon('orchestrator', Config, async (config, { log, signal }) => {
  const identity = await loadIdentity(config.identity);
  const state = await State.open(join(config.state, 'orchestrator'));
  const base = { state, log, clock: realClock };
  const members = new Members({ ...base, identity, address: config.address });
  const images = new Images({ state, members });
  const vms = new Vms({ ...base, members, images });
  const migrations = new Migrations({ ...base, members, images, vms, stopping: signal });
  const network = new Network({ ...base, members });
  const join_ = await startJoinServer({
    authorityDirectory: config.authority,
    stateDirectory: config.state,
    identity,
    listen: { address: config.address, port: JOIN_PORT },
    log,
  });
  const rooms: Rooms = { state, members, images, vms, migrations, network, join: join_ };
  const served = { contract: orchestratorContract, handlers: apiHandlers(rooms), identity, log };
  const servers = [
    await startRpcServer({ ...served, listen: { address: config.address, port: ORCHESTRATOR_PORT } }),
    await startRpcServer({ ...served, listen: { path: join(config.run, 'orchestrator.sock') } }),
    await startStatusServer(join(config.run, 'status.sock'), (send, gone) => watchStatus(rooms, send, gone)),
    join_,
  ];
  network.start();
  void vms.recover();
  void migrations.recover();
  return {
    async close() {
      network.stop();
      for (const server of servers) await server.close();
      members.close();
      await state.close();
    },
  };
});
