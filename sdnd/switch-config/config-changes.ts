// What a plan does to a switch, in words for people, and the operations that do it. A list that grows; decides nothing.
import { isRow, mutate, type Operation, removal } from '../ovsdb/operations.ts';
import { BridgeTable } from '../ovsdb/tables.ts';
import type { NamedUuid, Uuid } from '../ovsdb/values.ts';
import type { FoundPort } from './found-config.ts';

type ConfigPart = 'database' | 'bridge' | 'port' | 'controller' | 'tls';

/** One thing that is put right. `detail`: which columns, or where. */
export interface ConfigChange {
  readonly action: 'add' | 'change' | 'remove';
  readonly part: ConfigPart;
  readonly name: string;
  readonly detail: string;
}

/** Something wanted that cannot be, since what is there belongs to somebody else. */
export interface ConfigConflict {
  readonly part: ConfigPart;
  readonly name: string;
  readonly reason: string;
}

export interface ConfigPlan {
  /** One transaction; none when the switch is as wanted. */
  readonly operations: readonly Operation[];
  readonly changes: readonly ConfigChange[];
  readonly conflicts: readonly ConfigConflict[];
}

/** A plan that is being made. */
export class PlanDraft implements ConfigPlan {
  readonly operations: Operation[] = [];
  readonly changes: ConfigChange[] = [];
  readonly conflicts: ConfigConflict[] = [];
  readonly #takenOff = new Set<Uuid>();
  #rows = 0;

  /** A name for a row that this transaction inserts. */
  newRow(): NamedUuid {
    return { named: `row${++this.#rows}` };
  }

  do(...operations: readonly Operation[]): void {
    this.operations.push(...operations);
  }

  tell(action: ConfigChange['action'], part: ConfigPart, name: string, detail = ''): void {
    this.changes.push({ action, part, name, detail });
  }

  /** Takes a port out of its bridge's list, once. Answers whether it was there. */
  takeOff({ port, bridge }: FoundPort): boolean {
    if (this.#takenOff.has(port._uuid)) return false;
    this.#takenOff.add(port._uuid);
    this.do(mutate(BridgeTable, [isRow(bridge._uuid)], [removal(BridgeTable, 'ports', [port._uuid])]));
    return true;
  }

  removePort(found: FoundPort): void {
    if (this.takeOff(found)) this.tell('remove', 'port', found.port.name, `of ${found.bridge.name}`);
  }

  refuse(part: ConfigPart, name: string, reason: string): void {
    this.conflicts.push({ part, name, reason });
  }
}

/** As a log says it: `add port vxlan0 (of br-int)`. */
export function describeChange({ action, part, name, detail }: ConfigChange): string {
  return `${action} ${part} ${name}${detail === '' ? '' : ` (${detail})`}`;
}
