// One switch made of the codec, with its reconciler and what it was sent. Not a test itself.
import { encode, type FlowMod, type FlowStats, flowMod, type Message } from '@openflow/ofp';
import { OperationError } from '../../../common/errors.ts';
import { type SwitchConnection, SwitchReconciler, type Wanted } from '../../../sdnd/controller/switch-reconciler.ts';
import { SwitchWatch } from '../../../sdnd/controller/switch-watch.ts';
import type { Flow } from '../../../sdnd/flow.ts';
import { isAgentCookie } from '../../../sdnd/pipeline.ts';
import { quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { CodecSwitch } from './switch-made-of-codec.ts';

export function flowNo(number: number, cookie = 1n): Flow {
  return { tableId: 3, priority: 1 + number, match: {}, instructions: [], cookie };
}

export function flowsTo(count: number): Flow[] {
  return Array.from({ length: count }, (_, number) => flowNo(number));
}

export function wantedOf(flows: readonly Flow[]): Wanted {
  return { flows: () => flows, since: (before) => ({ before: before.flows(), now: flows }) };
}

export class Fixture implements SwitchConnection {
  readonly peer = new CodecSwitch();
  readonly clock = new TurnedClock();
  wanted: readonly Flow[] | undefined = flowsTo(3);
  reads = 0;
  counts = 0;
  /** Of all switches together. */
  entries = 0;
  mods: string[] = [];
  /** How many flow-mods each barrier confirmed. */
  rounds: number[] = [];
  said: Message[] = [];
  isLost = false;
  isPast: (flow: Flow) => boolean = () => false;
  readonly reconciler = new SwitchReconciler('alpha', () => this.wanted && wantedOf(this.wanted), {
    past: () => this.isPast,
    watch: new SwitchWatch(this.clock, () => this.entries),
    clock: this.clock,
    log: quiet,
  });

  async readFlows(): Promise<readonly FlowStats[]> {
    await this.#work();
    this.reads += 1;
    return this.peer.stats();
  }

  async countFlows(): Promise<number> {
    await this.#work();
    this.counts += 1;
    return this.peer.stats().filter(({ cookie }) => !isAgentCookie(cookie)).length;
  }

  async apply(mods: readonly FlowMod[]): Promise<void> {
    await this.#work();
    this.rounds.push(mods.length);
    this.mods.push(...mods.map(({ command, priority }) => `${command} ${priority}`));
    for (const mod of mods) this.peer.receive(encode(mod, 1));
  }

  say(messages: readonly Message[]): void {
    this.said.push(...messages);
  }

  async #work(): Promise<void> {
    await Promise.resolve();
    if (this.isLost) throw new OperationError('SWITCH_LOST', 'gone');
  }

  install(...flows: readonly Flow[]): void {
    for (const flow of flows) this.peer.receive(encode(flowMod({ command: 'add', ...flow }), 1));
  }

  /** What was sent since it was last asked. */
  sent(): string[] {
    return this.mods.splice(0);
  }

  /** Time passes and everything that it starts is finished. */
  async pass(ms: number): Promise<void> {
    this.clock.turn(ms);
    for (let turn = 0; turn < 60; turn++) await Promise.resolve();
  }
}
