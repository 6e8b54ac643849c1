// A server of calls that tests need, with the certificates of its callers.
import { once } from 'node:events';
import { Type } from '#typebox';
import { OperationError } from '../../../common/errors.ts';
import { rpcClient } from '../../../common/rpc/client.ts';
import { FRAME_BYTES_MAX } from '../../../common/rpc/record.ts';
import { type Handlers, type RpcServer, startRpcServer } from '../../../common/rpc/server.ts';
import { contract, method } from '../../../wire/contract.ts';
import { Name } from '../../../wire/names.ts';
import { member, quiet, within } from './members.ts';

const Empty = Type.Object({});
export const echo = contract('echo', {
  say: method(
    ['node', 'operator'],
    Type.Object({ image: Name, text: Type.String() }),
    Type.Object({ text: Type.String() }),
  ),
  count: method(['node'], Type.Object({ to: Type.Integer() }), Empty, { progress: Type.Integer(), timeoutMs: 0 }),
  wait: method(['node'], Empty, Empty, { timeoutMs: 0 }),
  refuse: method(['node'], Empty, Empty),
  crash: method(['node'], Empty, Empty),
  fill: method(['node'], Empty, Empty),
  lie: method(['node'], Empty, Type.Object({ number: Type.Integer() })),
  mine: method(['self'], Empty, Empty),
  command: method(['controller'], Empty, Empty),
  flood: method(['node'], Empty, Type.Object({ text: Type.String() })),
});
type Echo = typeof echo;

export const alpha = await member('alpha', 'controller');
export const beta = await member('beta');
export const operator = await member('alice', 'operator');

/** What the handler of `wait` saw. */
export let waiting = Promise.withResolvers<AbortSignal>();

export const handlers: Handlers<Echo> = {
  say: ({ text }, { peer }) => ({ text: `${peer.role} ${peer.node}: ${text}` }),
  count: ({ to }, { progress }) => {
    for (let i = 1; i <= to; i += 1) progress(i);
    return {};
  },
  wait: async (_params, { signal }) => {
    waiting.resolve(signal);
    await once(signal, 'abort');
    return {};
  },
  refuse: () => {
    throw new OperationError('IMAGE_OPEN', 'image web is open at node beta', { remedy: 'Stop the VM first.' });
  },
  fill: () => Promise.reject(Object.assign(new Error('no space left on device, write'), { code: 'ENOSPC' })),
  crash: () => {
    throw new TypeError('secret detail');
  },
  lie: () => ({ number: 'seven' as unknown as number }),
  mine: () => ({}),
  command: () => ({}),
  flood: () => ({ text: 'x'.repeat(FRAME_BYTES_MAX) }),
};

export function serve(identity = alpha): Promise<RpcServer> {
  waiting = Promise.withResolvers();
  return startRpcServer({ contract: echo, handlers, identity, listen: { address: '127.0.0.1', port: 0 }, log: quiet });
}

export function clientOf(port: number, identity = beta, node = 'alpha') {
  return rpcClient(echo, { node, address: '127.0.0.1', port }, identity);
}

export async function withServer(body: (port: number, server: RpcServer) => Promise<void>): Promise<void> {
  const server = await serve();
  try {
    await within(body(server.port, server));
  } finally {
    await within(server.close());
  }
}
