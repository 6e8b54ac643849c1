// Images that become larger, closed or under a VM, whose calls get lost, are refused or are left over by a controller that
// died; and VMs that are told.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { Admission } from '../../../orchestrator/admission.ts';
import { ImageGrowth } from '../../../orchestrator/images/image-growth.ts';
import type { CutImage } from '../../../wire/contracts/blockd.ts';
import type { Head } from '../../../wire/contracts/catalogue.ts';
import { quiet } from '../common/members.ts';
import { ControlStand } from './control-stand.ts';
import { head, LAYER } from './fake-cluster.ts';
import { vmRecord } from './records.ts';

const SEALED: CutImage[] = [
  { image: 'web', sealed: { layer: LAYER, bytes: 4096, lastSequence: 7, entries: 1, digest: 'ab'.repeat(16) } },
];

const test = suite<{ stand: ControlStand; growth: ImageGrowth; now: Head; told: number[] }>('image-growth');

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  const { cluster } = stand;
  const { state } = stand.control;
  context.stand = stand;
  context.now = head({ writer: 'alpha', epoch: 1 });
  context.told = [];
  context.growth = new ImageGrowth({ cluster, state, admission: new Admission(state), log: quiet });
  const { answers } = cluster.catalogue;
  const become = (change: Partial<Head>): Head => {
    context.now = { ...context.now, ...change };
    return context.now;
  };
  answers['image.head'] = () => context.now;
  answers['image.list'] = () => ({ heads: [context.now] });
  answers['image.resize'] = ({ bytes }) => become({ bytes });
  answers['growth.begin'] = ({ cut, layer, bytes }) => become({ cut: { id: cut, layer, bytes } });
  answers['growth.finish'] = () => become({ bytes: context.now.cut?.bytes ?? 0, cut: null });
  answers['snapshot.abort'] = () => {
    become({ cut: null });
    return {};
  };
  const alpha = cluster.clients('alpha');
  alpha.blockd.answers['image.cut'] = () => ({ sealed: SEALED });
  alpha.hypervisor.answers['machine.resize'] = ({ bytes }) => {
    context.told.push(bytes);
    return {};
  };
  await state.put('vms', 'web', vmRecord());
});
test.after.each(({ stand }) => stand.close());

const sizeOf = (stand: ControlStand): number | undefined => stand.control.state.get('vms', 'web')?.spec.disks[0]?.bytes;

function lost(): never {
  throw new OperationError('CONNECTION_LOST', 'the answer was lost');
}

test('a closed one in one commit; under a VM its node cuts it, then the VM is told', async (context) => {
  const { stand, growth, told } = context;
  assert.is((await growth.resize('web', 8_192)).bytes, 8_192);
  assert.equal([told, sizeOf(stand)], [[8_192], 8_192]);
  await stand.control.state.remove('vms', 'web');
  context.now = head();
  assert.is((await growth.resize('web', 16_384)).bytes, 16_384);
  assert.is(stand.cluster.count('alpha blockd image.cut'), 1);
});

test('a cut whose answer was lost is finished by what the node says; one it refuses is taken back', async (context) => {
  const { stand, growth, told } = context;
  const { answers } = stand.cluster.clients('alpha').blockd;
  answers['image.cut'] = lost;
  answers['cut.cancel'] = () => ({ sealed: SEALED });
  assert.is((await growth.resize('web', 8_192)).bytes, 8_192);
  answers['cut.cancel'] = () => ({ sealed: [] });
  assert.is((await stand.refusal(growth.resize('web', 16_384))).code, 'CONNECTION_LOST');
  assert.equal([context.now.bytes, context.now.cut, told], [8_192, null, [8_192]]);
});

test('while the node is away the cut stands; later it is ended by its word, and the VM is told', async (context) => {
  const { stand, growth, told } = context;
  const { blockd } = stand.cluster.clients('alpha');
  blockd.isAway = true;
  assert.is((await stand.refusal(growth.resize('web', 8_192))).code, 'RESIZE_PENDING');
  await growth.tidy();
  assert.is(context.now.cut?.bytes, 8_192);
  blockd.isAway = false;
  blockd.answers['cut.cancel'] = () => ({ sealed: SEALED });
  await growth.tidy();
  await growth.tidy();
  assert.equal([context.now.bytes, context.now.cut, told, sizeOf(stand)], [8_192, null, [8_192], 8_192]);
  await growth.tidy();
  assert.equal(told, [8_192], 'once');
});

test('a VM that cannot be told runs on and is told later, or when the same is ordered again', async (context) => {
  const { stand, growth, told } = context;
  const { hypervisor } = stand.cluster.clients('alpha');
  hypervisor.isAway = true;
  const refused = await stand.refusal(growth.resize('web', 8_192));
  assert.equal([refused.code, context.now.bytes, sizeOf(stand)], ['RESIZE_UNSEEN', 8_192, 4_096]);
  await growth.tidy();
  hypervisor.isAway = false;
  await growth.resize('web', 8_192);
  assert.equal([told, sizeOf(stand)], [[8_192], 8_192]);
  assert.is(stand.cluster.count('alpha blockd image.cut'), 1);
});

test.run();
