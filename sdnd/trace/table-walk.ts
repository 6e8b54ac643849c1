// A frame through the flow tables of one switch, entry by entry, as OpenFlow 1.3.5 (5, 6.4) and ovs-fields(7) say it. Pure.
// Follows what the overlay's own flows use; at anything else it stops and says so, and never guesses.
import {
  type Action,
  CtState,
  type EthAddress,
  type FieldName,
  type Masked,
  NX_CT_NO_TABLE,
  NX_RESUBMIT_IN_PORT,
  type NxCt,
  PortNumber,
} from '@openflow/ofp';
import type { Flow } from '../flow.ts';

/** A frame's fields, and what the switch knows of it, as bits. What a frame does not have is absent. */
export type Frame = { readonly [F in FieldName]?: bigint };

type Value = number | bigint | EthAddress;

/** A table that the frame came to, and the entry that it met there; undefined: none, so it ends. */
export interface Step {
  readonly tableId: number;
  readonly flow: Flow | undefined;
}

export interface Sent {
  readonly portNo: number;
  readonly frame: Frame;
}

export interface TableWalk {
  readonly steps: readonly Step[];
  readonly sent: readonly Sent[];
  /** What it met that cannot be followed, in a word. */
  readonly unfollowed: string | undefined;
}

/** What a frame is and has become, and the entries that it has met; `isOver`: it goes no further. */
interface State {
  readonly frame: Frame;
  readonly steps: readonly Step[];
  readonly sent: readonly Sent[];
  readonly isOver?: boolean;
  /** The table in which it goes on once its connection was looked up. */
  readonly recircTable?: number;
  readonly unfollowed?: string;
}

/** What a switch alone knows of a frame: where nothing was written it is 0. All other fields belong to a frame or do not. */
const ZERO_AT_FIRST = /^(reg\d+|metadata|tunnelId|tunIpv4Src|tunIpv4Dst|pktMark|ctState|ctMark|ctZone)$/;
/** So often a frame may be looked up once more, one look within the other, as in Open vSwitch. */
const DEPTH_MAX = 64;
/** ... and in all. */
const RESUBMITS_MAX = 4_096;
/** Ports above are not the switch's but ways to say something (OpenFlow 1.3.5, 7.2.1). */
const PORT_MAX = 0xffff_ff00;

/** A field's value as bits. */
export function bitsOf(value: Value): bigint {
  return typeof value === 'string' ? BigInt(`0x${value.replaceAll(':', '')}`) : BigInt(value);
}

/** What of a frame crosses a tunnel: it, and the tunnel's id. */
export function carried(frame: Frame): Frame {
  const isCarried = (name: string): boolean => name === 'tunnelId' || !(name === 'inPort' || ZERO_AT_FIRST.test(name));
  return Object.fromEntries(Object.entries(frame).filter(([name]) => isCarried(name)));
}

export function walkTables(flows: Iterable<Flow>, start: Frame): TableWalk {
  const { steps, sent, unfollowed } = new TablesOfSwitch(flows).follow(0, { frame: start, steps: [], sent: [] });
  return { steps, sent, unfollowed };
}

class TablesOfSwitch {
  readonly #flows: readonly Flow[];
  #depth = 0;
  #resubmits = 0;

  constructor(flows: Iterable<Flow>) {
    this.#flows = [...flows];
  }

