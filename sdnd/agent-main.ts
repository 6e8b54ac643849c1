// The daemon of the overlay's agent (on every node): reads its journal, keeps the gates, and answers the hypervisor
// agent of its own node and the controller. Killing it changes no gate; its next start sets them by the journal, which
// may lack a turn of the last moment before the kill.
import { join } from 'node:path';
import { Type } from 'typebox';
import { realClock } from '../common/clock.ts';
import { runDaemon } from '../common/daemon.ts';
import { realDisk } from '../common/disk.ts';
import { loadIdentity } from '../common/identity.ts';
import { Journal } from '../common/journal.ts';
import { startRpcServer } from '../common/rpc/server.ts';
import { switchAgentContract } from '../wire/contracts/sdnd.ts';
import { Ipv4 } from '../wire/names.ts';
import { SWITCH_AGENT_PORT } from '../wire/ports.ts';
import { GateKeeper } from './gate-keeper.ts';
import { GuestPorts, PortRecord } from './guest-ports.ts';
import { HostPorts, INTEGRATION_BRIDGE } from './host-ports.ts';
import { SwitchAgent } from './switch-agent.ts';

const Config = Type.Object({
  /** Where the journal lies. */
  state: Type.String(),
  identity: Type.String(),
  /** The underlay address on which calls are awaited. */
  address: Ipv4,
  /** Open vSwitch's run directory: its database's and its bridge's sockets. */
  openVswitch: Type.String(),
});

await runDaemon('switch-agent', Config, async (config, { log }) => {
  const identity = await loadIdentity(config.identity);
  await realDisk.makeDirectory(config.state);
  const { journal, records } = await Journal.open(realDisk, join(config.state, 'ports.journal'), PortRecord);
  const ports = new GuestPorts(records);
  await journal.rewrite(ports.records());
  const gates = new GateKeeper({
    socket: join(config.openVswitch, `${INTEGRATION_BRIDGE}.mgmt`),
    open: () => ports.openNumbers(),
    clock: realClock,
    log,
  });
  const agent = new SwitchAgent({ ports, journal, host: new HostPorts(config.openVswitch), gates, log });
  const calls = await startRpcServer({
    contract: switchAgentContract,
    handlers: agent.handlers(),
    identity,
    listen: { address: config.address, port: SWITCH_AGENT_PORT },
    log,
  });
  return {
    async close() {
      await calls.close();
      gates.stop();
      await journal.close();
    },
  };
});
