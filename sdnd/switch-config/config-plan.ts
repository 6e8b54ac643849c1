// Compares what is wanted of a switch with what its database says, and answers with the transaction that makes them equal
// (pure). What does not carry the owner's mark is not touched: where it stands in the way, that is told as a conflict.
import { insert, isRow, mutate, mutation, removal, update } from '../ovsdb/operations.ts';
import { BridgeTable, OpenVswitchTable, SslTable } from '../ovsdb/tables.ts';
import type { RowReference, Uuid } from '../ovsdb/values.ts';
import { type ConfigPlan, PlanDraft } from './config-changes.ts';
import { controllerRow, planControllers } from './controller-plan.ts';
import { type BridgeRow, FoundConfig, type PortRow, type Rows } from './found-config.ts';
import { insertPort, planPort } from './port-plan.ts';
import { diffRow, textMapOf } from './row-diff.ts';
import {
  isMarked,
  OWNER_KEY,
  type WantedBridge,
  type WantedConfig,
  type WantedPort,
  type WantedTls,
} from './wanted-config.ts';

/** The transaction that brings the switch to what is wanted; without operations when it is so already. */
export function planConfig(wanted: WantedConfig, rows: Rows): ConfigPlan {
  const found = new FoundConfig(rows);
  const draft = new PlanDraft();
  if (found.root === undefined) {
    draft.do(insert(OpenVswitchTable, {}));
    draft.tell('add', 'database', 'Open_vSwitch');
  }
  planTls(wanted, found, draft);
  const ours = ourPorts(wanted, found);
  for (const bridge of wanted.bridges) planBridge({ owner: wanted.owner, bridge, found, ours, draft });
  removeLeftovers(wanted, found, draft);
  return draft;
}

// There is one such row for all connections of a switch.
function planTls({ owner, tls }: WantedConfig, { tls: found }: FoundConfig, draft: PlanDraft): void {
  const isOurs = found !== undefined && isMarked(found.external_ids, owner);
  if (tls === undefined) {
    if (!isOurs) return;
    draft.do(update(OpenVswitchTable, [], { ssl: undefined }));
    draft.tell('remove', 'tls', found.certificate);
    return;
  }
  const columns = sslColumns(tls);
  if (found === undefined) {
    const row = draft.newRow();
    draft.do(insert(SslTable, { ...columns, external_ids: textMapOf({ [OWNER_KEY]: owner }) }, row.named));
    draft.do(update(OpenVswitchTable, [], { ssl: row }));
    draft.tell('add', 'tls', tls.certificate);
    return;
  }
  const { operations, columns: wrong } = diffRow(SslTable, found, columns);
  if (wrong.length === 0) return;
  if (!isOurs) {
    draft.refuse('tls', tls.certificate, `the switch proves itself by ${found.certificate}, which somebody else set`);
    return;
  }
  draft.do(...operations);
  draft.tell('change', 'tls', tls.certificate, wrong.join(', '));
}

function sslColumns({ privateKey, certificate, authority }: WantedTls) {
  return { private_key: privateKey, certificate, ca_cert: authority, bootstrap_ca_cert: false };
}

/** A wanted bridge, and what it is compared with. */
interface BridgeCase {
  readonly owner: string;
  readonly bridge: WantedBridge;
  readonly found: FoundConfig;
  readonly ours: ReadonlySet<Uuid>;
  readonly draft: PlanDraft;
}

function planBridge(one: BridgeCase): void {
  const row = one.found.bridges.get(one.bridge.name);
  if (row === undefined) addBridge(one);
  else if (isOurBridge(one.owner, one.bridge, row, one.found)) changeBridge(one, row);
  else one.draft.refuse('bridge', one.bridge.name, 'there is one of that name that somebody else made');
}

/** Ports that may be changed: those with our mark, those wanted on our bridge where they are, those of bridges that go. */
function ourPorts({ owner, bridges }: WantedConfig, found: FoundConfig): ReadonlySet<Uuid> {
  const marked = [...found.ports.values()].filter(({ port }) => isMarked(port.external_ids, owner));
  const wanted = bridges.flatMap((bridge) => {
    const row = found.bridges.get(bridge.name);
    if (row === undefined || !isOurBridge(owner, bridge, row, found)) return [];
    const names = new Set(portsOf(bridge).map(({ name }) => name));
    return found.portsOf(row).filter(({ name }) => names.has(name));
  });
  const going = leftoverBridges({ owner, bridges }, found).filter(({ isFree }) => isFree);
  const gone = going.flatMap(({ bridge }) => found.portsOf(bridge));
  return new Set([...marked.map(({ port }) => port), ...wanted, ...gone].map(({ _uuid }) => _uuid));
}

