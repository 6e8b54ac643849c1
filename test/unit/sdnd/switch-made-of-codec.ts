// A switch that is nothing but the codec and a flow table, at the other end of a session: for tests without Open vSwitch.
import {
  type Decoded,
  encode,
  ethAddress,
  type FlowMod,
  type FlowStats,
  type Message,
  MessageReader,
  type Port,
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

export class CodecSwitch {
  readonly flows = new Map<string, Flow>();
  /** Everything that it was sent, in order. */
  readonly got: Decoded[] = [];
  /** How many flow entries one message of an answer carries. */
  flowsPerReply = 2;
  /** Every flow-mod is refused with FLOW_MOD_FAILED TABLE_FULL. */
  isFull = false;
  readonly #reader = new MessageReader();
  readonly #ports: readonly Port[];

  constructor(ports: readonly Port[] = []) {
    this.#ports = ports;
  }

  hello(): Uint8Array {
    return encode({ type: 'hello', versions: [1, 4] }, 1);
  }

  stats(): FlowStats[] {
    return [...this.flows.values()].map((flow) => ({ ...COUNTERS, ...flow }));
  }

  get types(): string[] {
    return this.got.map(({ message }) => message.type);
  }

  /** Takes bytes and answers them. */
  receive(bytes: Uint8Array): Uint8Array[] {
    return this.#reader.push(bytes).flatMap((result) => {
      if (result.kind === 'bad') throw new Error(`${result.code}: ${result.detail}`);
      this.got.push(result);
      return this.#answer(result.message, result.xid).map((message) => encode(message, result.xid));
    });
  }

  #answer(message: Message, xid: number): Message[] {
    switch (message.type) {
      case 'features-request': {
        const features = { bufferCount: 0, tableCount: 254, auxiliaryId: 0, capabilities: 0 };
        return [{ type: 'features-reply', datapathId: 0x2an, ...features }];
      }
      case 'role-request':
        return [{ ...message, type: 'role-reply' }];
      case 'multipart-request':
        if (message.part === 'port-desc') return this.#portDesc();
        return message.part === 'flow' ? this.#flowStats(message.cookie, message.cookieMask) : [];
      case 'flow-mod':
        return this.isFull
          ? [{ type: 'error', errorType: 5, errorCode: 1, data: encode(message, xid) }]
          : this.#change(message);
      case 'barrier-request':
        return [{ type: 'barrier-reply' }];
      case 'echo-request':
        return [{ type: 'echo-reply', data: message.data }];
      default:
        return [];
    }
  }

  // In two messages, as a switch with many ports does.
  #portDesc(): Message[] {
    const reply = { type: 'multipart-reply', part: 'port-desc' } as const;
    return [
      { ...reply, more: true, ports: this.#ports.slice(0, 1) },
      { ...reply, more: false, ports: this.#ports.slice(1) },
    ];
  }

  #flowStats(cookie: bigint, cookieMask: bigint): Message[] {
    const stats = this.stats().filter((flow) => (flow.cookie & cookieMask) === (cookie & cookieMask));
    const messages: Message[] = [];
    for (let at = 0; at === 0 || at < stats.length; at += this.flowsPerReply) {
      const more = at + this.flowsPerReply < stats.length;
      messages.push({ type: 'multipart-reply', part: 'flow', more, flows: stats.slice(at, at + this.flowsPerReply) });
    }
    return messages;
  }

  #change({ command, tableId, priority, match, instructions, cookie, cookieMask }: FlowMod): Message[] {
    const flow = { tableId, priority, match, instructions, cookie };
    const installed = this.flows.get(flowKey(flow));
    if (command === 'add') this.flows.set(flowKey(flow), flow);
    else if (command !== 'delete-strict') throw new Error(`the overlay does not send ${command}`);
    else if (installed && (installed.cookie & cookieMask) === (cookie & cookieMask)) this.flows.delete(flowKey(flow));
    return [];
  }
}
