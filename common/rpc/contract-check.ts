// A contract ready for use: each method's schemas as checks, and who may call it. Compiled once per process.
import type { TSchema } from '#typebox';
import type { Caller, Contract, Method } from '../../wire/contract.ts';
import type { Peer } from '../membership/identity.ts';
import { SchemaCheck } from '../schema-check.ts';

/** One call's description with its checks. */
export interface CheckedMethod {
  readonly method: Method;
  readonly params: SchemaCheck<TSchema>;
  readonly result: SchemaCheck<TSchema>;
  readonly progress: SchemaCheck<TSchema>;
}

const known = new WeakMap<Contract, ReadonlyMap<string, CheckedMethod>>();

/** The contract's methods by name. */
export function checkedMethods(contract: Contract): ReadonlyMap<string, CheckedMethod> {
  const found = known.get(contract);
  if (found !== undefined) return found;
  const made = new Map(Object.entries(contract.methods).map(([name, method]) => [name, checkedMethod(method)]));
  known.set(contract, made);
  return made;
}

function checkedMethod(method: Method): CheckedMethod {
  return {
    method,
    params: new SchemaCheck(method.params),
    result: new SchemaCheck(method.result),
    progress: new SchemaCheck(method.progress),
  };
}

/** Whether a peer is among a method's callers. A controller is a node too; an operator is never one. */
export function mayCall(callers: readonly Caller[], peer: Peer, ownNode: string): boolean {
  if (peer.role === 'operator') return callers.includes('operator');
  if (callers.includes('node')) return true;
  if (callers.includes('self') && peer.node === ownNode) return true;
  return callers.includes('controller') && peer.role === 'controller';
}
