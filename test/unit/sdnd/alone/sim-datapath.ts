// A switch of one table for the tests of the lone controller: entries by priority, floods and pairs alike. Knows the fields and
// actions that the controller uses and fails on any other. Not a test itself.
import { type EthAddress, type FlowMod, type FlowStats, type Match, PortNumber } from '@openflow/ofp';
import { flowKey } from '../../../../sdnd/flow.ts';

/** What a frame is told apart by. */
export interface FrameHead {
  readonly ethDst: string;
  readonly ethSrc: string;
  readonly ethType: number;
}

interface Entry {
  readonly mod: FlowMod;
  readonly endsMs: number;
}

export class SimDatapath {
  readonly #entries = new Map<string, Entry>();

  get entries(): FlowMod[] {
    return [...this.#entries.values()].map(({ mod }) => mod);
  }

  apply(mod: FlowMod, nowMs: number): void {
    const key = flowKey(mod);
    if (mod.command === 'add') {
      const endsMs = mod.hardTimeoutSec === 0 ? Number.POSITIVE_INFINITY : nowMs + mod.hardTimeoutSec * 1_000;
      this.#entries.set(key, { mod, endsMs });
    } else if (mod.command === 'delete-strict') this.#entries.delete(key);
    else throw new Error(`unknown command ${mod.command}`);
  }

  stats(nowMs: number): FlowStats[] {
    this.#expire(nowMs);
    const none = { durationSec: 0, durationNsec: 0, packetCount: 0n, byteCount: 0n };
    return this.entries.map((mod) => ({ ...mod, ...none }));
  }

  /** The ports that a frame goes out of, the controller's number among them. */
  outputs(head: FrameHead, inPort: number, nowMs: number): number[] {
    this.#expire(nowMs);
    const [first, second] = this.entries
      .filter(({ match }) => matches(match, head, inPort))
      .sort((a, b) => b.priority - a.priority);
    if (first === undefined) return [];
    if (second?.priority === first.priority) throw new Error(`${flowKey(first)} and ${flowKey(second)} overlap`);
    return first.instructions.flatMap((one) => {
      if (one.type !== 'apply-actions') throw new Error(`unknown instruction ${one.type}`);
      return one.actions.flatMap((action) => {
        if (action.type !== 'output') throw new Error(`unknown action ${action.type}`);
        if (action.port === PortNumber.inPort) return [inPort];
        return action.port === inPort ? [] : [action.port];
      });
    });
  }

  #expire(nowMs: number): void {
    for (const [key, { endsMs }] of this.#entries) if (endsMs <= nowMs) this.#entries.delete(key);
  }
}

const KNOWN = new Set(['inPort', 'ethDst', 'ethSrc', 'ethType']);

function matches(match: Match, head: FrameHead, inPort: number): boolean {
  for (const field of Object.keys(match)) if (!KNOWN.has(field)) throw new Error(`unknown field ${field}`);
  if (match.inPort !== undefined && match.inPort !== inPort) return false;
  if (match.ethType !== undefined && match.ethType !== head.ethType) return false;
  return isEth(match.ethSrc, head.ethSrc) && isEth(match.ethDst, head.ethDst);
}

function isEth(wanted: Match['ethDst'], text: string): boolean {
  if (wanted === undefined) return true;
  if (typeof wanted === 'string') return wanted === text;
  return (bits(text as EthAddress) & bits(wanted.mask)) === bits(wanted.value);
}

function bits(eth: EthAddress): bigint {
  return BigInt(`0x${eth.replaceAll(':', '')}`);
}
