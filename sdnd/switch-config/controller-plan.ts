// The controllers of a bridge of ours: those that are wanted and no others, since who programs a bridge owns its frames.
import { insert, isRow, mutate, mutation, removal } from '../ovsdb/operations.ts';
import { BridgeTable, ControllerTable } from '../ovsdb/tables.ts';
import type { RowReference } from '../ovsdb/values.ts';
import type { PlanDraft } from './config-changes.ts';
import type { BridgeRow, FoundConfig } from './found-config.ts';
import { diffRow } from './row-diff.ts';
import type { WantedBridge, WantedController } from './wanted-config.ts';

/** Inserts the row of a controller and answers with its name. */
export function controllerRow(controller: WantedController, bridge: string, draft: PlanDraft): RowReference {
  const row = draft.newRow();
  draft.do(insert(ControllerTable, { target: controller.target, ...columnsOf(controller) }, row.named));
  draft.tell('add', 'controller', controller.target, `of ${bridge}`);
  return row;
}

function columnsOf({ connectionMode, maxBackoffMs, inactivityProbeMs }: WantedController) {
  return { connection_mode: connectionMode, max_backoff: maxBackoffMs, inactivity_probe: inactivityProbeMs };
}

/** Brings the controllers of a bridge that is there to those that are wanted. */
export function planControllers(bridge: WantedBridge, row: BridgeRow, found: FoundConfig, draft: PlanDraft): void {
  const standing = found.controllersOf(row);
  const kept = new Set<RowReference>();
  const added: RowReference[] = [];
  for (const controller of bridge.controllers) {
    const same = standing.find(({ _uuid, target }) => target === controller.target && !kept.has(_uuid));
    if (same === undefined) {
      added.push(controllerRow(controller, bridge.name, draft));
      continue;
    }
    kept.add(same._uuid);
    const { operations, columns } = diffRow(ControllerTable, same, columnsOf(controller));
    draft.do(...operations);
    if (columns.length > 0) draft.tell('change', 'controller', same.target, columns.join(', '));
  }
  const strange = standing.filter(({ _uuid }) => !kept.has(_uuid));
  for (const { target } of strange) draft.tell('remove', 'controller', target, `of ${bridge.name}`);
  const uuids = strange.map(({ _uuid }) => _uuid);
  const mutations = [
    ...(uuids.length === 0 ? [] : [removal(BridgeTable, 'controller', uuids)]),
    ...(added.length === 0 ? [] : [mutation(BridgeTable, 'controller', 'insert', added)]),
  ];
  if (mutations.length > 0) draft.do(mutate(BridgeTable, [isRow(row._uuid)], mutations));
}
