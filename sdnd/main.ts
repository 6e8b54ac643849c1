// The daemon of the overlay's controller (on the controller node, and on those of its stand-bys): reads its journal, listens
// for the orchestrator's calls and for the switches. Killing it at any moment changes no flow.
import { join } from 'node:path';
import { Type } from '#typebox';
import { realClock } from '../common/clock.ts';
import { runDaemon } from '../common/daemon.ts';
import { realDisk } from '../common/disk/disk.ts';
import { lockState } from '../common/disk/state-lock.ts';
import { Journal } from '../common/journal/journal.ts';
import { loadIdentity } from '../common/membership/identity.ts';
import { startRpcServer } from '../common/rpc/server.ts';
import { sdndContract } from '../wire/contracts/sdnd.ts';
import { Ipv4 } from '../wire/names.ts';
import { OPENFLOW_PORT, SDND_PORT } from '../wire/ports.ts';
import { AgentClients } from './controller/agent-clients.ts';
import { ControllerSeat } from './controller/controller-seat.ts';
import { Overlay } from './controller/overlay.ts';
import { OverlayRecord } from './controller/overlay-record.ts';
import { startOpenFlowServer } from './session/openflow-server.ts';
import { gatherFigures } from './traffic/network-figures.ts';

const Config = Type.Object({
  /** Where the journal lies. */
  state: Type.String(),
  identity: Type.String(),
  /** The underlay address on which calls and switches are awaited. */
  address: Ipv4,
  /** One of several: it stands by until the orchestrator has it take over. Absent: the only one, and active at once. */
  elected: Type.Optional(Type.Boolean()),
});

await runDaemon('sdnd', Config, async (config, { log }) => {
  const identity = await loadIdentity(config.identity);
  await realDisk.makeDirectory(config.state);
  lockState(config.state, 'sdnd');
  const { journal, records } = await Journal.open(realDisk, join(config.state, 'overlay.journal'), OverlayRecord);
  const overlay = new Overlay(records, realClock.wallMs());
  if (config.elected !== true) overlay.apply({ kind: 'term', term: nextTerm(overlay.term, realClock.wallMs()) });
  await journal.rewrite(overlay.records());
  const clients = new AgentClients(identity);
  const seat: ControllerSeat = new ControllerSeat({
    overlay,
    journal,
    tellAgent: (member, news) => clients.of(member).call('guests.set', news),
    connectionsOf: (member, owner) => clients.of(member).call('connections.list', { owner }),
    figures: ({ overlay: { members, bindings }, switchFigures }) =>
      gatherFigures({
        ...{ members: () => members, bindings: () => bindings.values(), switches: () => switchFigures, log },
        ask: (member, timeoutMs) => clients.of(member).call('figures.read', {}, { timeoutMs }),
      }),
    closeChannels: (reason) => switches.closeChannels(reason),
    clock: realClock,
    log,
  });
  if (config.elected !== true) seat.beginAlone();
  const switches = await startOpenFlowServer({
    identity,
    address: config.address,
    port: OPENFLOW_PORT,
    role: () => seat.role(),
    listener: seat,
    clock: realClock,
    log,
  });
  const calls = await startRpcServer({
    contract: sdndContract,
    handlers: seat.handlers(),
    identity,
    listen: { address: config.address, port: SDND_PORT },
    log,
  });
  return {
    async close() {
      await calls.close();
      seat.close();
      clients.close();
      await switches.close();
      await journal.close();
    },
  };
});

/** Above every earlier term even when the journal was lost, since switches obey only the highest they have seen. */
function nextTerm(known: number, wallMs: number): number {
  return Math.max(known + 1, Math.floor(wallMs / 1000));
}
