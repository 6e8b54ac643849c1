// A switch of the simulation: flow tables that flow-mods change and frames go through, as OpenFlow 1.3.5 (5, 6.4) and
// ovs-fields(7) say it. Knows the commands, instructions and actions that the overlay uses and fails on any other.
import { isDeepStrictEqual } from 'node:util';
import type { Action, FlowMod, NxCt } from '@openflow/ofp';
import { NX_CT_NO_TABLE, NX_RESUBMIT_IN_PORT, PortNumber } from '@openflow/ofp';
import { type Flow, flowKey } from '../../sdnd/flow.ts';
import { flowMods } from '../../sdnd/flow-diff.ts';
import { TABLE_ORDER } from '../../sdnd/pipeline.ts';
import type { GuestConnection } from '../../wire/contracts/security-groups.ts';
import { Connections } from './net-connections.ts';

type Value = number | string;
/** A frame's fields and what the switch knows of it. Registers and tunnel fields that are absent are 0. */
export type Frame = Readonly<Record<string, Value | undefined>>;

export interface Sent {
  readonly portNo: number;
  readonly frame: Frame;
}

/** What a frame came to on its way through the tables. */
interface Way {
  readonly sent: Sent[];
  readonly tracks: number;
  readonly resubmits: number;
}

interface Entry {
  readonly flow: Flow;
  readonly tests: readonly Test[];
  /** Undefined: never. */
  readonly endsMs: number | undefined;
}

interface Test {
  readonly field: string;
  readonly value: Value | bigint;
  /** Undefined: the whole field. */
  readonly mask: number | bigint | undefined;
}

/** Fields that every frame has, and that begin as 0. */
const ALWAYS: ReadonlySet<string> = new Set([
  'reg0',
  'reg1',
  'reg2',
  'reg3',
  'reg4',
  'reg5',
  'reg6',
  'reg7',
  'reg8',
  'tunnelId',
  'tunIpv4Src',
  'tunIpv4Dst',
  'ctState',
  'ctMark',
]);
const TABLES = TABLE_ORDER.length;
/** A frame is tracked once for each of its two guests' groups, and once on its way out or in. */
const TRACKS_MAX = 3;
/** So often, one within the other, a frame is looked up once more: to its own pipeline, and there to a group's rules. */
const RESUBMITS_MAX = 4;

const keys = new WeakMap<object, string>();

/** What tells entries apart; computed once for each message. */
export function keyOf(mod: FlowMod | Flow): string {
  const known = keys.get(mod) ?? flowKey(mod);
  keys.set(mod, known);
  return known;
}

export class SimSwitch {
  readonly node: string;
  /** Told of every frame that went through, and what became of it. */
  seen: ((frame: Frame, sent: readonly Sent[]) => void) | undefined;
  /** By key. */
  #entries: Map<string, Entry> = new Map();
  #tables: readonly (readonly Entry[])[] | undefined;
  /** Its connections; what is put back to an earlier state keeps them. */
  readonly #connections = new Connections();
  #nowMs = 0;

  constructor(node: string) {
    this.node = node;
  }

  get size(): number {
    return this.#entries.size;
  }

