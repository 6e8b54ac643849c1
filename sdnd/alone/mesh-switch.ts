// What the controller holds of a switch and of its ports, and what it asks of the connection that is handed in. Facts only:
// what follows from them is the other rooms' work.
import {
  type FlowMod,
  type FlowStats,
  type Message,
  type Port,
  PortConfig,
  PortNumber,
  PortState,
} from '@openflow/ofp';
import type { MeshLink } from './link-finder.ts';
import type { Hop, Path } from './path.ts';

/** The way to a switch. Every `done` is called once: without a value if the connection ends before the switch has answered. */
export interface Connection {
  /** Sends what needs no answer. */
  say(messages: readonly Message[]): void;
  /** Sends a pair's entry, with the number of the buffered frame that is to go by it, or NO_BUFFER. */
  put(hop: Hop, bufferId: number): void;
  /** Sends a frame out of a port; `inPort` may be the controller's, `outPort` be where it came in. */
  send(data: Uint8Array, way: Pick<Hop, 'inPort' | 'outPort'>): void;
  /** `done` with what was refused, after the switch has carried out everything. */
  apply(mods: readonly FlowMod[], done: (refusals: readonly string[] | undefined) => void): void;
  readFlows(done: (flows: readonly FlowStats[] | undefined) => void): void;
  close(reason: string): void;
}

/**
 * What a port is. `new`: nobody knows yet what is there; `edge`: quiet, hosts may be there; `link`: probes cross it both
 * ways; `half`: probes cross it one way, or are somebody else's; `beyond`: the switch at its far end has no session.
 */
export type PortRole = 'down' | 'new' | 'edge' | 'link' | 'half' | 'beyond';

/** The latest probe that came in from one other port. */
export interface Hearing {
  atMs: number;
  latencyMs: number;
}

export class MeshPort {
  readonly owner: MeshSwitch;
  readonly no: number;
  /** Tells ports apart in the whole mesh. */
  readonly key: string;
  name: string;
  isUp: boolean;
  role: PortRole = 'down';
  /** Since when it is up and no link. */
  quietSinceMs: number;
  /** Probes that went out of it since then, as its switch has confirmed. */
  probesOut = 0;
  /** By the port that the probe came from. */
  readonly heard = new Map<MeshPort, Hearing>();
  /** The links of which it is `a`, by the other end. */
  readonly linkTo = new Map<MeshPort, MeshLink>();
  /** As of the last look: some port has heard it, and it that one too. */
  isHeard = false;
  isLinked = false;
  /** A probe that this controller did not send, lately. */
  strangeAtMs = Number.NEGATIVE_INFINITY;
  /** The datapath id of the switch that was at its far end when that one was lost. */
  beyond: bigint | undefined;
  /** What may still come from it to the controller, and since when that was counted. */
  allowance: number;
  allowanceAtMs: number;
  hostCount = 0;

  constructor(owner: MeshSwitch, port: Port, nowMs: number, allowance: number) {
    this.owner = owner;
    this.no = port.portNo;
    this.key = `${owner.name}/${port.portNo}`;
    this.name = port.name;
    this.isUp = isUp(port);
    this.quietSinceMs = nowMs;
    this.allowance = allowance;
    this.allowanceAtMs = nowMs;
  }

  /** It is not quiet. */
  heardSomebody(nowMs: number): void {
    this.quietSinceMs = nowMs;
    this.probesOut = 0;
  }

  /** Nothing that was known of what lies behind it counts any more. */
  renew(nowMs: number): void {
    this.heard.clear();
    this.heardSomebody(nowMs);
    this.beyond = undefined;
  }
}

/** Whether frames may cross it; the switch's own port counts, reserved ones do not. */
export function isUp({ state, config }: Port): boolean {
  const isOff = PortConfig.portDown | PortConfig.noReceive | PortConfig.noForward;
  return (state & PortState.linkDown) === 0 && (config & isOff) === 0;
}

/** A number that a frame can come in by. */
export function isReal(portNo: number): boolean {
  return (portNo > 0 && portNo <= PortNumber.max) || portNo === PortNumber.local;
}

export class MeshSwitch {
  readonly id: bigint;
  /** The datapath id as 16 hexadecimal digits. */
  readonly name: string;
  readonly ports = new Map<number, MeshPort>();
  /** The pairs' entries that it has, or is to have. */
  readonly hops = new Map<Hop, Path>();
  connection: Connection | undefined;
  /** It is in session and its flows are as they should be. */
  isReady = false;
  /** It has had more ports than are used. */
  isOverfull = false;
  /** When its session ended. */
  lostAtMs = 0;
  /** Half of it is the way to or from the switch. */
  roundTripMs = 0;
  /** The ports that were last told to forward floods, and those that may do so until everything sent is confirmed. */
  floodSent: ReadonlySet<number> = new Set();
  floodMay: ReadonlySet<number> = new Set();
  floodsUnconfirmed = 0;

  constructor(id: bigint) {
    this.id = id;
    this.name = id.toString(16).padStart(16, '0');
  }

  /** The connection of one that is ready; nothing of any other. */
  get ready(): Connection | undefined {
    return this.isReady ? this.connection : undefined;
  }
}