  /** From a table on. */
  follow(first: number, start: State): State {
    let state = start;
    for (let tableId: number | undefined = first; tableId !== undefined; ) {
      const flow = bestOf(this.#flows, tableId, state.frame);
      const met = { ...state, steps: [...state.steps, { tableId, flow }] };
      state = flow === undefined ? { ...met, isOver: true } : this.#carryOut(flow, met);
      const { recircTable, ...rest }: State = state;
      const next: number | undefined = state.isOver === true ? undefined : (recircTable ?? nextTable(flow));
      state = rest;
      // A switch takes no entry that leads back (6.4), so a walk ends, and with it all those within it.
      tableId = next !== undefined && next > tableId ? next : undefined;
    }
    return state;
  }

  #carryOut({ instructions }: Flow, start: State): State {
    let state = start;
    for (const instruction of instructions) {
      if (state.isOver === true) break;
      if (instruction.type === 'apply-actions')
        state = instruction.actions.reduce((before, action) => this.#act(before, action), state);
      else if (instruction.type !== 'goto-table' && instruction.type !== 'meter')
        state = unfollowed(state, instruction.type);
    }
    return state;
  }

  #act(state: State, action: Action): State {
    if (action.type !== 'nx-resubmit-table' || action.inPort !== NX_RESUBMIT_IN_PORT || state.isOver === true)
      return act(state, action);
    this.#resubmits += 1;
    if (this.#depth === DEPTH_MAX || this.#resubmits > RESUBMITS_MAX) return unfollowed(state, action.type);
    this.#depth += 1;
    const { isOver: _, ...there } = this.follow(action.tableId, state);
    this.#depth -= 1;
    // What ends there goes on with what stands behind, unless it cannot be followed.
    return there.unfollowed === undefined ? there : { ...there, isOver: true };
  }
}

function bestOf(flows: readonly Flow[], tableId: number, frame: Frame): Flow | undefined {
  let best: Flow | undefined;
  for (const flow of flows) {
    if (flow.tableId !== tableId || (best !== undefined && flow.priority <= best.priority)) continue;
    if (isMatch(flow, frame)) best = flow;
  }
  return best;
}

function isMatch({ match }: Flow, frame: Frame): boolean {
  const { raw, ...fields } = match;
  if (raw !== undefined && raw.length > 0) return false;
  return Object.entries(fields).every(([name, wanted]) => passes(fieldOf(frame, name as FieldName), wanted));
}

function passes(found: bigint | undefined, wanted: Value | Masked<Value>): boolean {
  if (found === undefined) return false;
  if (typeof wanted !== 'object') return found === bitsOf(wanted);
  return (found & bitsOf(wanted.mask)) === bitsOf(wanted.value);
}

function fieldOf(frame: Frame, name: FieldName): bigint | undefined {
  return frame[name] ?? (ZERO_AT_FIRST.test(name) ? 0n : undefined);
}

function nextTable(flow: Flow | undefined): number | undefined {
  return flow?.instructions.find((instruction) => instruction.type === 'goto-table')?.tableId;
}

function act(state: State, action: Action): State {
  const { frame } = state;
  if (state.isOver === true) return state;
  switch (action.type) {
    case 'set-field':
      return typeof action.value === 'object'
        ? unfollowed(state, 'set-field under a mask')
        : { ...state, frame: { ...frame, [action.field]: bitsOf(action.value) } };
    case 'nx-reg-load':
      return { ...state, frame: { ...frame, [action.to]: written(frame, action, action.value) } };
    case 'nx-reg-move': {
      const value = (fieldOf(frame, action.from) ?? 0n) >> BigInt(action.fromBit);
      return { ...state, frame: { ...frame, [action.to]: written(frame, action, value) } };
    }
    case 'dec-nw-ttl': {
      const ttl = frame.ipTtl ?? 0n;
      // What has no hop left goes no further (OpenFlow 1.3.5, 5.12).
      return ttl <= 1n ? { ...state, isOver: true } : { ...state, frame: { ...frame, ipTtl: ttl - 1n } };
    }
    case 'nx-ct':
      return track(state, action);
    case 'output':
      return send(state, action.port);
    default:
      return unfollowed(state, action.type);
  }
}

// The frame is the first of its connection; what a translation makes of it only the switch knows.
function track(state: State, { actions, recircTable }: NxCt): State {
  if (actions.some(({ type }) => type === 'nx-nat')) return unfollowed(state, 'nx-ct');
  if (recircTable === NX_CT_NO_TABLE) return state;
  const ctState = BigInt(CtState.tracked | CtState.new);
  return { ...state, frame: { ...state.frame, ctState, ctMark: 0n }, recircTable };
}

function written(
  frame: Frame,
  { to, toBit, bits }: { readonly to: FieldName; readonly toBit: number; readonly bits: number },
  value: bigint,
): bigint {
  const shift = BigInt(toBit);
  const mask = ((1n << BigInt(bits)) - 1n) << shift;
  return ((fieldOf(frame, to) ?? 0n) & ~mask) | ((value << shift) & mask);
}

// An output to the port that a frame came in by is dropped, unless it is written as IN_PORT (7.2.5).
function send(state: State, port: number): State {
  const { frame, sent } = state;
  const inPort = Number(frame.inPort ?? 0n);
  if (port === PortNumber.inPort) return { ...state, sent: [...sent, { portNo: inPort, frame }] };
  if (port >= PORT_MAX) return unfollowed(state, `output to ${port}`);
  return port === inPort ? state : { ...state, sent: [...sent, { portNo: port, frame }] };
}

function unfollowed(state: State, what: string): State {
  return { ...state, isOver: true, unfollowed: what };
}
