// A switch that is nothing but the codec and a flow table, at the other end of a session: for tests without Open vSwitch.
import {
  type ControllerRole,
  type Decoded,
  type ErrorMessage,
  encode,
  ethAddress,
  type FlowMod,
  type FlowStats,
  type Message,
  MessageReader,
  type OnfBundleAdd,
  type OnfBundleControl,
  type Port,
  type RoleMessage,
} from '@openflow/ofp';
import { type Flow, flowKey } from '../../../sdnd/flow.ts';

const COUNTERS = {
  durationSec: 0,
  durationNsec: 0,
  idleTimeoutSec: 0,
  hardTimeoutSec: 0,
  flags: 0,
  packetCount: 0n,
  byteCount: 0n,
};

export function portOf(name: string, portNo: number): Port {
  const speeds = { current: 0, advertised: 0, supported: 0, peer: 0, currentKbps: 0, maxKbps: 0 };
  return { portNo, name, hwAddress: ethAddress('02:00:00:00:00:01'), config: 0, state: 0, ...speeds };
}

const NO_GENERATION = 2n ** 64n - 1n;
const ROLE_REQUEST_FAILED = 11;
const BAD_REQUEST = 1;
const BAD_ACTION = 2;
const BAD_TYPE = 0;
const FLOW_MOD_FAILED = 5;
const TABLE_FULL = 1;
const IS_SLAVE = 10;
/** OFPET_EXPERIMENTER, and ONF's BUNDLE_FAILED MSG_FAILED (extension 230). */
const EXPERIMENTER_ERROR = 0xffff;
const MESSAGE_FAILED = 2_313;
const ONF_EXPERIMENTER = 0x4f4e4600;

/** Who is master of a switch: what all its connections share (OpenFlow 1.3.5, 6.3.6). */
export class Election {
  generationId: bigint | undefined;
  master: CodecSwitch | undefined;
}

/** `election`, `flows`: of several connections of one switch; each has its own unless they are given. */
export class CodecSwitch {
  readonly flows: Map<string, Flow>;
  readonly election: Election;
  #role: ControllerRole = 'equal';
  /** Everything that it was sent, in order. */
  readonly got: Decoded[] = [];
  /** How many flow entries one message of an answer carries. */
  flowsPerReply = 2;
  /** Every flow-mod is refused with FLOW_MOD_FAILED TABLE_FULL. */
  isFull = false;
  /** So many entries have room; what would be one more is refused in the same way. */
  room = Number.POSITIVE_INFINITY;
  /** Flow-mods of this priority are wrong in themselves: refused as they come, also when they are to be put into a bundle. */
  wrong: number | undefined;
  /** So many flow-mods more are heard, be it for a bundle, and then nothing any more. */
  hears = Number.POSITIVE_INFINITY;
  /** Under which it is master. */
  generationId = 0n;
  /** Told of each flow-mod that is carried out. */
  changed: (mod: FlowMod) => void = () => undefined;
  readonly #reader = new MessageReader();
  #bundle: Decoded[] = [];
  readonly #ports: readonly Port[];

  constructor(ports: readonly Port[] = [], flows = new Map<string, Flow>(), election = new Election()) {
    this.flows = flows;
    this.election = election;
    this.#ports = ports;
  }

  hello(): Uint8Array {
    return encode({ type: 'hello', versions: [1, 4] }, 1);
  }

  stats(): FlowStats[] {
    return [...this.flows.values()].map((flow) => ({ ...COUNTERS, ...flow }));
  }

  get role(): ControllerRole {
    return this.#role === 'master' && this.election.master !== this ? 'slave' : this.#role;
  }

  get types(): string[] {
    return this.got.map(({ message }) => message.type);
  }

