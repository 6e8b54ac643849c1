// Images: what a half-made one left is never taken for a new one, and a pull that a daemon forgot is started again.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { ControlStand } from './control-stand.ts';
import { head, storeImage } from './fake-cluster.ts';
import { vmRecord } from './records.ts';

const test = suite<{ stand: ControlStand }>('images');
const nobody = { onProgress: (): void => undefined };

test.before.each(async (context) => {
  context.stand = await ControlStand.open();
});
test.after.each(({ stand }) => stand.close());

test('a store that the catalogue does not name goes before an image of its name is made', async ({ stand }) => {
  stand.cluster.clients('gamma').blockd.answers['image.list'] = () => ({ images: [storeImage()] });
  await stand.over(stand.control.images.create('web', 'alpha', { path: '/new.raw' }, nobody));
  const { heard } = stand.cluster;
  assert.ok(heard.indexOf('gamma blockd layer.drop') < heard.indexOf('alpha blockd image.import'));
  assert.is(stand.cluster.count('gamma blockd layer.drop'), 1);
});

test('an image that the catalogue has after all is not deleted for a lost answer', async ({ stand }) => {
  const { catalogue } = stand.cluster;
  catalogue.answers['image.add'] = () => {
    catalogue.answers['layer.leave'] = () => ({ leaving: [] });
    throw new OperationError('CONNECTION_LOST', 'the answer was lost');
  };
  const error = await stand.refusal(stand.control.images.create('web', 'alpha', { bytes: 4096 }, nobody));
  assert.is(error.code, 'CONNECTION_LOST');
  assert.is(stand.cluster.count('alpha blockd layer.drop'), 0);
});

test('an image is shown with its heat where it is written, and without where that is not known', async ({ stand }) => {
  const { cluster, control } = stand;
  const heat = { cellBlocks: 1, reads: [2], writes: [1] };
  cluster.clients('beta').blockd.answers['image.heat'] = ({ cells }) => ({ heat: cells === 7 ? heat : null });
  cluster.catalogue.answers['image.head'] = () => head({ writer: 'beta', epoch: 1 });
  cluster.clients('beta').blockd.answers['image.list'] = () => ({ images: [storeImage({ lastSequence: 12 })] });
  const shown = await control.images.show('web', 7);
  assert.equal(shown.heat, heat);
  assert.is(shown.layers[0]?.lastSequence, 12);
  assert.is((await control.images.show('web')).heat, null);
  cluster.clients('beta').isAway = true;
  const away = await control.images.show('web', 7);
  assert.equal([away.heat, away.unreachable, away.layers[0]?.lastSequence], [null, ['beta'], 7]);
});

test('of two that make one image at the same moment one does', async ({ stand }) => {
  const { images } = stand.control;
  const first = stand.over(images.create('web', 'alpha', { bytes: 4096 }, nobody));
  const second = await stand.refusal(images.create('web', 'beta', { bytes: 4096 }, nobody));
  assert.is(second.code, 'IMAGE_BUSY');
  await first;
});

test('a pull that stands still though blocks are missing is started again, one that goes on is not', async ({
  stand,
}) => {
  await stand.control.state.put('vms', 'web', vmRecord());
  let fetchedInBackgroundBlocks = 0;
  const { blockd } = stand.cluster.clients('alpha');
  blockd.answers['image.show'] = () => {
    const { counters } = storeImage();
    const dependsOn = [{ node: 'beta', blocks: 5 }];
    return storeImage({ dependsOn, counters: { ...counters, fetchedInBackgroundBlocks } });
  };
  for (let look = 0; look < 10; look++) {
    await stand.control.pulls.look();
    stand.clock.turn(5_000);
    fetchedInBackgroundBlocks += 1;
  }
  assert.is(stand.cluster.count('alpha blockd pull.set'), 0);
  for (let look = 0; look < 10; look++) {
    await stand.control.pulls.look();
    stand.clock.turn(5_000);
  }
  assert.is(stand.cluster.count('alpha blockd pull.set'), 1);
});

test.run();
