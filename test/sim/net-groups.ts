// Guests in security groups, which move and whose groups change, in a simulated network: what the groups allow comes, what they
// do not never does, whatever mixture of flows the switches have; answers come, also where the far end speaks first after a
// move. What is allowed is said here by the rules themselves, and by nothing of the compiler.
import type { SecurityGroup, SecurityRule } from '../../wire/contracts/security-groups.ts';
import { arrive, NOTHING } from './net-arrival.ts';
import { addressesOf, frameOf, ipv6FrameOf } from './net-frames.ts';
import type { Frame } from './net-switch.ts';
import { drawTopology } from './net-topology.ts';
import { NetWorld, type SimGuest } from './net-world.ts';
import type { Prng } from './prng.ts';

const TCP = 6;
const SYN = 2;
const ACK = 16;
const EVENTS = 6;
const GUESTS = 4;
/** Within some ranges, at their ends, and beside them. */
const PORTS = [80, 8000, 8079, 8080];
const FIRST_SOURCE_PORT = 20_000;
/** The subnets of a network, as rules say them. */
const SUBNETS = {
  IPv4: ['10.88.0.0/24', '10.88.1.0/24'],
  IPv6: ['fd00:88::/64', 'fd00:88:0:1::/64'],
} as const;

function subnetOf({ ip }: SimGuest): number {
  return Number(ip.split('.')[2]);
}

interface SimConnection {
  readonly from: SimGuest;
  readonly to: SimGuest;
  readonly source: number;
  readonly port: number;
}

export class GroupStory {
  readonly world: NetWorld;
  /** Frames of which it was looked whether they come. */
  looks = 0;
  readonly #draw: Prng;
  #groups: readonly SecurityGroup[] = [];
  /** While the switches hear of a change: each guest's side may be judged by either. */
  #before: readonly SecurityGroup[] = [];
  #source = FIRST_SOURCE_PORT;
  #epoch = 1;

  constructor(draw: Prng) {
    this.#draw = draw;
    const guests = Array.from({ length: GUESTS }, (_, number) => {
      return { owner: `g${number}`, number, tenant: 1, ...addressesOf(number + 1) };
    });
    this.world = new NetWorld(drawTopology(draw), guests);
    this.world.checked = () => this.#checkNever();
  }

