// The hypervisor agent's process: finds out what this node can run, takes up the machines and migrations of its journal,
// answers calls and memory streams, and signs on with the orchestrator.
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { Type } from '#typebox';
import { realClock } from '../common/clock.ts';
import { runDaemon } from '../common/daemon.ts';
import { realDisk } from '../common/disk/disk.ts';
import { lockState } from '../common/disk/state-lock.ts';
import { loadIdentity } from '../common/membership/identity.ts';
import { rpcClient } from '../common/rpc/client.ts';
import { NodeOutside } from '../wire/contracts/guest-network.ts';
import type { Capabilities } from '../wire/contracts/hypervisor.ts';
import { orchestratorContract } from '../wire/contracts/orchestrator.ts';
import { NodeUnderlay } from '../wire/contracts/sdnd.ts';
import { Endpoint, Ipv4, Name } from '../wire/names.ts';
import { ORCHESTRATOR_PORT } from '../wire/ports.ts';
import { startAgent } from './agent-server.ts';
import { nodeCapabilities } from './capabilities.ts';
import { QemuDriver } from './qemu/qemu-driver.ts';
import { keepRegistered } from './registration.ts';

/**
 * What guests are told where nothing else is said: what their taps have, which is what the narrowest provider's 1460
 * leaves after WireGuard's 80 and VXLAN's 50 (SOUNDNESS C6).
 */
const GUEST_MTU_BYTES = 1330;
/** What the node keeps for itself when its limits are not given. */
const RESERVED_MB = 512;

const Config = Type.Object({
  state: Type.String(),
  run: Type.String(),
  identity: Type.String(),
  node: Name,
  cloud: Name,
  address: Ipv4,
  /** By which the others reach this node, where that is not its own: the other side of its provider's 1:1 NAT. */
  outerAddress: Type.Optional(Ipv4),
  /** How its switch stands in its underlay networks; its switch agent is told the same feet. */
  underlay: Type.Optional(NodeUnderlay),
  /** That guests' networks may leave at this node, and how; its switch agent is told the same device. Absent: none may. */
  outside: Type.Optional(NodeOutside),
  orchestrator: Endpoint,
  /** What guests may use together, and their MTU, the same on every node. */
  guests: Type.Optional(
    Type.Object({
      memoryMB: Type.Optional(Type.Integer({ minimum: 64 })),
      cpus: Type.Optional(Type.Integer({ minimum: 1 })),
      mtuBytes: Type.Optional(Type.Integer({ minimum: 1280, maximum: 9000 })),
    }),
  ),
});
type Config = Type.Static<typeof Config>;

function limits({ guests = {} }: Config): Pick<Capabilities, 'cpus' | 'memoryMB'> {
  const installedMB = Math.floor(totalmem() / (1 << 20));
  const { memoryMB = Math.max(64, installedMB - RESERVED_MB), cpus = availableParallelism() } = guests;
  return { memoryMB, cpus };
}

await runDaemon('hypervisor', Config, async (config, { log, signal }) => {
  const identity = await loadIdentity(config.identity);
  await realDisk.makeDirectory(config.state);
  lockState(config.state, 'hypervisor');
  const capabilities = await nodeCapabilities(limits(config));
  log.info(capabilities, 'this node can run guests');
  const agent = await startAgent({
    identity,
    address: config.address,
    driver: new QemuDriver({ family: capabilities.family === 'kvm' ? 'kvm' : 'tcg' }),
    capabilities,
    stateDirectory: config.state,
    machinesDirectory: join(config.run, 'vm'),
    mtuBytes: config.guests?.mtuBytes ?? GUEST_MTU_BYTES,
    controller: config.orchestrator,
    disk: realDisk,
    clock: realClock,
    log,
    fail: (error) => {
      log.fatal({ err: error }, 'the journal failed; what it holds is known after a restart');
      process.exit(1);
    },
  });
  const target = { ...config.orchestrator, port: ORCHESTRATOR_PORT };
  const orchestrator = rpcClient(orchestratorContract, target, identity);
  const { cloud, underlay, outside } = config;
  const report = {
    ...{ cloud, address: config.outerAddress ?? config.address, capabilities },
    ...(underlay !== undefined && { underlay }),
    ...(outside !== undefined && { outside }),
  };
  void keepRegistered({ orchestrator, log, ...report }, signal);
  return {
    close: async () => {
      orchestrator.close();
      await agent.close();
    },
  };
});
