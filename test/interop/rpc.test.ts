// Calls between two processes: a server that is killed is noticed at once, one that is stopped is noticed by its
// silence, and one that wakes up in time is not given up.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import { saveIdentity } from '../../common/membership/identity.ts';
import { type RpcClient, rpcClient } from '../../common/rpc/client.ts';
import { failure, within } from '../unit/common/members.ts';
import { napContract } from './rpc-program.ts';

const PROGRAM = join(import.meta.dirname, 'rpc-program.ts');
const authority = await createAuthority();
const beta = await issueIdentity(authority, { node: 'beta', role: 'node' });

async function withServer(
  body: (client: RpcClient<typeof napContract>, child: ChildProcess) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'rpc-interop-'));
  await saveIdentity(directory, await issueIdentity(authority, { node: 'alpha', role: 'controller' }));
  const path = join(directory, 's');
  await writeFile(join(directory, 'config.json'), JSON.stringify({ identity: directory, path }));
  const arguments_ = [PROGRAM, '--config', join(directory, 'config.json')];
  const child = spawn(process.execPath, arguments_, { stdio: ['ignore', 'pipe', 'inherit'] });
  const client = rpcClient(napContract, { node: 'alpha', path }, beta);
  try {
    await within(once(child.stdout, 'data'));
    await within(body(client, child), 60_000);
  } finally {
    client.close();
    child.kill('SIGKILL');
    await rm(directory, { recursive: true });
  }
}

test('a server that is killed in a call loses the call at once', () =>
  withServer(async (client, child) => {
    const started = Promise.withResolvers<void>();
    const call = failure(client.call('nap', {}, { onProgress: () => started.resolve() }));
    await within(started.promise);
    child.kill('SIGKILL');
    assert.is((await call).code, 'CONNECTION_LOST');
    assert.is((await failure(client.call('pid', {}))).code, 'UNREACHABLE');
  }));

test('a server that is stopped is given up after its silence', () =>
  withServer(async (client, child) => {
    const started = Promise.withResolvers<void>();
    const call = client.call('nap', {}, { onProgress: () => started.resolve() }).catch((error) => error);
    await within(started.promise);
    child.kill('SIGSTOP');
    const error = await within(call, 40_000);
    assert.is(error.code, 'CONNECTION_LOST');
    assert.match(error.message, 'no sign of life');
  }));

test('a server that was stopped for 7 s goes on with its call', () =>
  withServer(async (client, child) => {
    const started = Promise.withResolvers<void>();
    const giveUp = new AbortController();
    const call = client
      .call('nap', {}, { onProgress: () => started.resolve(), signal: giveUp.signal })
      .catch((error) => error);
    await within(started.promise);
    child.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 7_000));
    child.kill('SIGCONT');
    assert.equal(await within(client.call('pid', {})), { pid: child.pid });
    giveUp.abort();
    assert.is((await call).code, 'CANCELLED', 'the call was still open');
  }));

test.run();
