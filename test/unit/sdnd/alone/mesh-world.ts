// Switches, wires, hosts and the ways to the controller, all with delays of their own that are drawn from a seed; the real
// controller above them. Every frame is followed, and after every change of an entry all tables are walked. Not a test itself.
import { type FlowMod, type Message, NO_BUFFER, output, type PacketIn, PortNumber, packetOut } from '@openflow/ofp';
import { ethOf } from '../../../../sdnd/alone/host-table.ts';
import { LoneController } from '../../../../sdnd/alone/lone-controller.ts';
import type { LoneEvent } from '../../../../sdnd/alone/lone-events.ts';
import { hopMod } from '../../../../sdnd/alone/lone-flows.ts';
import type { Connection, MeshSwitch } from '../../../../sdnd/alone/mesh-switch.ts';
import { Prng } from '../../../sim/prng.ts';
import { type FrameHead, SimDatapath } from './sim-datapath.ts';
import { frameOf, HOST_ETHER_TYPE, headOf, nextPort, numberOf, portDesc } from './sim-frames.ts';
import { walkFloods, walkPair } from './table-walks.ts';

const TICK_MS = 250;
/** Of one way to the controller. */
const CONTROL_MS_MAX = 20;
const BROADCAST = 0xffff_ffff_ffff;

export interface End {
  readonly at: SimSwitch;
  readonly port: number;
}

export class SimSwitch {
  readonly id: bigint;
  readonly datapath = new SimDatapath();
  /** What each port is wired to, and whether it is up. */
  readonly ports = new Map<number, { far: End | number | undefined; isUp: boolean; latencyMs: number }>();
  member: MeshSwitch | undefined;
  /** Counts sessions; undefined without one. */
  session: number | undefined;
  readonly busyUntilMs = { up: 0, down: 0 };

  constructor(id: bigint) {
    this.id = id;
  }
}

export class MeshWorld {
  readonly random: Prng;
  readonly controller: LoneController;
  readonly switches: SimSwitch[] = [];
  readonly events: LoneEvent[] = [];
  /** Where each host is. */
  readonly hosts = new Map<number, End>();
  /** What each host has received, by the frame's number. */
  readonly received = new Map<number, number[]>();
  nowMs = 0;
  mods = 0;
  /** Frames of hosts that came to the controller from between switches: some entry was before the rest of its path. */
  lostOnTheWay = 0;
  #sessions = 0;
  #frames = 0;
  readonly #seen = new Map<string, number>();
  #queue: { atMs: number; order: number; run: () => void }[] = [];
  #order = 0;

  constructor(seed: number, missesPerSecond = 10_000) {
    this.random = new Prng(seed);
    this.controller = new LoneController({
      now: () => this.nowMs,
      random: () => this.random.next(),
      missesPerSecond,
      tell: (event) => this.events.push(event),
    });
    this.#tickLater();
  }

  later(delayMs: number, run: () => void): void {
    const entry = { atMs: this.nowMs + delayMs, order: this.#order++, run };
    let at = this.#queue.length;
    while (at > 0 && (this.#queue[at - 1]?.atMs ?? 0) > entry.atMs) at -= 1;
    this.#queue.splice(at, 0, entry);
  }

  run(forMs: number): void {
    const endMs = this.nowMs + forMs;
    for (let next = this.#queue[0]; next !== undefined && next.atMs <= endMs; next = this.#queue[0]) {
      this.#queue.shift();
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = endMs;
  }

  #tickLater(): void {
    this.later(TICK_MS, () => {
      this.controller.tick(this.nowMs);
      this.#tickLater();
    });
  }

  addSwitch(id = BigInt(this.switches.length + 1)): SimSwitch {
    const one = new SimSwitch(id);
    this.switches.push(one);
    return one;
  }

  /** A wire between two switches; answers the ports. */
  wire(a: SimSwitch, b: SimSwitch, latencyMs: number): [End, End] {
    const ends: [End, End] = [
      { at: a, port: nextPort(a) },
      { at: b, port: nextPort(b, a === b ? 1 : 0) },
    ];
    this.plug(ends[0], ends[1], latencyMs);
    return ends;
  }

  plug(a: End, b: End, latencyMs: number): void {
    for (const [near, far] of [[a, b] as const, [b, a] as const]) this.#setPort(near, far, latencyMs);
  }

  unplug({ at, port }: End): void {
    const far = at.ports.get(port)?.far;
    for (const end of [{ at, port }, far]) {
      if (typeof end !== 'object') continue;
      end.at.ports.set(end.port, { far: undefined, isUp: false, latencyMs: 0 });
      this.#portStatus(end);
    }
  }

  /** Frames are lost on the way from there, and the port does not say so. */
  silence({ at, port }: End): void {
    const own = at.ports.get(port);
    if (own !== undefined) own.far = undefined;
  }

  addHost(at: SimSwitch, mac = this.hosts.size + 0x02_0000_0000_01): number {
    const old = this.hosts.get(mac);
    if (old !== undefined) old.at.ports.set(old.port, { far: undefined, isUp: true, latencyMs: 0 });
    const end = { at, port: nextPort(at) };
    this.hosts.set(mac, end);
    this.#setPort(end, mac, 0.1);
    return mac;
  }

  #setPort(end: End, far: End | number, latencyMs: number): void {
    end.at.ports.set(end.port, { far, isUp: true, latencyMs });
    this.#portStatus(end);
  }

  #portStatus({ at, port }: End): void {
    this.#up(at, (member) => this.controller.port(member, 'modify', portDesc(at, port), this.nowMs));
  }

  connect(one: SimSwitch): void {
    const session = ++this.#sessions;
    one.session = session;
    this.#toController(one, () => {
      const ports = [...one.ports.keys()].map((port) => portDesc(one, port));
      const member = this.controller.join(one.id, this.#connection(one, session), ports, this.nowMs);
      if (member === undefined) one.session = undefined;
      else one.member = member;
    });
  }

