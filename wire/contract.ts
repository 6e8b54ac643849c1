// What a call between two daemons is: its parameters, its result, its progress and who may make it. Contracts are
// data, so that the server checks, the client types and the documents all come from one table. Never code here.
import { type Static, type TSchema, Type } from '#typebox';

/**
 * Who a certificate speaks for. `self` is the daemon's own node; `node` any member; `controller` the member that
 * holds the control plane; `operator` a person with the CLI.
 */
export type Caller = 'self' | 'node' | 'controller' | 'operator';

/** One call: schemas of what goes in, what comes back and what is told meanwhile, and who may make it. */
export interface Method {
  readonly params: TSchema;
  readonly result: TSchema;
  readonly progress: TSchema;
  readonly callers: readonly Caller[];
  /** How long a caller waits for the answer before it gives up, in ms. 0: as long as the connection lives. */
  readonly timeoutMs: number;
}

/** The calls that one daemon answers, by name. */
export interface Contract {
  readonly service: string;
  readonly methods: Readonly<Record<string, Method>>;
}

/** A round trip over the slowest supported link (5 s of delay each way, PROMISES "Fault model") and time to work. */
const CALL_TIMEOUT_MS = 15_000;

/** Describes a call; progress is nothing and the answer is due in 15 s unless said otherwise. */
export function method<
  const P extends TSchema,
  const R extends TSchema,
  const G extends TSchema = ReturnType<typeof Type.Null>,
>(
  callers: readonly Caller[],
  params: P,
  result: R,
  options: { progress?: G; timeoutMs?: number } = {},
): { params: P; result: R; progress: G; callers: readonly Caller[]; timeoutMs: number } {
  return {
    params,
    result,
    progress: options.progress ?? (Type.Null() as unknown as G),
    callers,
    timeoutMs: options.timeoutMs ?? CALL_TIMEOUT_MS,
  };
}

/** Names a daemon's calls. */
export function contract<const M extends Record<string, Method>>(
  service: string,
  methods: M,
): { service: string; methods: M } {
  return { service, methods };
}

export type MethodName<C extends Contract> = Extract<keyof C['methods'], string>;
type MethodOf<C extends Contract, N extends MethodName<C>> = C['methods'][N] extends Method ? C['methods'][N] : never;
export type Params<C extends Contract, N extends MethodName<C>> = Static<MethodOf<C, N>['params']>;
export type Result<C extends Contract, N extends MethodName<C>> = Static<MethodOf<C, N>['result']>;
export type Progress<C extends Contract, N extends MethodName<C>> = Static<MethodOf<C, N>['progress']>;
