// Controllers of one overlay in their seats, and switches that each of them may or may not reach: everything of the
// controllers is real, the switches are made of the codec, and connections are streams. Not a test itself.
import { Duplex, PassThrough } from 'node:stream';
import type { FlowMod } from '@openflow/ofp';
import { pino } from 'pino';
import { OperationError } from '../../../common/errors.ts';
import type { Handlers } from '../../../common/rpc/server.ts';
import { ControllerSeat } from '../../../sdnd/controller/controller-seat.ts';
import { Overlay } from '../../../sdnd/controller/overlay.ts';
import type { OverlayRecord } from '../../../sdnd/controller/overlay-record.ts';
import { type Flow, flowEffect } from '../../../sdnd/flow.ts';
import { OpenFlowChannel } from '../../../sdnd/session/openflow-channel.ts';
import type { MethodName, Params, Result } from '../../../wire/contract.ts';
import type { GuestNews } from '../../../wire/contracts/guest-network.ts';
import type { sdndContract } from '../../../wire/contracts/sdnd.ts';
import type { GuestConnection } from '../../../wire/contracts/security-groups.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { orchestrator } from './controller-fixture.ts';
import { NODES, portsOf } from './overlay-maker.ts';
import { CodecSwitch, Election, portOf } from './switch-made-of-codec.ts';

const log = pino({ level: 'silent' });

type Method = MethodName<typeof sdndContract>;

/** A change that a switch has carried out, and under which term it was sent. */
export interface Change {
  readonly node: string;
  readonly term: bigint;
  readonly mod: FlowMod;
}

/** A node's switch: what it has is one, whoever is connected. Its agent takes guests from the highest term that it has heard of. */
class SharedSwitch {
  readonly flows = new Map<string, Flow>();
  readonly election = new Election();
  guestTerm = 0;
}

/** A controller's process, which may be killed and started again: its journal stays. */
class SeatProcess {
  readonly records: OverlayRecord[];
  readonly channels = new Map<string, OpenFlowChannel>();
  readonly seat: ControllerSeat;
  readonly handlers: Handlers<typeof sdndContract>;

  constructor(world: SeatWorld, name: string, records: OverlayRecord[]) {
    this.records = records;
    const overlay = new Overlay(records);
    this.seat = new ControllerSeat({
      overlay,
      journal: {
        sizeBytes: 0,
        append: async (...more) => {
          world.refuseIfFull(name);
          this.records.push(...more);
        },
        rewrite: async (all) => {
          world.refuseIfFull(name);
          this.records.splice(0, this.records.length, ...all);
        },
      },
      tellAgent: async ({ node }, news) => world.agentHears(name, node, news),
      connectionsOf: async ({ node }) => ({ connections: await world.connectionsAt(node), left: 0 }),
      figures: async () => ({ switches: [], pairs: [], unreachable: [] }),
      closeChannels: (reason) => {
        for (const channel of this.channels.values()) channel.close(reason);
      },
      clock: world.clock,
      log,
    });
    this.handlers = this.seat.handlers();
  }

  end(): void {
    this.seat.close();
    for (const channel of this.channels.values()) channel.close('killed');
  }
}

export class SeatWorld {
  readonly clock = new TurnedClock();
  readonly changes: Change[] = [];
  /** Controllers on whose disk there is no room. */
  readonly full = new Set<string>();
  /** What a node's switch remembers, as its agent tells it. */
  connectionsAt: (node: string) => Promise<readonly GuestConnection[]> = async () => [];
  readonly switches = new Map(NODES.map((node) => [node, new SharedSwitch()]));
  readonly #seats = new Map<string, SeatProcess>();
  /** Pairs of a controller and a node, or of the orchestrator and a controller, between which nothing passes. */
  readonly #cuts = new Set<string>();

  constructor(names: readonly string[]) {
    for (const name of names) this.start(name);
  }

  start(name: string): void {
    const records = this.#seats.get(name)?.records ?? [];
    this.#seats.set(name, new SeatProcess(this, name, records));
  }

