// The two flows that let frames through an agent's port. They are there while the port is open and only then, so that a
// switch without them, whatever else it has, passes nothing. The controller never touches them (their cookie says so).
import { applyActions, type FlowMod, flowMod, gotoTable, output } from '@openflow/ofp';
import type { Flow } from '../flow.ts';
import { AGENT_COOKIE, Priority, Table, WRITER_MASK } from '../pipeline.ts';

/** Which of a switch's flows are an agent's. */
export const GATE_FILTER = { cookie: AGENT_COOKIE, cookieMask: WRITER_MASK } as const;

/** What makes a port pass frames: in at table 0, out at the last. */
export function gateFlows(portNo: number): Flow[] {
  const common = { priority: Priority.normal, cookie: AGENT_COOKIE };
  return [
    {
      ...common,
      tableId: Table.gateOut,
      match: { reg1: portNo },
      instructions: [applyActions(output(portNo))],
    },
    { ...common, tableId: Table.gateIn, match: { inPort: portNo }, instructions: [gotoTable(Table.ingress)] },
  ];
}

/** Opens a port, whatever its state was. */
export function openGate(portNo: number): FlowMod[] {
  return gateFlows(portNo).map((flow) => flowMod({ command: 'add', ...flow }));
}

/** Closes a port, whatever its state was; the way in first. */
export function closeGate(portNo: number): FlowMod[] {
  return gateFlows(portNo)
    .reverse()
    .map(({ tableId, priority, match }) =>
      flowMod({ command: 'delete-strict', tableId, priority, match, ...GATE_FILTER }),
    );
}