  run(): void {
    this.#change();
    for (const guest of this.world.guests) this.#bind(guest);
    for (let event = 0; event < EVENTS && this.world.violations.length === 0; event++) {
      const kept = this.#callAll();
      if (this.#draw.chance(0.4)) this.#changeUnder(kept);
      else this.#move(this.#one(this.world.guests), kept);
    }
    this.#callAll();
  }

  #change(): void {
    this.#before = this.#groups;
    this.#groups = drawGroups(this.#draw, this.world.guests);
    this.world.say(`groups: ${JSON.stringify(this.#groups)}`);
    this.world.control.command({ kind: 'groups', groups: [...this.#groups] });
    arrive(this.world, this.#draw, NOTHING);
    this.#before = this.#groups;
  }

  /** A connection goes on if it could begin now, and not otherwise: what its opener sends is judged as long as it lasts. */
  #changeUnder(kept: readonly SimConnection[]): void {
    this.#change();
    for (const connection of kept) {
      const { from, to, source, port } = connection;
      const isAllowed = this.#isReachable(from, to) && allows(this.#groups, connection);
      if (this.#comes(from, to, source, port, ACK) !== isAllowed)
        this.world.fail(`${isAllowed ? 'stopped' : 'not stopped'}: ${told(connection)}`);
    }
  }

  #bind(guest: SimGuest): void {
    const { control } = this.world;
    const { node } = this.#one(this.world.switches);
    this.world.attach(guest, node);
    this.world.turn(guest.owner, node, true);
    control.command(control.overlay.bind(this.world.bindingOf(guest, node, ++this.#epoch)));
    arrive(this.world, this.#draw, NOTHING);
  }

  /** With what its old switch remembers; then the far ends of its connections speak first. */
  #move(guest: SimGuest, kept: readonly SimConnection[]): void {
    const { world } = this;
    const { control } = world;
    const from = control.place(guest.owner)?.node;
    const { node: to } = this.#one(world.switches);
    if (from === undefined || to === from || !world.topology.isConnected(from, to)) return;
    world.say(`${guest.owner} moves from ${from} to ${to}`);
    const migration = String(++this.#epoch).padStart(16, '0');
    const zone = world.portNo(guest.owner, from) ?? 0;
    world.attach(guest, to);
    control.command(control.overlay.prepare(migration, world.bindingOf(guest, to, this.#epoch)));
    arrive(world, this.#draw, NOTHING);
    world.turn(guest.owner, from, false);
    world.turn(guest.owner, to, true);
    control.command(control.overlay.complete(migration));
    const old = control.overlay.connections.get(guest.owner) ?? [];
    control.overlay.setConnections(guest.owner, [...old, ...world.at(from).remembered(zone)]);
    control.update();
    arrive(world, this.#draw, NOTHING);
    world.detach(guest, from);
    control.forgetDepartures();
    arrive(world, this.#draw, NOTHING);
    for (const connection of kept) {
      if (connection.from !== guest && connection.to !== guest) continue;
      if (connection.from === guest) this.#answerComes(connection);
      this.#onwardComes(connection);
      this.#answerComes(connection);
    }
    control.overlay.setConnections(guest.owner, []);
    control.update();
    arrive(world, this.#draw, NOTHING);
    if (this.#draw.chance(0.5)) this.#changeUnder(kept);
  }

  /** Everybody calls everybody; answers those connections that were taken. */
  #callAll(): SimConnection[] {
    const taken: SimConnection[] = [];
    for (const from of this.world.guests) {
      for (const to of this.world.guests) {
        if (from === to) continue;
        for (const port of PORTS) {
          const connection = { from, to, source: ++this.#source, port };
          const isReachable = this.#isReachable(from, to);
          const isAllowed = isReachable && allows(this.#groups, connection);
          const comes = this.#comes(from, to, this.#source, port, SYN);
          if (comes !== isAllowed) this.world.fail(`${comes ? 'let in' : 'refused'}: ${told(connection)}`);
          if (!comes) continue;
          taken.push(connection);
          this.#answerComes(connection);
        }
      }
    }
    return taken;
  }

  /** No state of the switches lets through what a side's old and new groups both refuse. */
  #checkNever(): void {
    const [from, to] = [this.#one(this.world.guests), this.#one(this.world.guests)];
    const connection = { from, to, source: ++this.#source, port: this.#one(PORTS) };
    const both = [this.#groups, this.#before];
    const isAllowed = both.some((one) => both.some((other) => allows(one, connection, other)));
    if (from === to || isAllowed) return;
    for (const flags of [SYN, ACK]) {
      if (this.#comes(from, to, connection.source, connection.port, flags))
        this.world.fail(`let in half way: ${told(connection)}`);
    }
  }

  #answerComes(connection: SimConnection): void {
    const { from, to, source, port } = connection;
    if (this.#isReachable(to, from) && !this.#comes(to, from, port, source, ACK))
      this.world.fail(`no answer: ${told(connection)}`);
  }

  #onwardComes(connection: SimConnection): void {
    const { from, to, source, port } = connection;
    if (this.#isReachable(from, to) && !this.#comes(from, to, source, port, ACK))
      this.world.fail(`not onward: ${told(connection)}`);
  }

  #comes(from: SimGuest, to: SimGuest, tcpSrc: number, tcpDst: number, tcpFlags: number): boolean {
    const node = this.world.openAt(from.owner);
    if (node === undefined) return false;
    this.looks += 1;
    const made = ethertypeOf(Math.max(tcpSrc, tcpDst)) === 'IPv6' ? ipv6FrameOf : frameOf;
    const ip: Frame = made(from, to, this.world.portNo(from.owner, node));
    const frame = { ...ip, ipProto: TCP, tcpSrc, tcpDst, tcpFlags };
    return this.world.follow(node, frame, `${from.owner}:${tcpSrc} to ${to.owner}:${tcpDst}`).length > 0;
  }

  #isReachable(from: SimGuest, to: SimGuest): boolean {
    const [a, b] = [this.world.openAt(from.owner), this.world.openAt(to.owner)];
    return a !== undefined && b !== undefined && this.world.topology.isConnected(a, b);
  }

  #one<T>(choices: readonly T[]): T {
    const found = choices[this.#draw.integer(choices.length)];
    if (found === undefined) throw new Error('nothing to choose from');
    return found;
  }
}

/** Every other connection is over IPv6, by its opener's port, which is above all that are called. */
function ethertypeOf(source: number): SecurityRule['ethertype'] {
  return source % 2 === 0 ? 'IPv4' : 'IPv6';
}

function told({ from, to, source, port }: SimConnection): string {
  return `${from.owner}:${source} to ${to.owner}:${port}`;
}

/** What the rules say: the sender's of what it opens, the receiver's of what it takes. */
function allows(groups: readonly SecurityGroup[], connection: SimConnection, receivers = groups): boolean {
  const { from, to, source, port } = connection;
  const what = { port, ethertype: ethertypeOf(source) };
  return (
    says(groups, { guest: from, direction: 'egress', other: to, ...what }) &&
    says(receivers, { guest: to, direction: 'ingress', other: from, ...what })
  );
}

interface Side extends Pick<SecurityRule, 'direction' | 'ethertype'> {
  readonly guest: SimGuest;
  readonly other: SimGuest;
  readonly port: number;
}

function says(groups: readonly SecurityGroup[], side: Side): boolean {
  const { guest, direction } = side;
  const own = groups.filter(({ members }) => members.includes(guest.owner));
  if (own.length === 0) return true;
  const rules = own.flatMap((group) => group.rules).filter((rule) => rule.direction === direction);
  return rules.some((rule) => isOf(groups, rule, side));
}

function isOf(groups: readonly SecurityGroup[], rule: SecurityRule, { other, port, ethertype }: Side): boolean {
  const { protocol, ports, remotePrefix, remoteGroup } = rule;
  if (rule.ethertype !== ethertype || (protocol !== 'any' && protocol !== 'tcp')) return false;
  if (ports !== undefined && (port < ports.first || port > ports.last)) return false;
  if (remoteGroup !== undefined)
    return groups.some(({ name, members }) => name === remoteGroup && members.includes(other.owner));
  return remotePrefix === undefined || remotePrefix === SUBNETS[ethertype][subnetOf(other)];
}

function drawGroups(draw: Prng, guests: readonly SimGuest[]): SecurityGroup[] {
  const names = ['red', 'blue', 'green'].slice(0, draw.integer(4));
  return names.map((name) => ({
    name,
    rules: Array.from({ length: draw.integer(4) }, () => drawRule(draw, names)),
    members: guests.filter(() => draw.chance(0.4)).map(({ owner }) => owner),
  }));
}

function drawRule(draw: Prng, names: readonly string[]): SecurityRule {
  const direction = draw.chance(0.5) ? 'egress' : 'ingress';
  const protocols = ['any', 'tcp', 'tcp', 'udp', 'icmp'] as const;
  const protocol = protocols[draw.integer(protocols.length)] ?? 'any';
  const ethertype = draw.chance(0.5) ? 'IPv4' : 'IPv6';
  const remote = draw.integer(4);
  const remoteGroup = names[draw.integer(names.length)];
  return {
    ...{ direction, ethertype, protocol },
    ...(protocol === 'tcp' && draw.chance(0.6) && { ports: { first: 8000, last: 8079 } }),
    ...(remote === 0 && remoteGroup !== undefined && { remoteGroup }),
    ...(remote === 1 && { remotePrefix: SUBNETS[ethertype][draw.integer(2)] ?? '' }),
  };
}