/** Bridges with our mark that are not wanted; `isFree`: nobody else has a port on it. */
function leftoverBridges({ owner, bridges }: WantedConfig, found: FoundConfig) {
  const wanted = new Set(bridges.map(({ name }) => name));
  const leftovers = [...found.bridges.values()].filter(
    ({ name, external_ids }) => !wanted.has(name) && isMarked(external_ids, owner),
  );
  return leftovers.map((bridge) => {
    const isOthers = (port: PortRow): boolean => port.name !== bridge.name && !isMarked(port.external_ids, owner);
    return { bridge, isFree: !found.portsOf(bridge).some(isOthers) };
  });
}

// Who takes the mark off a bridge has not made it his own: its ports say whose it is, unless another mark does.
function isOurBridge(owner: string, { name, ports }: WantedBridge, row: BridgeRow, found: FoundConfig): boolean {
  if (row.external_ids.has(OWNER_KEY)) return isMarked(row.external_ids, owner);
  const wanted = new Set([name, ...ports.map((port) => port.name)]);
  return found.portsOf(row).some((port) => wanted.has(port.name) && isMarked(port.external_ids, owner));
}

/** The bridge's own port, which the switch makes anyway, and those that are asked for. */
function portsOf({ name, ports }: WantedBridge): readonly WantedPort[] {
  const own: WantedPort = { name, type: 'internal' };
  return ports.some((port) => port.name === name) ? ports : [own, ...ports];
}

function addBridge(one: BridgeCase): void {
  const { owner, bridge, draft } = one;
  const ports = planPorts(one);
  const controllers = bridge.controllers.map((controller) => controllerRow(controller, bridge.name, draft));
  const row = draft.newRow();
  const columns = { ...bridgeColumns(bridge), other_config: textMapOf(bridge.otherConfig) };
  const external_ids = textMapOf({ [OWNER_KEY]: owner });
  draft.do(
    insert(BridgeTable, { name: bridge.name, ...columns, external_ids, ports, controller: controllers }, row.named),
    mutate(OpenVswitchTable, [], [mutation(OpenVswitchTable, 'bridges', 'insert', [row])]),
  );
  draft.tell('add', 'bridge', bridge.name);
}

/** Answers with the rows that the bridge's list of ports lacks. */
function planPorts({ owner, bridge, found, ours, draft }: BridgeCase): RowReference[] {
  return portsOf(bridge).flatMap((port) => {
    const at = found.ports.get(port.name) ?? found.portsByInterface.get(port.name);
    if (at === undefined) return [insertPort(owner, port, bridge.name, draft)];
    return planPort({ owner, port, bridge: bridge.name, found, at, ours, draft });
  });
}

function bridgeColumns({ datapathType, failMode, protocols }: WantedBridge) {
  return { datapath_type: datapathType, fail_mode: failMode, protocols };
}

function changeBridge(one: BridgeCase, row: BridgeRow): void {
  const { owner, bridge, draft } = one;
  const keys = { other_config: bridge.otherConfig ?? {}, external_ids: { [OWNER_KEY]: owner } };
  const { operations, columns } = diffRow(BridgeTable, row, bridgeColumns(bridge), keys);
  if (columns.length > 0) draft.tell('change', 'bridge', bridge.name, columns.join(', '));
  draft.do(...operations);
  const added = planPorts(one);
  if (added.length > 0) {
    draft.do(mutate(BridgeTable, [isRow(row._uuid)], [mutation(BridgeTable, 'ports', 'insert', added)]));
  }
  planControllers(bridge, row, one.found, draft);
}

/** Takes away what carries our mark and is not wanted. A bridge on which others have ports stays, and is told. */
function removeLeftovers(wanted: WantedConfig, found: FoundConfig, draft: PlanDraft): void {
  const wantedPorts = new Set(wanted.bridges.flatMap(portsOf).map(({ name }) => name));
  const going = new Set<Uuid>();
  for (const { bridge, isFree } of leftoverBridges(wanted, found)) {
    if (!isFree) {
      draft.refuse('bridge', bridge.name, 'it is not wanted any more, but others have ports on it');
      continue;
    }
    going.add(bridge._uuid);
    draft.do(mutate(OpenVswitchTable, [], [removal(OpenVswitchTable, 'bridges', [bridge._uuid])]));
    draft.tell('remove', 'bridge', bridge.name);
  }
  for (const { port, bridge } of found.ports.values()) {
    if (going.has(bridge._uuid) || wantedPorts.has(port.name)) continue;
    if (isMarked(port.external_ids, wanted.owner)) draft.removePort({ port, bridge });
  }
}
