// A member's and a stranger's certificates where libnbd and QEMU look for them, and those programs run. Not a test itself.
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import type { Identity } from '../../common/membership/identity.ts';
import { member, stranger } from '../unit/common/members.ts';

const TOOL_MS = 60_000;
const run = promisify(execFile);

/** Writes folders `member` and `stranger` below the root: of one node's name, by the cluster's authority and by another. */
export async function saveClients(root: string): Promise<void> {
  const known = await member('b');
  await saveForGnutls(join(root, 'member'), 'client', known);
  await saveForGnutls(join(root, 'stranger'), 'client', { ...(await stranger('b')), authority: known.authority });
}

/** Under the names that these programs look for, of a client or a server. */
export async function saveForGnutls(directory: string, side: 'client' | 'server', identity: Identity): Promise<void> {
  await mkdir(directory);
  await writeFile(join(directory, `${side}-key.pem`), identity.key);
  await writeFile(join(directory, `${side}-cert.pem`), identity.certificate);
  await writeFile(join(directory, 'ca-cert.pem'), identity.authority);
}

/** What the program printed. */
export async function tool(command: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(command, args, { timeout: TOOL_MS });
  return stdout;
}

/** The program must fail. */
export async function fails(command: string, ...args: string[]): Promise<void> {
  const outcome = await tool(command, ...args).then(
    () => 'it worked',
    () => 'failed',
  );
  assert.is(outcome, 'failed');
}