  flows(): Flow[] {
    return [...this.#entries.values()].map(({ flow }) => flow);
  }

  /** The state to return to by `restore`. */
  save(): ReadonlyMap<string, Entry> {
    return new Map(this.#entries);
  }

  restore(state: ReadonlyMap<string, Entry>): void {
    this.#entries = new Map(state);
    this.#tables = undefined;
  }

  /** Has these from now on, beside what it has. */
  install(flows: readonly Flow[]): void {
    for (const mod of flowMods({ puts: flows, removals: [] })) this.apply(mod);
  }

  apply(mod: FlowMod): void {
    const key = keyOf(mod);
    if (mod.command === 'add') this.#entries.set(key, this.#entryOf(mod));
    else if (mod.command === 'delete-strict') this.#delete(key, mod);
    else throw new Error(`unknown command ${mod.command}`);
    this.#tables = undefined;
  }

  /** What it remembers of TCP connections in a zone, each from the end that opened it. */
  remembered(zone: number): GuestConnection[] {
    return this.#connections.opened(zone);
  }

  /** Time passes; entries whose time is over go. */
  advance(ms: number): void {
    this.#nowMs += ms;
    for (const [key, { endsMs }] of this.#entries) {
      if (endsMs !== undefined && endsMs <= this.#nowMs) this.#entries.delete(key);
    }
    this.#tables = undefined;
  }

  /** Takes a frame through the tables; answers what was sent. */
  process(frame: Frame): Sent[] {
    const sent: Sent[] = [];
    const { isTracked } = this.#run(0, frame, { sent, tracks: 0, resubmits: 0 });
    // What connections do is told by no single frame.
    if (!isTracked) this.seen?.(frame, sent);
    return sent;
  }

  /** From one table on; answers what the frame became, and whether connections were looked at. */
  #run(first: number, frame: Frame, way: Way): { frame: Frame | undefined; isTracked: boolean } {
    let isTracked = false;
    let current: Frame | undefined = frame;
    const resubmit = (tableId: number, one: Frame): Frame | undefined => {
      if (way.resubmits === RESUBMITS_MAX) throw new Error(`${this.node} looks a frame up again and again`);
      const done = this.#run(tableId, one, { ...way, resubmits: way.resubmits + 1 });
      isTracked ||= done.isTracked;
      return done.frame;
    };
    let table: number | undefined = first;
    while (table !== undefined && current !== undefined) {
      const instructions: Flow['instructions'] = this.#lookUp(table, current)?.flow.instructions ?? [];
      let next: number | undefined;
      for (const instruction of instructions) {
        if (instruction.type === 'goto-table') next = instruction.tableId;
        else if (instruction.type === 'apply-actions') {
          const { frame: changed, forks } = act(instruction.actions, current ?? {}, way.sent, resubmit);
          current = changed;
          for (const { action, frame: forked } of forks) {
            if (way.tracks === TRACKS_MAX) throw new Error(`${this.node} tracks a frame again and again`);
            isTracked = true;
            // Remembered, and no more: the frame itself goes on where it is.
            if (action.recircTable === NX_CT_NO_TABLE) this.#connections.track(forked, action);
            else this.#run(action.recircTable, this.#connections.track(forked, action), onceMore(way));
          }
        }
        // Its meter is not what a frame of a simulation meets.
        else if (instruction.type !== 'meter') throw new Error(`unknown instruction ${instruction.type}`);
      }
      if (next !== undefined && next <= table) throw new Error(`from table ${table} to ${next}`);
      table = next;
    }
    return { frame: current, isTracked };
  }

  #entryOf(flow: FlowMod): Entry {
    const tests = Object.entries(flow.match).map(([field, wanted]) => testOf(field, wanted));
    const { hardTimeoutSec } = flow;
    return { flow, tests, endsMs: hardTimeoutSec === 0 ? undefined : this.#nowMs + hardTimeoutSec * 1_000 };
  }

  #delete(key: string, { cookie, cookieMask }: FlowMod): void {
    const found = this.#entries.get(key);
    if (found !== undefined && (found.flow.cookie & cookieMask) === (cookie & cookieMask)) this.#entries.delete(key);
  }

  // What two entries of one priority say of one frame is undefined (5.3), so there must be no such two.
  #lookUp(table: number, frame: Frame): Entry | undefined {
    this.#tables ??= Array.from({ length: TABLES }, (_, id) =>
      [...this.#entries.values()]
        .filter(({ flow }) => flow.tableId === id)
        .sort((a, b) => b.flow.priority - a.flow.priority),
    );
    let best: Entry | undefined;
    for (const entry of this.#tables[table] ?? []) {
      if (best !== undefined && entry.flow.priority < best.flow.priority) break;
      if (!entry.tests.every((test) => passes(test, frame))) continue;
      // Of a guest's rules several may allow one frame.
      if (best !== undefined && isSame(best.flow, entry.flow)) continue;
      if (best !== undefined) throw new Error(`${this.node}: ${keyOf(best.flow)} and ${keyOf(entry.flow)} overlap`);
      best = entry;
    }
    return best;
  }
}

