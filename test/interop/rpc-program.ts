// The server process of the rpc interop test: one call that never ends, and one that says who answers.
import { once } from 'node:events';
import { Type } from '#typebox';
import { runDaemon } from '../../common/daemon.ts';
import { loadIdentity } from '../../common/membership/identity.ts';
import { startRpcServer } from '../../common/rpc/server.ts';
import { contract, method } from '../../wire/contract.ts';

const Empty = Type.Object({});

export const napContract = contract('nap', {
  nap: method(['node'], Empty, Empty, { progress: Type.Integer(), timeoutMs: 0 }),
  pid: method(['node'], Empty, Type.Object({ pid: Type.Integer() })),
});

if (import.meta.main) {
  const Config = Type.Object({ identity: Type.String(), path: Type.String() });
  await runDaemon('nap', Config, async (config, { log }) =>
    startRpcServer({
      contract: napContract,
      identity: await loadIdentity(config.identity),
      listen: { path: config.path },
      log,
      handlers: {
        nap: async (_params, { progress, signal }) => {
          progress(1);
          await once(signal, 'abort');
          return {};
        },
        pid: () => ({ pid: process.pid }),
      },
    }),
  );
}