  disconnect(one: SimSwitch): void {
    const { member } = one;
    one.session = undefined;
    one.member = undefined;
    if (member !== undefined) this.controller.leave(member, 'cut', this.nowMs);
  }

  #connection(one: SimSwitch, session: number): Connection {
    const down = (run: (isAlive: boolean) => void): void => {
      one.busyUntilMs.down = Math.max(one.busyUntilMs.down, this.nowMs + this.random.between(0, CONTROL_MS_MAX));
      this.later(one.busyUntilMs.down - this.nowMs, () => run(one.session === session));
    };
    const back = (done: (isAlive: boolean) => void): void =>
      this.#toController(one, () => done(one.session === session));
    const say = (...messages: readonly Message[]): void =>
      down((isAlive) => {
        for (const message of isAlive ? messages : []) this.#obey(one, message);
      });
    return {
      say: (messages) => say(...messages),
      put: (hop, bufferId) => say(hopMod(hop, bufferId)),
      send: (data, { inPort, outPort }) => say(packetOut(data.slice(), [output(outPort)], inPort)),
      apply: (mods, done) =>
        down((isAlive) => {
          if (isAlive) for (const mod of mods) this.#obey(one, mod);
          back((isStill) => done(isStill ? [] : undefined));
        }),
      readFlows: (done) =>
        down((isAlive) => {
          const flows = isAlive ? one.datapath.stats(this.nowMs) : undefined;
          back((isStill) => done(isStill ? flows : undefined));
        }),
      close: () => this.disconnect(one),
    };
  }

  #toController(one: SimSwitch, run: () => void): void {
    one.busyUntilMs.up = Math.max(one.busyUntilMs.up, this.nowMs + this.random.between(0, CONTROL_MS_MAX));
    this.later(one.busyUntilMs.up - this.nowMs, run);
  }

  #up(one: SimSwitch, run: (member: MeshSwitch) => void): void {
    const { session } = one;
    if (session === undefined) return;
    this.#toController(one, () => {
      if (one.session === session && one.member !== undefined) run(one.member);
    });
  }

  #obey(one: SimSwitch, message: Message): void {
    if (message.type === 'flow-mod') this.#change(one, message);
    else if (message.type === 'packet-out')
      for (const action of message.actions)
        if (action.type === 'output') this.#send(one, action.port, message.data, -1);
  }

  #change(one: SimSwitch, mod: FlowMod): void {
    one.datapath.apply(mod, this.nowMs);
    this.mods += 1;
    const { ethSrc, ethDst } = mod.match;
    if (typeof ethSrc === 'string' && typeof ethDst === 'string')
      walkPair(this.switches, { ethSrc, ethDst }, this.nowMs);
    else walkFloods(this.switches, this.nowMs);
  }

  /** A host sends a frame; answers its number. */
  send(from: number, to = BROADCAST): number {
    this.#frames += 1;
    const frame = frameOf(from, to, this.#frames);
    const end = this.hosts.get(from);
    if (end !== undefined) this.later(0.1, () => this.#arrive(end, frame));
    return this.#frames;
  }

  /** Which hosts have received a frame. */
  receivers(frame: number): number[] {
    return [...(this.received.get(frame) ?? [])].sort((a, b) => a - b);
  }

  #arrive({ at, port }: End, data: Uint8Array): void {
    if (at.ports.get(port)?.isUp !== true) return;
    const head = headOf(data);
    this.#follow(at, port, head, data);
    for (const out of at.datapath.outputs(head, port, this.nowMs)) {
      if (out === PortNumber.controller) {
        if (head.ethType === HOST_ETHER_TYPE && typeof at.ports.get(port)?.far === 'object') this.lostOnTheWay += 1;
        this.#up(at, (member) => this.#packetIn(member, port, data));
      } else this.#send(at, out, data, port);
    }
  }

  // No frame of a host comes to the same port twice.
  #follow({ id }: SimSwitch, port: number, { ethType }: FrameHead, data: Uint8Array): void {
    if (ethType !== HOST_ETHER_TYPE) return;
    const key = `${numberOf(data)} ${id} ${port}`;
    const times = (this.#seen.get(key) ?? 0) + 1;
    this.#seen.set(key, times);
    if (times > 1) throw new Error(`frame ${key} is there again at ${this.nowMs} ms`);
  }

  #packetIn(member: MeshSwitch, inPort: number, data: Uint8Array): void {
    const packet: PacketIn = {
      ...{
        type: 'packet-in',
        bufferId: NO_BUFFER,
        totalBytes: data.length,
        reason: 'no-match',
        tableId: 0,
        cookie: 0n,
      },
      match: { inPort },
      data,
    };
    this.controller.packetIn(member, packet, this.nowMs);
  }

  #send(at: SimSwitch, port: number, data: Uint8Array, inPort: number): void {
    const wire = at.ports.get(port);
    if (wire === undefined || !wire.isUp || (port === inPort && typeof wire.far === 'number')) return;
    const { far, latencyMs } = wire;
    this.later(latencyMs, () => {
      if (typeof far === 'object') this.#arrive(far, data);
      else if (far !== undefined && headOf(data).ethType === HOST_ETHER_TYPE) this.#receive(far, data);
    });
  }

  #receive(host: number, data: Uint8Array): void {
    const frame = numberOf(data);
    const all = this.received.get(frame) ?? [];
    if (all.includes(host)) throw new Error(`host ${ethOf(host)} receives frame ${frame} twice`);
    this.received.set(frame, [...all, host]);
  }
}