// A frame that was looked up among connections begins anew.
function onceMore({ sent, tracks }: Way): Way {
  return { sent, tracks: tracks + 1, resubmits: 0 };
}

function isSame(one: Flow, other: Flow): boolean {
  return isDeepStrictEqual(one.instructions, other.instructions);
}

function testOf(field: string, wanted: unknown): Test {
  if (typeof wanted === 'number' || typeof wanted === 'string') return { field, value: wanted, mask: undefined };
  // An IPv6 address is its number as text.
  if (typeof wanted === 'bigint') return { field, value: String(wanted), mask: undefined };
  const { value, mask } = wanted as { value?: unknown; mask?: unknown };
  if (typeof value === 'number' && typeof mask === 'number') return { field, value, mask };
  if (typeof value !== 'bigint' || typeof mask !== 'bigint') throw new Error(`unknown match ${field}`);
  if (field.startsWith('ipv6')) return { field, value, mask };
  // Of the others used here only the tunnel id is wider than 32 bits, and of it only 24 are in use.
  return { field, value: Number(value), mask: Number(BigInt.asUintN(32, mask)) };
}

function passes({ field, value, mask }: Test, frame: Frame): boolean {
  const found = frame[field] ?? (ALWAYS.has(field) ? 0 : undefined);
  if (mask === undefined || found === undefined) return found === value;
  return typeof mask === 'bigint' ? (BigInt(found) & mask) === value : (Number(found) & mask) >>> 0 === value;
}

interface Acted {
  /** Undefined: it goes no further. */
  readonly frame: Frame | undefined;
  /** Copies that go on by themselves once they are tracked. */
  readonly forks: readonly { readonly action: NxCt; readonly frame: Frame }[];
}

function act(
  actions: readonly Action[],
  start: Frame,
  sent: Sent[],
  resubmit: (tableId: number, frame: Frame) => Frame | undefined,
): Acted {
  const forks: { action: NxCt; frame: Frame }[] = [];
  let frame = start;
  for (const action of actions) {
    if (action.type === 'set-field') frame = { ...frame, [action.field]: plain(action.value) };
    else if (action.type === 'nx-reg-move') frame = { ...frame, [action.to]: frame[action.from] };
    else if (action.type === 'nx-reg-load') {
      const mask = (2 ** action.bits - 1) * 2 ** action.toBit;
      const kept = Number(frame[action.to] ?? 0) & ~mask;
      frame = { ...frame, [action.to]: kept | (Number(action.value) << action.toBit) };
    } else if (action.type === 'dec-nw-ttl') {
      // What has no hop left goes nowhere (OpenFlow 1.3.5, 5.12).
      if (Number(frame.ipTtl) <= 1) return { frame: undefined, forks };
      frame = { ...frame, ipTtl: Number(frame.ipTtl) - 1 };
    } else if (action.type === 'nx-ct') forks.push({ action, frame });
    else if (action.type === 'nx-resubmit-table' && action.inPort === NX_RESUBMIT_IN_PORT) {
      const done = resubmit(action.tableId, frame);
      if (done === undefined) return { frame: undefined, forks };
      frame = done;
    } else if (action.type === 'output') send(action.port, frame, sent);
    else if (action.type === 'nx-controller') sent.push({ portNo: PortNumber.controller, frame });
    else throw new Error(`unknown action ${action.type}`);
  }
  return { frame, forks };
}

function plain(value: unknown): Value {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number' || typeof value === 'string') return value;
  throw new Error('unknown value');
}

// An output to the port that a frame came in by is dropped, unless it is written as IN_PORT (7.2.5).
function send(port: number, frame: Frame, sent: Sent[]): void {
  if (port === PortNumber.inPort) sent.push({ portNo: Number(frame.inPort), frame });
  else if (port !== frame.inPort) sent.push({ portNo: port, frame });
}
