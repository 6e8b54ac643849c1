// What one change costs a controller with many switches: work for the switches of the network that it is of and for no other,
// counted, not timed. The switches are those of `bench overlay-scale`.
import { Duplex, PassThrough } from 'node:stream';
import { decode, EVERY_FLOW, encode, type FlowStats } from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Peer } from '../../../common/membership/identity.ts';
import { AgentTeller } from '../../../sdnd/controller/agent-teller.ts';
import { Controller } from '../../../sdnd/controller/controller.ts';
import { Overlay } from '../../../sdnd/controller/overlay.ts';
import { tenantOfTunnelId } from '../../../sdnd/pipeline.ts';
import { OpenFlowChannel } from '../../../sdnd/session/openflow-channel.ts';
import type { Binding } from '../../../wire/contracts/sdnd.ts';
import { nodeName, OverlayPlan } from '../../bench/scale/overlay-plan.ts';
import { OverlaySwitch } from '../../bench/scale/overlay-switch.ts';
import { quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { settle } from './controller-fixture.ts';

const SHAPE = { nodes: 90, networks: 6, vms: 60, moves: 6, seed: 5 };
/**
 * For a guest that moves each switch has four entries or so, its own some thirteen, three of them for what it says as a
 * neighbour over IPv6; they change at the preparation and at the end.
 */
const MODS_PER_SWITCH_MAX = 32;
/** Of a node that has a network for the first time: all of its guests. */
const MODS_PER_GUEST_MAX = 8;
const orchestrator: Peer = { node: nodeName(0), role: 'controller' };

class Stand {
  readonly plan = new OverlayPlan(SHAPE);
  readonly clock = new TurnedClock();
  readonly overlay = new Overlay(this.plan.records());
  readonly switches = this.plan.members.map(({ node }, number) => new OverlaySwitch(number, this.plan.portsOf(node)));
  /** Nodes whose guests the controller looked up since this was last emptied, for flows or for news. */
  readonly looked = new Set<string>();
  readonly told: string[] = [];
  readonly controller: Controller;
  readonly #handlers: ReturnType<Controller['handlers']>;
  readonly #channels: OpenFlowChannel[] = [];

  constructor() {
    const base = { overlay: this.overlay, clock: this.clock, log: quiet };
    const ownersAt = this.overlay.guests.ownersAt.bind(this.overlay.guests);
    this.overlay.guests.ownersAt = (node) => {
      this.looked.add(node);
      return ownersAt(node);
    };
    const agents = new AgentTeller({ ...base, term: 1, call: async ({ node }) => void this.told.push(node) });
    const journal = { sizeBytes: 0, append: async () => undefined, rewrite: async () => undefined };
    const connectionsOf = async () => ({ connections: [], left: 0 });
    this.controller = new Controller({ ...base, journal, agents, connectionsOf });
    this.#handlers = this.controller.handlers();
  }

  async begin(): Promise<void> {
    for (const [number, one] of this.switches.entries()) this.#connect(nodeName(number), one);
    for (let turn = 0; turn < 40; turn++) await settle();
    await this.#handlers['state.told']({ term: this.overlay.term }, this.#context);
    await settle();
  }

  /** Forgets what was counted. */
  reset(): void {
    this.looked.clear();
    this.told.length = 0;
    for (const { counts } of this.switches) Object.assign(counts, { mods: 0, reads: 0 });
  }

  async move(migration: string, to: Binding): Promise<void> {
    await this.#handlers['migration.prepare']({ migration, to }, this.#context);
    await this.#handlers['migration.complete']({ migration }, this.#context);
  }

  /** Late frames are sent on for so long; meanwhile switches are looked at. */
  async pass(): Promise<void> {
    this.clock.turn(5_000);
    for (let turn = 0; turn < 10; turn++) await settle();
  }

  verify() {
    return Promise.resolve(this.#handlers['switch.verify']({}, this.#context));
  }

  flowsAt(number: number): FlowStats[] {
    const request = { type: 'multipart-request', part: 'flow', more: false, ...EVERY_FLOW } as const;
    const answers = this.switches[number]?.take(Buffer.from(encode(request, 1))) ?? [];
    return answers.flatMap((bytes) => {
      const answer = decode(bytes);
      if (answer.kind !== 'message') throw new Error(`node ${number} tells no flows`);
      const { message } = answer;
      return message.type === 'multipart-reply' && message.part === 'flow' ? message.flows : [];
    });
  }

  close(): void {
    this.controller.close();
    for (const channel of this.#channels) channel.close('the test ends');
  }

  get #context() {
    return { peer: orchestrator, progress: () => undefined, signal: new AbortController().signal };
  }

  #connect(node: string, one: OverlaySwitch): void {
    const [answers, orders] = [new PassThrough(), new PassThrough()];
    orders.on('data', (bytes: Buffer) => {
      for (const answer of one.take(bytes)) answers.write(answer);
    });
    const channel: OpenFlowChannel = new OpenFlowChannel(
      Duplex.from({ readable: answers, writable: orders }),
      this.clock,
      {
        ready: (datapathId, ports) => this.controller.ready(node, channel, datapathId, ports),
        port: (reason, port) => this.controller.port(node, channel, reason, port),
        closed: (reason) => this.controller.closed(node, channel, reason),
      },
    );
    this.#channels.push(channel);
    answers.write(one.hello());
  }
}

const scale = suite<{ stand: Stand }>('controller at scale');
scale.before(async (context) => {
  const stand = new Stand();
  await stand.begin();
  Object.assign(context, { stand });
});
scale.after(({ stand }) => stand.close());

scale('a switch has entries of the networks that have a VM there, and of no other', ({ stand }) => {
  const { plan, overlay, switches } = stand;
  for (const [number] of switches.entries()) {
    const held = overlay.guests.tenantsAt(nodeName(number));
    const flows = stand.flowsAt(number);
    const tenants = new Set(flows.map(tenantIn).filter((tenant) => tenant !== 0));
    assert.equal([...tenants].sort(), [...held].sort(), nodeName(number));
    assert.ok(flows.length <= 20 + held.size * SHAPE.vms * 6, `${flows.length} entries`);
  }
  assert.ok(switches.some((_, number) => overlay.guests.tenantsAt(nodeName(number)).size === 0));
  assert.is(plan.members.length, SHAPE.nodes);
});

for (const index of [0, 1]) {
  const what = index === 0 ? 'within the nodes of its network' : 'to a node that its network was not at';
  scale(`a move ${what} is work for its network's switches alone, and none of them is read`, async ({ stand }) => {
    const planned = stand.plan.moves[index];
    assert.ok(planned);
    const { to, isNewNode } = planned;
    assert.is(isNewNode, index === 1);
    const network = new Set([...stand.overlay.guests.nodesOf(to.tenant ?? 1), to.node]);
    stand.reset();
    await stand.move(`000000000000000${index}`, to);
    assert.is(stand.overlay.bindings.get(to.owner)?.node, to.node);
    assert.equal(
      [...stand.looked].filter((node) => !network.has(node)),
      [],
    );
    for (const [number, { counts }] of stand.switches.entries()) {
      const node = nodeName(number);
      assert.is(counts.reads, 0, node);
      const isNew = isNewNode && node === to.node;
      const most = network.has(node) ? MODS_PER_SWITCH_MAX + (isNew ? SHAPE.vms * MODS_PER_GUEST_MAX : 0) : 0;
      assert.ok(counts.mods <= most, `${counts.mods} flow-mods to ${node}`);
      if (network.has(node)) assert.ok(counts.mods > 0, `${node} follows`);
    }
    // Its guests are as they were: only a node that has the network for the first time is told of it.
    assert.equal(stand.told, isNewNode ? [to.node] : []);
    await stand.pass();
  });
}

scale('after all of that every switch has what a comparison of everything asks for', async ({ stand }) => {
  stand.reset();
  const { switches } = await stand.verify();
  assert.equal(
    switches.flatMap(({ differences }) => differences),
    [],
  );
  assert.ok(stand.switches.every(({ counts }) => counts.reads === 1 && counts.mods === 0));
});

/** Whose entry it is; 0: of no tenant. */
function tenantIn({ match }: FlowStats): number {
  if (typeof match.reg2 === 'number') return match.reg2;
  return typeof match.tunnelId === 'object' ? tenantOfTunnelId(match.tunnelId.value) : 0;
}

scale.run();
