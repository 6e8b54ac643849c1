// What a node's agent does for the topology: probes the peers that it was told, through the switch of its node, and reports
// what it finds. With the controller away it goes on with the peers that it knows.
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../../common/clock.ts';
import type { Disk } from '../../common/disk/disk.ts';
import type { Log } from '../../common/log.ts';
import type { Identity } from '../../common/membership/identity.ts';
import { rpcClient } from '../../common/rpc/client.ts';
import type { LinkLookFigures } from '../../wire/contracts/doctor.ts';
import { sdndContract } from '../../wire/contracts/sdnd.ts';
import type { ProbePeer } from '../../wire/contracts/topology.ts';
import type { Endpoint } from '../../wire/names.ts';
import { SDND_PORT } from '../../wire/ports.ts';
import { GUEST_MTU_BYTES, TUNNEL_PORT_NAME } from '../pipeline.ts';
import { KeptPeers } from './kept-peers.ts';
import { LinkReporter, type LinkReporterParts } from './link-reporter.ts';
import { ProbeDesk } from './probe-desk.ts';
import { probeFlows } from './probe-flows.ts';
import { type ProbePeer as ProbedPeer, Prober } from './prober.ts';

const TICK_MS = 100;
const ETHERNET_HEADER_BYTES = 14;
const LONGEST_FRAME_BYTES = GUEST_MTU_BYTES + ETHERNET_HEADER_BYTES;
/** Thirty probes, fifteen of them of the longest; both ends begin within some hundred ms of each other. */
const LOOK_MS = 3_000;
/** If the longest has come by then, nothing more is waited for. */
const LOOK_ENOUGH_MS = 2_000;

export interface TopologyAgentParts {
  readonly node: string;
  /** The bridge's management socket. */
  readonly socket: string;
  /** Its tunnel ports' numbers, by name. */
  readonly tunnels: ReadonlyMap<string, number>;
  readonly controllers: LinkReporterParts['controllers'];
  readonly kept: Pick<KeptPeers, 'keep'>;
  readonly peers: readonly ProbePeer[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Begins with the peers that were kept in the directory. */
export async function startTopologyAgent(options: {
  readonly identity: Identity;
  readonly socket: string;
  readonly tunnels: ReadonlyMap<string, number>;
  readonly controllers: readonly Endpoint[];
  readonly directory: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<Pick<TopologyAgent, 'stop' | 'look' | 'packetIns'>> {
  const { identity, socket, tunnels, controllers, directory, disk, clock, log } = options;
  const kept = new KeptPeers(disk, directory, log);
  const clients = controllers.map((at) => rpcClient(sdndContract, { ...at, port: SDND_PORT }, identity));
  const peers = await kept.read();
  const agent = new TopologyAgent({
    node: identity.node,
    socket,
    tunnels,
    controllers: clients,
    kept,
    peers,
    clock,
    log,
  });
  return {
    look: (peer) => agent.look(peer),
    get packetIns() {
      return agent.packetIns;
    },
    stop() {
      agent.stop();
      for (const client of clients) client.close();
    },
  };
}

export class TopologyAgent {
  readonly #parts: TopologyAgentParts;
  readonly #prober: Prober;
  readonly #desk: ProbeDesk;
  readonly #reporter: LinkReporter;
  #peers: readonly ProbePeer[];
  #timer: Timer;

  constructor(parts: TopologyAgentParts) {
    const { node, socket, controllers, clock, log } = parts;
    this.#parts = parts;
    this.#peers = parts.peers;
    this.#prober = new Prober({
      node,
      session: Math.floor(Math.random() * 2 ** 32),
      random: Math.random,
      longBytes: LONGEST_FRAME_BYTES,
    });
    this.#prober.setPeers(this.#probed, clock.nowMs());
    this.#desk = new ProbeDesk({
      socket,
      flows: () => probeFlows(this.#probed),
      heard: (bytes, from) => this.#desk.send(this.#prober.receive(bytes, from, clock.nowMs())),
      clock,
      log,
    });
    this.#reporter = new LinkReporter({
      controllers,
      figures: (isAll) => this.#prober.news(clock.nowMs(), isAll),
      peers: (peers) => this.#setPeers(peers),
      clock,
      log,
    });
    this.#timer = this.#tickLater();
  }

  /** Frames that the switch brought. */
  get packetIns(): number {
    return this.#desk.packetIns;
  }

  /** Looks closer at the link with a peer, which has to do the same meanwhile: what is heard is what that one sends. */
  async look(peer: string): Promise<LinkLookFigures> {
    const { clock } = this.#parts;
    const look = this.#prober.look(peer, LOOK_MS, clock.nowMs());
    const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(ms, resolve));
    if (look !== undefined) await pause(LOOK_ENOUGH_MS);
    if (look !== undefined && look.figures.longestBytes < LONGEST_FRAME_BYTES) await pause(LOOK_MS - LOOK_ENOUGH_MS);
    const { heard, longestBytes } = look?.figures ?? { heard: 0, longestBytes: 0 };
    return { hasTunnel: look !== undefined, heard, longestBytes, wantedBytes: LONGEST_FRAME_BYTES };
  }

  stop(): void {
    this.#timer.cancel();
    this.#reporter.stop();
    this.#desk.stop();
  }

  /** Those behind a port that this node does not have are left out. */
  get #probed(): ProbedPeer[] {
    return this.#peers.flatMap(({ port, ...peer }) => {
      const portNo = this.#parts.tunnels.get(port ?? TUNNEL_PORT_NAME);
      return portNo === undefined ? [] : [{ ...peer, portNo }];
    });
  }

  #setPeers(peers: readonly ProbePeer[]): void {
    if (isDeepStrictEqual(peers, this.#peers)) return;
    this.#peers = peers;
    this.#prober.setPeers(this.#probed, this.#parts.clock.nowMs());
    this.#desk.look();
    void this.#parts.kept.keep(peers);
  }

  #tickLater(): Timer {
    return this.#parts.clock.setTimer(TICK_MS, () => {
      this.#timer = this.#tickLater();
      this.#desk.send(this.#prober.tick(this.#parts.clock.nowMs()));
      this.#reporter.tell();
    });
  }
}
