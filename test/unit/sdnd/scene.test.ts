// What changed between two scenes of a switch is what a comparison of all its flows finds, whatever it was: a law, over random
// courses of an overlay with gateways, ways out, stubs, IPv6, security groups, links and ports that come and go.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Overlay } from '../../../sdnd/controller/overlay.ts';
import type { OverlayRecord } from '../../../sdnd/controller/overlay-record.ts';
import { type Flow, flowEffect, flowKey, flowsByKey } from '../../../sdnd/flow.ts';
import { diffFlows } from '../../../sdnd/flow-diff.ts';
import { Scene } from '../../../sdnd/forwarding/scene.ts';
import { AGENT_PORT_FIRST, TUNNEL_PORT_NAME } from '../../../sdnd/pipeline.ts';
import type { Binding, OverlayMember } from '../../../wire/contracts/sdnd.ts';
import type { SecurityRule } from '../../../wire/contracts/security-groups.ts';
import { Random } from '../openflow/random.ts';

const COURSES = 12;
const STEPS = 60;
const NODES = ['n0', 'n1', 'n2', 'n3', 'n4', 'n5'];
const OWNERS = ['g0', 'g1', 'g2', 'g3', 'g4', 'g5', 'g6', 'g7'];
const TENANTS = 3;
const EXIT_PORT = 'out0';