  /** Takes bytes and answers them. */
  receive(bytes: Uint8Array): Uint8Array[] {
    return this.#reader.push(bytes).flatMap((result) => {
      if (result.kind === 'bad') throw new Error(`${result.code}: ${result.detail}`);
      const { message, xid } = result;
      if (this.hears === 0) return [];
      if (message.type === 'onf-bundle-control') return this.#bundled(message, xid);
      const one = message.type === 'onf-bundle-add' ? inside(message) : result;
      if (one.message.type === 'flow-mod') {
        this.hears -= 1;
        if (one.message.priority === this.wrong) return [encode(refusal(BAD_ACTION, BAD_TYPE, one.message, xid), xid)];
      }
      if (one !== result) this.#bundle.push(one);
      else this.got.push(result);
      return this.#answer(message, xid).map((answer) => encode(answer, xid));
    });
  }

  /** All that was put into the bundle, or none of it; its messages count as those that they are. */
  #bundled(message: OnfBundleControl, xid: number): Uint8Array[] {
    if (message.control !== 'commit-request') return [];
    if (this.role === 'slave') return [encode(refusal(BAD_REQUEST, IS_SLAVE, message, xid), xid)];
    const all = this.#bundle.splice(0);
    this.got.push(...all);
    const [first] = all;
    if (first !== undefined && !this.#hasRoom(all.map((one) => one.message))) {
      const failed = { ...refusal(EXPERIMENTER_ERROR, MESSAGE_FAILED, message, xid), experimenter: ONF_EXPERIMENTER };
      const full = refusal(FLOW_MOD_FAILED, TABLE_FULL, first.message, first.xid);
      return [encode(full, first.xid), encode(failed, xid)];
    }
    for (const one of all) this.#answer(one.message, one.xid);
    return [encode({ ...message, control: 'commit-reply' }, xid)];
  }

  #answer(message: Message, xid: number): Message[] {
    switch (message.type) {
      case 'features-request': {
        const features = { bufferCount: 0, tableCount: 254, auxiliaryId: 0, capabilities: 0 };
        return [{ type: 'features-reply', datapathId: 0x2an, ...features }];
      }
      case 'role-request':
        return [this.#asked(message, xid)];
      case 'multipart-request':
        if (message.part === 'port-desc') return this.#portDesc();
        if (message.part === 'aggregate') return [this.#count(message.cookie, message.cookieMask)];
        return message.part === 'flow' ? this.#flowStats(message.cookie, message.cookieMask) : [];
      case 'flow-mod':
        if (this.role === 'slave') return [refusal(BAD_REQUEST, IS_SLAVE, message, xid)];
        if (!this.#hasRoom([message])) return [refusal(FLOW_MOD_FAILED, TABLE_FULL, message, xid)];
        return this.#change(message);
      case 'barrier-request':
        return [{ type: 'barrier-reply' }];
      case 'echo-request':
        return [{ type: 'echo-reply', data: message.data }];
      default:
        return [];
    }
  }

  #asked({ role, generationId }: RoleMessage, xid: number): Message {
    const { election } = this;
    if (role === 'master' || role === 'slave') {
      if (generationId < (election.generationId ?? 0n)) return refusal(ROLE_REQUEST_FAILED, 0, undefined, xid);
      election.generationId = generationId;
    }
    if (role !== 'no-change') this.#role = role;
    if (role === 'master') {
      election.master = this;
      this.generationId = generationId;
    }
    return { type: 'role-reply', role: this.role, generationId: election.generationId ?? NO_GENERATION };
  }

  // In two messages, as a switch with many ports does.
  #portDesc(): Message[] {
    const reply = { type: 'multipart-reply', part: 'port-desc' } as const;
    return [
      { ...reply, more: true, ports: this.#ports.slice(0, 1) },
      { ...reply, more: false, ports: this.#ports.slice(1) },
    ];
  }

  #count(cookie: bigint, cookieMask: bigint): Message {
    const flowCount = this.#statsOf(cookie, cookieMask).length;
    return { type: 'multipart-reply', part: 'aggregate', more: false, packetCount: 0n, byteCount: 0n, flowCount };
  }

  #statsOf(cookie: bigint, cookieMask: bigint): FlowStats[] {
    return this.stats().filter((flow) => (flow.cookie & cookieMask) === (cookie & cookieMask));
  }

  #flowStats(cookie: bigint, cookieMask: bigint): Message[] {
    const stats = this.#statsOf(cookie, cookieMask);
    const messages: Message[] = [];
    for (let at = 0; at === 0 || at < stats.length; at += this.flowsPerReply) {
      const more = at + this.flowsPerReply < stats.length;
      messages.push({ type: 'multipart-reply', part: 'flow', more, flows: stats.slice(at, at + this.flowsPerReply) });
    }
    return messages;
  }

  #hasRoom(messages: readonly Message[]): boolean {
    const adds = messages.flatMap((one) => (one.type === 'flow-mod' && one.command === 'add' ? [flowKey(one)] : []));
    const more = new Set(adds.filter((key) => !this.flows.has(key)));
    return !this.isFull && this.flows.size + more.size <= this.room;
  }

  #change(mod: FlowMod): Message[] {
    const { command, tableId, priority, match, instructions, cookie, cookieMask, hardTimeoutSec } = mod;
    this.changed(mod);
    const flow = { tableId, priority, match, instructions, cookie, ...(hardTimeoutSec > 0 && { hardTimeoutSec }) };
    const installed = this.flows.get(flowKey(flow));
    if (command === 'add') this.flows.set(flowKey(flow), flow);
    else if (command !== 'delete-strict') throw new Error(`the overlay does not send ${command}`);
    else if (installed && (installed.cookie & cookieMask) === (cookie & cookieMask)) this.flows.delete(flowKey(flow));
    return [];
  }
}

/** The message that is to be put into a bundle. */
function inside({ message }: OnfBundleAdd): Decoded {
  const [result] = new MessageReader().push(message);
  if (result?.kind !== 'message') throw new Error('no message is in the bundle');
  return result;
}

function refusal(errorType: number, errorCode: number, refused: Message | undefined, xid: number): ErrorMessage {
  return {
    type: 'error',
    errorType,
    errorCode,
    data: refused === undefined ? new Uint8Array(0) : encode(refused, xid),
  };
}
