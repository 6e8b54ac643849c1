// An exchange of flow entries on a real ovs-vswitchd whose table has no room for what comes: what goes stays, and the reason is
// told. Needs Debian's openvswitch-switch.
import { connect } from 'node:net';
import { join } from 'node:path';
import { flowMod } from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { realClock } from '../../common/clock.ts';
import { OpenFlowChannel } from '../../sdnd/session/openflow-channel.ts';
import { refusal } from '../refusal.ts';
import { within } from '../unit/common/members.ts';
import { Vswitch } from './vswitch.ts';

const ROOM = 4;
const STEP_MS = 60_000;
const COOKIE_MASK = 0xffff_ffff_ffff_ffffn;

const exchange = suite('an exchange of flow entries');
const vswitch = new Vswitch();
let channel: OpenFlowChannel;

exchange.before(async () => {
  await vswitch.start();
  const limit = ['--id=@table', 'create', 'Flow_Table', `flow_limit=${ROOM}`, 'overflow_policy=refuse'];
  await vswitch.vsctl('--', ...limit, '--', 'set', 'bridge', 'br0', 'flow_tables:0=@table');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  channel = new OpenFlowChannel(connect(join(vswitch.folder, 'br0.mgmt')), realClock, {
    ready: () => resolve(),
    port: () => undefined,
    closed: (reason) => reject(new Error(reason)),
  });
  await within(promise, STEP_MS, 'no session');
});
exchange.after(async () => {
  channel?.close('the test ends');
  await vswitch.stop();
});

const added = (...priorities: readonly number[]) =>
  priorities.map((priority) => flowMod({ command: 'add', priority, match: { inPort: 1 } }));
const gone = (...priorities: readonly number[]) =>
  added(...priorities).map((mod) => flowMod({ ...mod, command: 'delete-strict', cookieMask: COOKIE_MASK }));

async function priorities(): Promise<number[]> {
  return (await channel.readFlows()).map(({ priority }) => priority).sort((a, b) => a - b);
}

exchange('what fits is exchanged', async () => {
  await channel.apply(added(1, 2, 3));
  await channel.apply([...added(4), ...gone(1)]);
  assert.equal(await priorities(), [2, 3, 4]);
});

exchange('of what does not fit nothing is carried out, also not what would have made room', async () => {
  const refused = await refusal(channel.apply([...added(5, 6, 7, 8), ...gone(2, 3)]));
  assert.is(refused.code, 'SWITCH_REFUSED');
  assert.match(refused.message, /TABLE_FULL/);
  assert.equal(await priorities(), [2, 3, 4]);
});

exchange('what goes makes room for what comes', async () => {
  await channel.apply([...added(5, 6, 7), ...gone(2, 3)]);
  assert.equal(await priorities(), [4, 5, 6, 7]);
});

exchange('the session goes on, and takes the next exchange', async () => {
  await channel.apply([...added(9), ...gone(4)]);
  assert.equal(await priorities(), [5, 6, 7, 9]);
});

exchange.run();