  /** `lose`: its journal too. */
  kill(name: string, lose = false): void {
    const seat = this.#seats.get(name);
    seat?.end();
    seat?.channels.clear();
    if (lose) seat?.records.splice(0);
    this.cut('orchestrator', name);
    this.start(name);
  }

  cut(one: string, other: string): void {
    this.#cuts.add(`${one} ${other}`);
    this.#seats.get(one)?.channels.get(other)?.close('cut');
  }

  mend(one: string, other: string): void {
    this.#cuts.delete(`${one} ${other}`);
  }

  mendAll(): void {
    this.full.clear();
    this.#cuts.clear();
  }

  isCut(one: string, other: string): boolean {
    return this.#cuts.has(`${one} ${other}`);
  }

  seat(name: string): ControllerSeat {
    return this.#process(name).seat;
  }

  /** Every switch that can, and is not connected, connects, as Open vSwitch does again and again. */
  connect(): void {
    for (const [name, { channels }] of this.#seats)
      for (const node of NODES) if (!channels.has(node) && !this.isCut(name, node)) this.#connectOne(name, node);
  }

  /** As the orchestrator calls. @throws OperationError UNREACHABLE over a cut, and the controller's own */
  async call<N extends Method>(
    name: string,
    method: N,
    params: Params<typeof sdndContract, N>,
  ): Promise<Result<typeof sdndContract, N>> {
    const unreachable = new OperationError('UNREACHABLE', `${name} cannot be reached`);
    if (this.isCut('orchestrator', name)) throw unreachable;
    const context = { peer: orchestrator, progress: () => undefined, signal: new AbortController().signal };
    const result = await this.#process(name).handlers[method](params, context);
    if (this.isCut('orchestrator', name)) throw unreachable;
    return result;
  }

  /** @throws OperationError JOURNAL_FAILED */
  refuseIfFull(name: string): void {
    if (this.full.has(name)) throw new OperationError('JOURNAL_FAILED', 'there is no room');
  }

  agentHears(name: string, node: string, { term }: GuestNews): void {
    const there = this.#switch(node);
    if (this.isCut(name, node)) throw new Error(`${node} is away`);
    if (term < there.guestTerm) throw new OperationError('TERM_STALE', 'a later controller has told it');
    there.guestTerm = term;
  }

  /** What a switch has, in words. */
  flowsAt(node: string): string[] {
    return [...this.#switch(node).flows].map(([key, flow]) => `${key} ${flowEffect(flow)}`).sort();
  }

  close(): void {
    for (const seat of this.#seats.values()) seat.end();
  }

  #connectOne(name: string, node: string): void {
    const { channels, seat } = this.#process(name);
    const { flows, election } = this.#switch(node);
    const ports = [...portsOf(node)].map(([port, portNo]) => portOf(port, portNo));
    const peer = new CodecSwitch(ports, flows, election);
    peer.changed = (mod) => this.changes.push({ node, term: peer.generationId, mod });
    const answers = new PassThrough();
    const orders = new PassThrough();
    orders.on('data', (bytes: Uint8Array) => {
      // What was on its way when the connection ended may still come.
      for (const answer of peer.receive(bytes)) if (!answers.destroyed) answers.write(answer);
    });
    const channel: OpenFlowChannel = new OpenFlowChannel(
      Duplex.from({ readable: answers, writable: orders }),
      this.clock,
      {
        ready: (datapathId, all) => seat.ready(node, channel, datapathId, all),
        port: (reason, port) => seat.port(node, channel, reason, port),
        outranked: () => seat.outranked(node),
        closed: (reason) => {
          channels.delete(node);
          seat.closed(node, channel, reason);
        },
      },
      seat.role(),
    );
    channels.set(node, channel);
    answers.write(peer.hello());
  }

  #process(name: string): SeatProcess {
    const found = this.#seats.get(name);
    if (found === undefined) throw new TypeError(`there is no controller ${name}`);
    return found;
  }

  #switch(node: string): SharedSwitch {
    const found = this.switches.get(node);
    if (found === undefined) throw new TypeError(`there is no switch ${node}`);
    return found;
  }
}
