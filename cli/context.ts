// Which cluster the command line speaks to: a context names the orchestrator's socket and the operator's identity. The
// lab writes one; nothing is guessed from the network.
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Type } from '#typebox';
import { codeOf, messageOf, OperationError } from '../common/errors.ts';
import { loadIdentity } from '../common/membership/identity.ts';
import { type RpcClient, rpcClient } from '../common/rpc/client.ts';
import { SchemaCheck } from '../common/schema-check.ts';
import { ALONE_SERVICE, CONTROL_SOCKET, LONE_NODE } from '../wire/contracts/alone.ts';
import { orchestratorContract } from '../wire/contracts/orchestrator.ts';
import { Name } from '../wire/names.ts';

/** Where the newest running lab leaves its context. */
const DEFAULT_CONTEXT = '/run/supercloud-lab/current-context.json';

const context = new SchemaCheck(Type.Object({ node: Name, socket: Type.String(), identity: Type.String() }));

export type OrchestratorClient = RpcClient<typeof orchestratorContract>;

async function readContext(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new OperationError('NO_CLUSTER', `there is no running cluster known here (no context at ${path})`, {
      remedy: `start one with './supercloud lab', or name a context with --context FILE`,
      cause,
    });
  }
}

/** A client of the orchestrator that the context names; the caller closes it. */
export async function connectOrchestrator(path: string | undefined): Promise<OrchestratorClient> {
  const file = path ?? process.env.SUPERCLOUD_CONTEXT ?? DEFAULT_CONTEXT;
  const value = parse(file, await readContext(file));
  if (!context.accepts(value)) throw badContext(file, context.fault(value));
  return rpcClient(orchestratorContract, { node: value.node, path: value.socket }, await loadIdentity(value.identity));
}

/** A client of the blockd without a cluster that serves a directory; it answers part of the calls. @throws OperationError NOT_SERVED */
export async function connectAlone(data: string): Promise<OrchestratorClient> {
  const path = join(resolve(data), CONTROL_SOCKET);
  const contract = { ...orchestratorContract, service: ALONE_SERVICE };
  const client = rpcClient(contract, { node: LONE_NODE, path }, undefined);
  try {
    await client.warm();
  } catch (cause) {
    const { why, remedy } = refusalOf(cause, data);
    throw new OperationError('NOT_SERVED', `no blockd --alone answers at ${path}: ${why}`, { remedy, cause });
  }
  return client;
}

function refusalOf(cause: unknown, data: string): { readonly why: string; readonly remedy: string } {
  const code = codeOf(cause instanceof Error ? cause.cause : undefined);
  const start = `start it with 'supercloud blockd --alone --data ${data}'`;
  if (code === 'ENOENT' || code === 'ECONNREFUSED') return { why: 'none runs', remedy: start };
  if (code === 'EACCES') return { why: 'this user may not use its socket', remedy: 'do it as the user that runs it' };
  if (code === 'EPIPE' || code === 'ECONNRESET')
    return { why: 'it turned this client away', remedy: 'it has as many as it takes: try again when some have gone' };
  return { why: messageOf(cause), remedy: start };
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw badContext(file, messageOf(cause), cause);
  }
}

function badContext(file: string, why: string, cause?: unknown): OperationError {
  return new OperationError('BAD_CONTEXT', `${file} is no context of a cluster: ${why}`, {
    remedy: 'Name the file that the cluster wrote, with --context FILE or in SUPERCLOUD_CONTEXT.',
    cause,
  });
}
