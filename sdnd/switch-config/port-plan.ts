// One wanted port against what is there: made anew, put right where it is, taken back from another bridge, or, where
// somebody else has one of that name, refused. A port's name is unique in a switch, on whichever bridge it is.
import { insert } from '../ovsdb/operations.ts';
import { InterfaceTable, PortTable } from '../ovsdb/tables.ts';
import type { RowReference, Uuid } from '../ovsdb/values.ts';
import type { PlanDraft } from './config-changes.ts';
import type { FoundConfig, FoundPort, InterfaceRow } from './found-config.ts';
import { diffRow, textMapOf } from './row-diff.ts';
import { OWNER_KEY, type WantedPort } from './wanted-config.ts';

/** A wanted port and the one that has its name, or an interface of its name. */
interface PortCase {
  readonly owner: string;
  readonly port: WantedPort;
  /** The name of the bridge that it is to be on. */
  readonly bridge: string;
  readonly found: FoundConfig;
  readonly at: FoundPort;
  /** The ports that are the owner's, by their marks or since they are wanted where they are. */
  readonly ours: ReadonlySet<Uuid>;
  readonly draft: PlanDraft;
}

/** Inserts the rows of a port and answers with its name, for the bridge's list. */
export function insertPort(owner: string, port: WantedPort, bridge: string, draft: PlanDraft): RowReference {
  const [device, row] = [draft.newRow(), draft.newRow()];
  const external_ids = textMapOf(port.externalIds);
  draft.do(insert(InterfaceTable, { name: port.name, ...columnsOf(port), external_ids }, device.named));
  const mark = textMapOf({ [OWNER_KEY]: owner });
  draft.do(insert(PortTable, { name: port.name, interfaces: [device], external_ids: mark }, row.named));
  draft.tell('add', 'port', port.name, `of ${bridge}`);
  return row;
}

function columnsOf({ type, ofport, options }: WantedPort) {
  return { type, ofport_request: ofport, options: textMapOf(options) };
}

/** Answers with the rows that the bridge's list lacks. */
export function planPort(one: PortCase): RowReference[] {
  const { port, bridge, found, at, ours, draft } = one;
  if (!ours.has(at.port._uuid)) {
    draft.refuse('port', port.name, `somebody else has it as ${at.port.name} of ${at.bridge.name}`);
    return [];
  }
  const devices = found.interfacesOf(at.port);
  const [device] = devices;
  const isWhole = device !== undefined && devices.length === 1 && device.name === port.name;
  if (at.port.name !== port.name || !isWhole) return replacePort(one);
  changePort(one, device);
  if (at.bridge.name === bridge) return [];
  draft.takeOff(at);
  draft.tell('change', 'port', port.name, `from ${at.bridge.name} to ${bridge}`);
  return [at.port._uuid];
}

// A bond, or a port under another name: nothing of it is what is wanted.
function replacePort({ owner, port, bridge, at, draft }: PortCase): RowReference[] {
  draft.removePort(at);
  return [insertPort(owner, port, bridge, draft)];
}

function changePort({ owner, port, at, draft }: PortCase, device: InterfaceRow): void {
  const row = diffRow(PortTable, at.port, {}, { external_ids: { [OWNER_KEY]: owner } });
  const ids = { external_ids: port.externalIds ?? {} };
  const own = diffRow(InterfaceTable, device, columnsOf(port), ids);
  draft.do(...row.operations, ...own.operations);
  const columns = [...row.columns, ...own.columns];
  if (columns.length > 0) draft.tell('change', 'port', port.name, columns.join(', '));
}
