// A VM whose image is pushed ahead (`propagation set --policy proactive`), in a running lab: what its guest had written when
// it moved is there before it, and the guest waits for none of it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GUEST } from '../../lab/topology.ts';
import type { StoreImage } from '../../wire/contracts/blockd.ts';
import { ClusterStand, until } from './stand.ts';

const { vm, image } = GUEST;
/** A block that was written waits for the next sweep, a minute away, before it is pushed; then comes a slow machine. */
const PUSHED_WITHIN_MS = 240_000;
/** Of 20 records a second: what makes a test of it. */
const RECORDS = 200;

let stand: ClusterStand;

test.before(async () => {
  stand = await ClusterStand.start();
});

test.after(() => stand?.stop());

async function storeAt(node: string): Promise<StoreImage> {
  const { stores } = await stand.operator.call('image.show', { image });
  const found = stores.find((one) => one.node === node);
  if (found === undefined) throw new Error(`${node} has nothing of the image`);
  return found.store;
}

test('what was pushed ahead is there when the VM comes: its guest reads all of it and fetches nothing', async () => {
  const { operator, visitor } = stand;
  const { settings } = await operator.call('propagation.show', { image });
  // Whatever was read or written goes, and to beta.
  const transitions = [{ from: 'alpha', to: 'beta', probability: 1 }];
  const ahead = { ...settings, policy: { mode: 'proactive' as const }, s: 0, transitions };
  await operator.call('propagation.set', { image, settings: ahead });
  await until('the guest has written', async () => {
    const { writes } = await visitor.ask('status');
    return writes >= RECORDS ? '' : `${writes} records`;
  });
  // What is being written while the VM moves may come by any way.
  const { writes, sweeps } = await visitor.ask('writes 0');
  await until(
    'all of it is at beta',
    async () => {
      const { status } = await operator.call('propagation.show', { image });
      const beta = status?.destinations.find(({ node }) => node === 'beta');
      return beta?.missingBlocks === 0 && beta.pushedBlocks >= writes / 2 ? '' : JSON.stringify(beta);
    },
    PUSHED_WITHIN_MS,
  );
  assert.is((await storeAt('beta')).counters.fetchedOnDemandBlocks, 0);
  await operator.call('vm.migrate', { vm, to: 'beta' });
  await visitor.ask('verify');
  await until('the guest has read back every record', async () =>
    (await visitor.ask('status')).sweeps > sweeps ? '' : 'not yet',
  );
  const { counters } = await storeAt('beta');
  assert.ok(counters.pushedHereBlocks >= writes / 2, `${counters.pushedHereBlocks} blocks came ahead`);
  assert.is(counters.fetchedOnDemandBlocks, 0);
  await stand.assertRunsAt('beta');
});

test.run();
