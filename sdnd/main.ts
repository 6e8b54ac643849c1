// The daemon of the overlay's controller (on the controller node): reads its journal, listens for the orchestrator's
// calls and for the switches. Killing it at any moment changes no flow.
import { join } from 'node:path';
import { Type } from 'typebox';
import { realClock } from '../common/clock.ts';
import { runDaemon } from '../common/daemon.ts';
import { realDisk } from '../common/disk.ts';
import { loadIdentity } from '../common/identity.ts';
import { Journal } from '../common/journal.ts';
import { startRpcServer } from '../common/rpc/server.ts';
import { type OverlayMember, sdndContract } from '../wire/contracts/sdnd.ts';
import { Ipv4 } from '../wire/names.ts';
import { OPENFLOW_PORT, SDND_PORT } from '../wire/ports.ts';
import { AgentClients } from './agent-clients.ts';
import { AgentTeller } from './agent-teller.ts';
import { Controller } from './controller.ts';
import { startOpenFlowServer } from './openflow-server.ts';
import { Overlay } from './overlay.ts';
import { OverlayRecord } from './overlay-record.ts';
import { gatherFigures } from './traffic/network-figures.ts';

const Config = Type.Object({
  /** Where the journal lies. */
  state: Type.String(),
  identity: Type.String(),
  /** The underlay address on which calls and switches are awaited. */
  address: Ipv4,
});

await runDaemon('sdnd', Config, async (config, { log }) => {
  const identity = await loadIdentity(config.identity);
  await realDisk.makeDirectory(config.state);
  const { journal, records } = await Journal.open(realDisk, join(config.state, 'overlay.journal'), OverlayRecord);
  const overlay = new Overlay(records);
  // Above every earlier term even when the journal was lost, since switches obey only the highest they have seen.
  const term = Math.max(overlay.term + 1, Math.floor(realClock.wallMs() / 1000));
  overlay.apply({ kind: 'term', term });
  await journal.rewrite(overlay.records());
  const clients = new AgentClients(identity);
  const base = { overlay, clock: realClock, log };
  const agents = new AgentTeller({
    ...base,
    term,
    call: (member, news) => clients.of(member).call('guests.set', news),
  });
  const controller = new Controller({
    ...base,
    journal,
    agents,
    connectionsOf: (member, owner) => clients.of(member).call('connections.list', { owner }),
  });
  const switches = await startOpenFlowServer({
    identity,
    address: config.address,
    port: OPENFLOW_PORT,
    generationId: BigInt(term),
    listener: controller,
    clock: realClock,
    log,
  });
  const figures = {
    members: () => overlay.members,
    bindings: () => overlay.bindings.values(),
    switches: () => controller.switchFigures,
    ask: (member: OverlayMember, timeoutMs: number) => clients.of(member).call('figures.read', {}, { timeoutMs }),
    log,
  };
  const calls = await startRpcServer({
    contract: sdndContract,
    handlers: { ...controller.handlers(), 'figures.show': () => gatherFigures(figures) },
    identity,
    listen: { address: config.address, port: SDND_PORT },
    log,
  });
  return {
    async close() {
      await calls.close();
      controller.close();
      agents.close();
      clients.close();
      await switches.close();
      await journal.close();
    },
  };
});
