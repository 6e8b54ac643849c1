// A caller of our daemons that lives inside a namespace, driven over its standard input and output: their addresses are
// reachable from there only. For tests.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { OperationError } from '../../common/errors.ts';
import { type Identity, loadIdentity } from '../../common/membership/identity.ts';
import { type RpcClient, rpcClient } from '../../common/rpc/client.ts';
import { spawnIn } from '../../lab/namespace.ts';
import type { Contract, MethodName, Params, Result } from '../../wire/contract.ts';
import { orchestratorContract } from '../../wire/contracts/orchestrator.ts';
import { sdndContract, switchAgentContract } from '../../wire/contracts/sdnd.ts';
import { underlayContract } from '../../wire/contracts/underlay.ts';

/** Whom to call, and as whom. */
export interface CallPlace {
  readonly node: string;
  readonly address: string;
  readonly port: number;
  readonly identity: string;
}

interface Order extends CallPlace {
  readonly service: string;
  readonly method: string;
  readonly params: unknown;
}

interface Answer {
  readonly result?: unknown;
  readonly code?: string;
  readonly message?: string;
  /** How long the call took at the caller, ms. */
  readonly tookMs: number;
}

const CONTRACTS: Readonly<Record<string, Contract>> = {
  [orchestratorContract.service]: orchestratorContract,
  [sdndContract.service]: sdndContract,
  [switchAgentContract.service]: switchAgentContract,
  [underlayContract.service]: underlayContract,
};

/** Calls daemons from inside a namespace, one call at a time. */
export class NamespaceCaller {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  #turn: Promise<unknown> = Promise.resolve();
  /** How long the last call took, ms. */
  tookMs = 0;

  constructor(namespace: string) {
    const self = fileURLToPath(import.meta.url);
    this.#child = spawnIn(namespace, process.execPath, [self], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new TypeError('the caller is started with its standard output piped');
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Calls; rejects with the OperationError of the other side. */
  call<C extends Contract, N extends MethodName<C>>(
    contract: C,
    place: CallPlace,
    method: N,
    params: Params<C, N>,
  ): Promise<Result<C, N>> {
    const answer = this.#turn.then(() => this.#ask({ ...place, service: contract.service, method, params }));
    this.#turn = answer.catch(() => undefined);
    return answer as Promise<Result<C, N>>;
  }

  async #ask(order: Order): Promise<unknown> {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error('the caller has ended');
    const answer = JSON.parse(value) as Answer;
    this.tookMs = answer.tookMs;
    if (answer.code !== undefined) throw new OperationError(answer.code, answer.message ?? '');
    return answer.result;
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await ended;
  }
}

const clients = new Map<string, RpcClient<Contract>>();
const identities = new Map<string, Promise<Identity>>();

async function clientOf({ service, node, address, port, identity }: Order): Promise<RpcClient<Contract>> {
  const key = `${service} ${node} ${identity}`;
  const known = clients.get(key);
  if (known !== undefined) return known;
  const who = identities.get(identity) ?? loadIdentity(identity);
  identities.set(identity, who);
  const contract = CONTRACTS[service];
  if (contract === undefined) throw new RangeError(`there is no contract ${service}`);
  const client = rpcClient(contract, { node, address, port }, await who);
  clients.set(key, client);
  return client;
}

async function answer(order: Order): Promise<Answer> {
  const client = await clientOf(order);
  const startMs = performance.now();
  try {
    const result: unknown = await client.call(order.method, order.params as never);
    return { result, tookMs: performance.now() - startMs };
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    return { code: error.code, message: error.message, tookMs: performance.now() - startMs };
  }
}

if (import.meta.main) {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line) as Order))}\n`);
  }
  for (const client of clients.values()) client.close();
  process.exit(0);
}
