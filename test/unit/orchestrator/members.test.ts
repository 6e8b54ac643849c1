// The members: two nodes do not take each other's address.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Clock, realClock } from '../../../common/clock.ts';
import { createLog } from '../../../common/log.ts';
import { createAuthority, issueIdentity } from '../../../common/membership/authority.ts';
import { rpcClient } from '../../../common/rpc/client.ts';
import { Members } from '../../../orchestrator/members.ts';
import { State } from '../../../orchestrator/state.ts';
import { sdndContract } from '../../../wire/contracts/sdnd.ts';
import { SDND_PORT } from '../../../wire/ports.ts';
import { refusal } from '../../refusal.ts';
import { capabilities } from './records.ts';

/** Longer than a node is up without a sign of life. */
const LONG_MS = 20_000;
/** Where nobody listens. */
const NOWHERE = '127.0.0.99';

const authority = await createAuthority();
const identity = await issueIdentity(authority, { node: 'k', role: 'controller' });
let directory: string;
let state: State;
let members: Members;
let nowMs = 0;

const registering = suite('members');
registering.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'members-'));
  state = await State.open(directory);
  const clock: Clock = { ...realClock, nowMs: () => nowMs };
  const sdnd = rpcClient(sdndContract, { node: 'k', address: NOWHERE, port: SDND_PORT }, identity);
  members = new Members({ state, identity, address: NOWHERE, sdnd, clock, log: createLog('members', 'silent') });
});
registering.after(async () => {
  members?.close();
  await state?.close();
  await rm(directory, { recursive: true, force: true });
});

function register(node: string, address: string): Promise<void> {
  return members.register(node, { cloud: node, address, capabilities: capabilities() });
}

const addresses = (): string[] => state.all('members').map(({ node, address }) => `${node} ${address}`);

registering('an address that a node has is no other one’s while it is up, and what is running goes on', async () => {
  await register('a', NOWHERE);
  const { code, message } = await refusal(register('b', NOWHERE));
  assert.is(code, 'ADDRESS_TAKEN');
  assert.match(message, 'node a is');
  assert.equal(addresses(), [`a ${NOWHERE}`]);
  assert.not(members.isUp('b'));
  await register('a', NOWHERE);
});

registering('a machine that was set up anew under another name has it once the old one is down', async () => {
  nowMs += LONG_MS;
  await register('b', NOWHERE);
  assert.ok(members.isUp('b'));
  assert.is((await refusal(register('a', NOWHERE))).code, 'ADDRESS_TAKEN');
});

registering.run();
