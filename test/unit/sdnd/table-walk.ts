// Frames through computed flow tables, as Open vSwitch takes them: one switch, and a mesh of switches joined by tunnels.
// Knows the actions that the overlay uses and fails on any other.
import type { Action, FieldName, NxRegLoad } from '@openflow/ofp';
import { FIELDS, PortNumber } from '@openflow/ofp';
import { type Flow, flowKey } from '../../../sdnd/flow.ts';
import { TUNNEL_PORT_NAME } from '../../../sdnd/pipeline.ts';

type Value = number | bigint | string;
/** Fields that are absent are zero, or do not belong to the frame; then only `undefined` is in them. */
export type Frame = { readonly [F in FieldName]?: Value };

export interface Sent {
  readonly port: number;
  readonly frame: Frame;
}

const TABLES = 255;
const METADATA: readonly FieldName[] = ['reg0', 'reg1', 'reg2', 'reg6', 'tunnelId', 'tunIpv4Src', 'tunIpv4Dst'];

/** Takes a frame through a switch's tables; answers what it sent. */
export function walkTables(flows: Iterable<Flow>, frame: Frame): Sent[] {
  const all = [...flows];
  const sent: Sent[] = [];
  let current: Frame = frame;
  let table: number | undefined = 0;
  for (let step = 0; table !== undefined; step++) {
    if (step > TABLES) throw new Error('a frame does not leave the tables');
    const flow = bestMatch(all, table, current);
    table = undefined;
    for (const instruction of flow?.instructions ?? []) {
      if (instruction.type === 'goto-table') table = instruction.tableId;
      else if (instruction.type === 'apply-actions') current = act(instruction.actions, current, sent);
      else throw new Error(`unknown instruction ${instruction.type}`);
    }
  }
  return sent;
}

function bestMatch(flows: readonly Flow[], table: number, frame: Frame): Flow | undefined {
  const matching = flows.filter((flow) => flow.tableId === table && matches(flow, frame));
  const best = matching.sort((a, b) => b.priority - a.priority)[0];
  const rival = matching.find((flow) => flow !== best && flow.priority === best?.priority);
  if (best !== undefined && rival !== undefined) throw new Error(`${flowKey(best)} and ${flowKey(rival)} overlap`);
  return best;
}

function matches({ match }: Flow, frame: Frame): boolean {
  return Object.entries(match).every(([name, wanted]) => {
    const field = name as FieldName;
    const value = frame[field] ?? (METADATA.includes(field) ? zeroOf(field) : undefined);
    if (value === undefined) return false;
    if (typeof wanted !== 'object') return value === wanted;
    if (!('mask' in wanted)) throw new Error(`unknown match ${name}`);
    return (BigInt(value) & BigInt(wanted.mask)) === BigInt(wanted.value);
  });
}

function zeroOf(field: FieldName): Value {
  return FIELDS[field].kind === 'bigint' ? 0n : 0;
}

function act(actions: readonly Action[], start: Frame, sent: Sent[]): Frame {
  let frame = start;
  for (const action of actions) {
    if (action.type === 'set-field') frame = { ...frame, [action.field]: action.value };
    else if (action.type === 'nx-reg-move') frame = { ...frame, [action.to]: frame[action.from] };
    else if (action.type === 'nx-reg-load') frame = { ...frame, [action.to]: loaded(action, frame) };
    else if (action.type === 'dec-nw-ttl') {
      if (Number(frame.ipTtl ?? 0) <= 1) throw new Error('a time to live that is over');
      frame = { ...frame, ipTtl: Number(frame.ipTtl) - 1 };
    } else if (action.type === 'output') send(action.port, frame, sent);
    else throw new Error(`unknown action ${action.type}`);
  }
  return frame;
}

function loaded({ to, toBit, bits, value }: NxRegLoad, frame: Frame): bigint {
  const mask = ((1n << BigInt(bits)) - 1n) << BigInt(toBit);
  return (BigInt(frame[to] ?? 0) & ~mask) | (value << BigInt(toBit));
}

// An output to the port that a frame came in by is dropped, unless it is written as IN_PORT.
function send(port: number, frame: Frame, sent: Sent[]): void {
  if (port === PortNumber.inPort) sent.push({ port: Number(frame.inPort), frame });
  else if (port !== frame.inPort) sent.push({ port, frame });
  // Open vSwitch would drop this too; the overlay must not rely on it, since a gateway has a second tunnel port.
  else if (frame.tunIpv4Src !== undefined) throw new Error('a frame from the tunnel is sent back into it unsaid');
}

/** A node of the mesh. */
export interface MeshNode {
  readonly node: string;
  /** As a number. */
  readonly address: number;
  readonly ports: ReadonlyMap<string, number>;
  readonly flows: Iterable<Flow>;
}

/** A frame that left the mesh by a port, after so many tunnels. */
export interface Delivery {
  readonly node: string;
  readonly port: number;
  readonly tunnels: number;
  readonly frame: Frame;
}

/** As many as PROMISES N1 lets a frame cross. */
const TUNNELS_MAX = 8;

/** Takes a frame from a port of a node through the mesh. Throws when it does not stop. */
export function walkMesh(mesh: readonly MeshNode[], from: string, frame: Frame, tunnels = 0): Delivery[] {
  if (tunnels > TUNNELS_MAX) throw new Error('a frame loops');
  const here = mesh.find(({ node }) => node === from);
  if (here === undefined) throw new Error(`there is no node ${from}`);
  const tunnel = here.ports.get(TUNNEL_PORT_NAME);
  return walkTables(here.flows, frame).flatMap((sent) => {
    if (sent.port !== tunnel) return [{ node: from, port: sent.port, tunnels, frame: sent.frame }];
    const there = mesh.find(({ address }) => address === sent.frame.tunIpv4Dst);
    if (there === undefined) return [];
    return walkMesh(mesh, there.node, arrived(sent.frame, here, there), tunnels + 1);
  });
}

// Registers and everything of the tunnel but the id begin anew; the port is the other side's tunnel port.
function arrived(frame: Frame, from: MeshNode, to: MeshNode): Frame {
  const { reg0: _0, reg1: _1, reg2: _3, reg6: _6, tunIpv4Dst: _2, ...rest } = frame;
  return { ...rest, inPort: to.ports.get(TUNNEL_PORT_NAME) ?? 0, tunIpv4Src: from.address };
}
