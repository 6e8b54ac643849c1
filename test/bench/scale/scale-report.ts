// What a run of `bench overlay-scale` came to: in tables for a person, and judged by what must hold at any size.
import { formatBytes, formatMs } from '../../../common/terminal/progress.ts';
import { formatTable } from '../../../common/terminal/table.ts';
import { median } from '../median.ts';
import type { ControllerFigures } from './controller-program.ts';
import type { OverlayPlan, OverlayShape } from './overlay-plan.ts';
import type { SwitchesFigures } from './switches-program.ts';

/** Entries for each VM of a network that a switch holds, those of local ports and services included; more were a fault. */
const FLOWS_PER_VM_MAX = 6;
const LOST_MS_MAX = 5_000;

/** What a part of the run came to. */
export interface Phase {
  readonly name: string;
  readonly tookMs: number;
  readonly controller: ControllerFigures;
  readonly cpuSeconds: number;
  readonly switches: SwitchesFigures;
}

export interface MoveResult {
  readonly isNewNode: boolean;
  readonly prepareMs: number;
  readonly completeMs: number;
  readonly cpuSeconds: number;
  readonly mods: number;
  readonly changed: number;
  /** Switches that were sent something though their network's VM did not move. */
  readonly strange: readonly string[];
}

/** All of it. */
export interface Result {
  readonly shape: OverlayShape;
  readonly phases: readonly Phase[];
  readonly moves: readonly MoveResult[];
  readonly repairMs: number;
}

/** A phase in a line, as it comes. */
export function describe({ cpuSeconds, controller, switches }: Phase): string {
  const { flows, mods, reads } = switches;
  const cpu = `${formatMs(cpuSeconds * 1_000)} of processor`;
  return `  ${flows} entries, ${mods} flow-mods, ${reads} tables read, ${cpu}, ${formatBytes(controller.rssBytes)}`;
}

function tellPhases({ phases }: Result): string {
  const titles = ['took', 'CPU', 'longest turn', 'memory', 'flow-mods', 'tables read', 'to switches', 'from switches'];
  return formatTable(
    [{ title: '' }, ...titles.map((title) => ({ title, figures: true }))],
    phases.map(({ name, tookMs, cpuSeconds, controller, switches }) => [
      name,
      formatMs(tookMs),
      formatMs(cpuSeconds * 1_000),
      formatMs(controller.longestMs),
      formatBytes(controller.rssBytes),
      `${switches.mods}`,
      `${switches.reads}`,
      formatBytes(switches.bytesIn),
      formatBytes(switches.bytesOut),
    ]),
  );
}

function middle(moves: readonly MoveResult[], pick: (move: MoveResult) => number): number {
  return median(moves.map(pick)) ?? Number.NaN;
}

function tellMoves({ moves }: Result): string {
  const kinds = [
    { name: 'a move within its nodes', found: moves.filter(({ isNewNode }) => !isNewNode) },
    { name: 'a move to a new node', found: moves.filter(({ isNewNode }) => isNewNode) },
  ];
  const titles = ['preparation', 'completion', 'slowest', 'CPU in 6 s', 'flow-mods', 'switches changed'];
  return formatTable(
    [{ title: 'medians' }, ...titles.map((title) => ({ title, figures: true }))],
    kinds.map(({ name, found }) => [
      name,
      formatMs(middle(found, ({ prepareMs }) => prepareMs)),
      formatMs(middle(found, ({ completeMs }) => completeMs)),
      formatMs(Math.max(...found.map(({ completeMs }) => completeMs))),
      formatMs(middle(found, ({ cpuSeconds }) => cpuSeconds) * 1_000),
      middle(found, ({ mods }) => mods).toFixed(0),
      middle(found, ({ changed }) => changed).toFixed(0),
    ]),
  );
}

export interface Goal {
  readonly asked: string;
  readonly seen: string;
  readonly reached: boolean;
}

/** Of what must hold whatever the machine. */
export function goalsOf({ shape, phases, moves, repairMs }: Result, plan: OverlayPlan): Goal[] {
  const [first, again] = phases;
  const networksMost = Math.max(...heldBy(plan).values());
  const most = first?.switches.flowsMost ?? Number.NaN;
  const strange = moves.flatMap((move) => move.strange);
  return [
    {
      asked: `a switch has at most ${FLOWS_PER_VM_MAX} entries for each VM of the networks that it holds`,
      seen: `${most} entries, ${networksMost} networks of ${shape.vms}`,
      reached: most <= networksMost * shape.vms * FLOWS_PER_VM_MAX,
    },
    {
      asked: 'a restart of the controller changes no entry',
      seen: `${again?.switches.mods} flow-mods`,
      reached: again?.switches.mods === 0,
    },
    {
      asked: "a move changes the switches of its network's nodes alone",
      seen: strange.length === 0 ? 'no other' : strange.join(' '),
      reached: strange.length === 0,
    },
    { asked: 'lost entries are back within 5 s', seen: formatMs(repairMs), reached: repairMs <= LOST_MS_MAX },
  ];
}

/** How many networks lie on each node. */
function heldBy({ nodesOf }: OverlayPlan): Map<number, number> {
  const held = new Map<number, number>();
  for (const nodes of nodesOf.values()) for (const node of nodes) held.set(node, (held.get(node) ?? 0) + 1);
  return held;
}

/** For a person. */
export function tell(result: Result, goals: readonly Goal[]): void {
  const { shape, phases } = result;
  const { flows = 0, flowsMost = 0, flowsLeast = 0 } = phases[0]?.switches ?? {};
  const { peersMost = 0 } = phases[1]?.controller ?? {};
  const mean = (flows / shape.nodes).toFixed(0);
  process.stdout.write(`
${shape.nodes} switches, ${shape.networks} networks of ${shape.vms} VMs over 20 to 40 nodes each, by unix sockets without TLS
${flows} entries, of a switch ${flowsLeast} to ${flowsMost}, ${mean} in the mean; a node probes up to ${peersMost} others

${tellPhases(result)}

${tellMoves(result)}

`);
  for (const { asked, seen, reached } of goals)
    process.stdout.write(`${reached ? 'reached    ' : 'NOT reached'} ${asked}: ${seen}\n`);
}