/** The overlay, its switches' ports, and what each switch's flows followed from when they were last looked at. */
class Course {
  readonly overlay = new Overlay();
  readonly #random: Random;
  readonly #ports = new Map(
    NODES.map(
      (node) =>
        [
          node,
          new Map([
            [TUNNEL_PORT_NAME, 1],
            [EXIT_PORT, 7],
          ]),
        ] as const,
    ),
  );
  readonly #scenes = new Map<string, Scene>();
  /** Nodes whose switch has said that it has other ports. */
  readonly #reported = new Set<string>();
  #epoch = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.overlay.apply({ kind: 'members', members: this.#members() });
  }

  step(): void {
    for (let count = 1 + this.#random.below(3); count > 0; count--) this.#change();
    const touched = this.overlay.takeTouched();
    for (const node of NODES) this.#look(node, touched === 'all' || touched.has(node));
  }

  #look(node: string, isTouched: boolean): void {
    const ports = this.#ports.get(node) ?? new Map();
    const [before, now] = [this.#scenes.get(node), new Scene(this.overlay, { node, ports })];
    this.#scenes.set(node, now);
    if (before === undefined) return;
    const whole = wordsOf(now.flows(), before.flows());
    const changed = now.since(before);
    assert.equal(wordsOf(changed.now, changed.before), whole, node);
    const isReported = this.#reported.delete(node);
    if (!isTouched && !isReported && !this.overlay.mesh.isGateway(node)) assert.equal(whole, []);
  }

  #change(): void {
    const { overlay } = this;
    const owner = this.#random.pick(OWNERS);
    const at = overlay.bindings.get(owner);
    switch (this.#random.below(10)) {
      case 0:
      case 1:
        this.#try(() => overlay.bind(this.#binding(owner, at?.tenant)));
        break;
      case 2:
        this.#try(() => overlay.unbind(owner));
        break;
      case 3:
      case 4:
        this.#try(() => overlay.prepare(migrationId(this.#epoch + 1), this.#binding(owner, at?.tenant)));
        break;
      case 5:
        this.#end(owner, this.#random.chance(0.6));
        break;
      case 6:
        this.#plug(this.#random.pick(NODES), owner);
        break;
      case 7:
        this.#forget();
        break;
      case 8:
        overlay.apply(this.#told());
        break;
      default:
        overlay.setConnections(owner, this.#random.chance(0.5) ? [] : [CONNECTION]);
    }
  }

  #try(decide: () => OverlayRecord | undefined): void {
    try {
      const record = decide();
      if (record !== undefined) this.overlay.apply(record);
    } catch {
      // Many commands that are drawn are refused; what stands is looked at all the same.
    }
  }

  #end(owner: string, isCompleted: boolean): void {
    for (let epoch = 1; epoch <= this.#epoch; epoch++) {
      const migration = migrationId(epoch);
      if (this.overlay.destinationOf(migration)?.owner !== owner) continue;
      this.#try(() => (isCompleted ? this.overlay.complete(migration) : this.overlay.cancel(migration)));
    }
  }

  #forget(): void {
    for (const place of [...this.overlay.departures.values()]) this.overlay.forgetDeparture(place);
  }

  #plug(node: string, owner: string): void {
    const ports = new Map(this.#ports.get(node));
    const name = this.#random.pick([owner, owner, owner, EXIT_PORT, TUNNEL_PORT_NAME]);
    if (!ports.delete(name)) ports.set(name, this.#numberFor(name));
    this.#ports.set(node, ports);
    this.#reported.add(node);
  }

  /** Another one each time, and never another name's. */
  #numberFor(name: string): number {
    if (name === TUNNEL_PORT_NAME) return 1 + this.#random.below(3);
    if (name === EXIT_PORT) return 7 + this.#random.below(3);
    const number = OWNERS.indexOf(name);
    return this.#random.chance(0.2) ? 20 + number : AGENT_PORT_FIRST + this.#random.below(99) * OWNERS.length + number;
  }

  #binding(owner: string, tenant = 1 + this.#random.below(TENANTS)): Binding {
    this.#epoch += 1;
    const number = OWNERS.indexOf(owner) + 1;
    const node = this.#random.pick(NODES);
    return {
      owner,
      mac: `02:88:00:00:00:0${number}`,
      ip: `10.88.0.${number}`,
      node,
      port: owner,
      tenant,
      epoch: this.#epoch,
    };
  }

  #told(): OverlayRecord {
    switch (this.#random.below(4)) {
      case 0:
        return { kind: 'members', members: this.#members() };
      case 1:
        return {
          kind: 'links',
          links: [{ a: 'n0', b: this.#random.pick(['n1', 'n4']), latencyMs: this.#random.below(300) }],
        };
      case 2:
        return { kind: 'networks', networks: this.#networks() };
      default:
        return { kind: 'groups', groups: this.#groups() };
    }
  }

  #members(): OverlayMember[] {
    const isMeshed = this.#random.chance(0.5);
    return NODES.filter(() => this.#random.chance(0.95)).map((node) => {
      const number = NODES.indexOf(node);
      const inner = `10.77.0.${number + 1}`;
      if (isMeshed) return { node, address: inner };
      const isGateway = number === 0 || number === 4;
      const own = { underlay: number < 3 ? 'east' : 'west', inner };
      const feet = isGateway
        ? [own, { underlay: 'between', inner: `10.78.0.${number + 1}`, port: TUNNEL_PORT_NAME }]
        : [own];
      return { node, address: inner, feet, isGateway };
    });
  }

  #networks() {
    return Array.from({ length: TENANTS }, (_, index) => {
      const node = this.#random.pick(NODES);
      const egress = { node, port: EXIT_PORT, address: `198.51.100.${index + 1}`, nextHop: '02:99:00:00:00:01' };
      const ipv6 = this.#random.chance(0.5) && { ipv6: 'fd00:88::' };
      const subnets = [{ subnet: '10.88.0.0', bits: 24, services: '10.88.0.254', ...ipv6 }];
      const plan = { tenant: index + 1, name: `net${index}`, subnets, ...(this.#random.chance(0.5) && { egress }) };
      return this.#random.chance(0.5) ? plan : { ...plan, ...this.#stubs(index) };
    }).filter(() => this.#random.chance(0.9));
  }

  /** Reached from two nodes, at one of which guests leave by a port of their own. */
  #stubs(index: number) {
    const [near, far] = [this.#random.pick(NODES), this.#random.pick(NODES)];
    const resource = { address: '10.89.0.1', to: '203.0.113.7' };
    const exit = { node: far, port: EXIT_PORT, address: `198.51.100.${index + 101}`, nextHop: '02:99:00:00:00:01' };
    return { stubs: [{ name: 'store', ...resource, nodes: [near, far] }], stubExits: [exit] };
  }

  #groups() {
    const rule: SecurityRule = { direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp' };
    return ['web', 'db'].map((name) => ({
      name,
      rules: [rule, { ...rule, protocol: 'any' as const, remoteGroup: 'web' }].filter(() => this.#random.chance(0.8)),
      members: OWNERS.filter(() => this.#random.chance(0.4)),
    }));
  }
}

const CONNECTION = {
  protocol: 'tcp',
  from: { address: '10.88.0.1', port: 40_000 },
  to: { address: '10.88.0.2', port: 443 },
} as const;

function migrationId(epoch: number): string {
  return epoch.toString(16).padStart(16, '0');
}

function wordsOf(now: readonly Flow[], before: readonly Flow[]): string[] {
  const { puts, removals } = diffFlows(flowsByKey(now), flowsByKey(before));
  const words = [...puts.map((flow) => `put ${flowKey(flow)} ${flowEffect(flow)}`), ...removals.map(flowKey)];
  return words.sort();
}

test('what changed is what a comparison of everything finds, and changes nothing where nobody says so', () => {
  for (let seed = 1; seed <= COURSES; seed++) {
    const course = new Course(seed);
    for (let step = 0; step < STEPS; step++) course.step();
  }
});

test.run();
