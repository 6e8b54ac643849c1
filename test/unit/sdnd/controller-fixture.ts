// A controller with switches made of the codec and a clock that the test turns. Not a test itself.
import { Duplex, PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { OperationError } from '../../../common/errors.ts';
import type { Peer } from '../../../common/membership/identity.ts';
import { AgentTeller } from '../../../sdnd/controller/agent-teller.ts';
import { Controller } from '../../../sdnd/controller/controller.ts';
import { Overlay } from '../../../sdnd/controller/overlay.ts';
import type { OverlayRecord } from '../../../sdnd/controller/overlay-record.ts';
import type { Flow } from '../../../sdnd/flow.ts';
import type { ConnectionsOf } from '../../../sdnd/security/connection-carrier.ts';
import { OpenFlowChannel } from '../../../sdnd/session/openflow-channel.ts';
import type { GuestNews } from '../../../wire/contracts/guest-network.ts';
import type { GuestConnection } from '../../../wire/contracts/security-groups.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { addressOf, bindingOf, NODES, portsOf } from './overlay-maker.ts';
import { CodecSwitch, portOf } from './switch-made-of-codec.ts';

const log = pino({ level: 'silent' });

/** A switch on a stream; while it hangs it takes bytes and answers none. */
class StreamSwitch {
  readonly peer: CodecSwitch;
  readonly channel: OpenFlowChannel;
  hangs = false;
  readonly #answers = new PassThrough();

  constructor(node: string, controller: Controller, clock: TurnedClock, flows: ReadonlyMap<string, Flow> = new Map()) {
    this.peer = new CodecSwitch([...portsOf(node)].map(([name, portNo]) => portOf(name, portNo)));
    for (const [key, flow] of flows) this.peer.flows.set(key, flow);
    const orders = new PassThrough();
    orders.on('data', (bytes: Uint8Array) => {
      const answers = this.peer.receive(bytes);
      if (!this.hangs) for (const answer of answers) this.#answers.write(answer);
    });
    this.channel = new OpenFlowChannel(Duplex.from({ readable: this.#answers, writable: orders }), clock, {
      ready: (datapathId, ports) => controller.ready(node, this.channel, datapathId, ports),
      port: (reason, port) => controller.port(node, this.channel, reason, port),
      closed: (reason) => controller.closed(node, this.channel, reason),
    });
    this.#answers.write(this.peer.hello());
  }
}

export class Fixture {
  readonly clock = new TurnedClock();
  readonly journal: OverlayRecord[] = [];
  /** What agents were told of their guests, in order; `deaf`: nodes whose agents hear nothing. */
  readonly told: { readonly node: string; readonly news: GuestNews }[] = [];
  readonly deaf = new Set<string>();
  /** What switches remember, whoever's it is. */
  readonly connections = new Map<string, GuestConnection[]>();
  readonly switches = new Map<string, StreamSwitch>();
  readonly controller: Controller;
  readonly #handlers: ReturnType<Controller['handlers']>;

  /** `records`: what an earlier life of the controller left in its journal; `journalBytes`: how long it is, on a full disk. */
  constructor(records: readonly OverlayRecord[] = [], journalBytes = 0) {
    const journal = {
      sizeBytes: journalBytes,
      append: async (...records: OverlayRecord[]) => void this.journal.push(...records),
      rewrite: async () => {
        if (journalBytes > 0) throw new OperationError('JOURNAL_FAILED', 'there is no room for a second journal');
      },
    };
    const base = { overlay: new Overlay(records, this.clock.wallMs()), clock: this.clock, log };
    const agents = new AgentTeller({ ...base, term: 1, call: async ({ node }, news) => this.#agentHears(node, news) });
    const connectionsOf: ConnectionsOf = async ({ node }) => ({
      connections: this.connections.get(node) ?? [],
      left: 0,
    });
    this.controller = new Controller({ ...base, journal, agents, connectionsOf });
    this.#handlers = this.controller.handlers();
  }

  #agentHears(node: string, news: GuestNews): void {
    if (this.deaf.has(node)) throw new Error(`${node} is away`);
    this.told.push({ node, news });
  }

  async connect(...nodes: readonly string[]): Promise<void> {
    for (const node of nodes) this.switches.set(node, new StreamSwitch(node, this.controller, this.clock));
    await settle();
  }

  /** The switches of an earlier life, with the flows that they have from it. */
  async connectFrom(earlier: Fixture, only?: string): Promise<void> {
    for (const [node, { peer }] of earlier.switches) {
      if (only !== undefined && node !== only) continue;
      this.switches.set(node, new StreamSwitch(node, this.controller, this.clock, peer.flows));
    }
    await settle();
  }

  /** As the orchestrator says that it has told everything. */
  async tellAll(): Promise<void> {
    const { term } = (await this.call('binding.list', {})) as { term: number };
    await this.call('state.told', { term });
  }

  flowKeysAt(node: string): string[] {
    return [...(this.switches.get(node)?.peer.flows.keys() ?? [])].sort();
  }

  call(name: keyof ReturnType<Controller['handlers']>, params: object, peer: Peer = orchestrator): Promise<unknown> {
    const handler = this.#handlers[name] as (given: object, context: object) => unknown;
    return Promise.resolve(handler(params, { peer }));
  }

  async begin(): Promise<void> {
    await this.call('members.set', { members: NODES.map((node) => ({ node, address: addressOf(node) })) });
    await this.call('binding.set', { binding: bindingOf('g0', 'n0') });
  }

  flowsAt(node: string): number {
    return this.switches.get(node)?.peer.flows.size ?? 0;
  }

  /** Lets so much time pass in steps, as a session's ticks need it. */
  async pass(ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += 500) {
      this.clock.turn(500);
      await settle();
    }
  }

  close(): void {
    this.controller.close();
    for (const { channel } of this.switches.values()) channel.close('the test ends');
  }
}

export const orchestrator: Peer = { node: 'n0', role: 'controller' };

/** Streams and promises run on for some turns of the event loop. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 30; round++) await turn();
}

export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  await settle();
  return settled;
}
