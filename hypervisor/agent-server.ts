// Puts the agent together and starts it: journal first, then the machines that live, then the migrations under way, and
// only then the port on which others may ask.
import type { Clock } from '../common/clock.ts';
import type { Disk } from '../common/disk/disk.ts';
import type { Log } from '../common/log.ts';
import type { Identity } from '../common/membership/identity.ts';
import { startRpcServer } from '../common/rpc/server.ts';
import { type Capabilities, hypervisorContract } from '../wire/contracts/hypervisor.ts';
import type { Endpoint } from '../wire/names.ts';
import { agentHandlers } from './agent.ts';
import { AgentJournal } from './agent-journal.ts';
import type { Driver } from './driver.ts';
import { Machines } from './machines.ts';
import { Migrations } from './migration/migrations.ts';
import { NEIGHBOUR_PORTS, type NeighbourPorts, Neighbours } from './neighbours.ts';
import { PairLook } from './pair/pair-look.ts';
import { runPing } from './pair/path-look.ts';
import { RATE_PURPOSE, RateSource } from './pair/transfer.ts';

export interface AgentOptions {
  readonly identity: Identity;
  readonly address: string;
  readonly driver: Driver;
  readonly capabilities: Capabilities;
  readonly stateDirectory: string;
  /** Under which each machine has its run directory; short, because of the sockets in it. */
  readonly machinesDirectory: string;
  readonly mtuBytes: number;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  /** The node of the overlay's controller. */
  readonly controller?: Endpoint;
  /** Default: those of wire/ports.ts. */
  readonly ports?: NeighbourPorts;
  /** The journal failed: the process has to end and read it again. */
  readonly fail: (error: unknown) => void;
}

export interface Agent {
  readonly machines: Machines;
  readonly migrations: Migrations;
  /** Stops answering and lets go of the machines, which go on. */
  close(): Promise<void>;
}

export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { identity, address, clock, log, capabilities, ports = NEIGHBOUR_PORTS } = options;
  const journal = await AgentJournal.open(options.disk, options.stateDirectory, options.fail);
  const neighbours = new Neighbours(identity, address, ports, options.controller);
  const machines: Machines = new Machines({
    driver: options.driver,
    journal,
    neighbours,
    directory: options.machinesDirectory,
    mtuBytes: options.mtuBytes,
    isMoving: (vm) => migrations.isMoving(vm),
    log,
  });
  const migrations = new Migrations({ machines, journal, neighbours, clock, log });
  await machines.adoptAll();
  migrations.resume();
  const pair = new PairLook({ identity, clock, ports, neighbours, ping: runPing, log });
  const rates = new RateSource(clock);
  const server = await startRpcServer({
    contract: hypervisorContract,
    handlers: agentHandlers({ capabilities, machines, migrations, journal, pair, clock }),
    identity,
    listen: { address, port: ports.hypervisor },
    bulk: {
      memory: (socket, peer, migration) => migrations.takeMemory(socket, peer, migration),
      [RATE_PURPOSE]: (socket) => rates.send(socket),
    },
    log,
    clock,
  });
  return {
    machines,
    migrations,
    close: async () => {
      await server.close();
      migrations.stop();
      machines.detach();
      neighbours.close();
      await journal.close();
    },
  };
}
