// Images that are open for reading: opened in three steps that may fail, closed, and closed by themselves when their reader
// died.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { Admission } from '../../../orchestrator/admission.ts';
import { Readers } from '../../../orchestrator/images/readers.ts';
import { quiet } from '../common/members.ts';
import { ControlStand } from './control-stand.ts';
import { head } from './fake-cluster.ts';

const test = suite<{ stand: ControlStand; readers: Readers; open: Set<string>; clients: number }>('readers');

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  const { cluster, clock } = stand;
  const open = new Set<string>();
  const now = () => head(open.size === 0 ? {} : { readers: [...open] });
  Object.assign(context, { stand, open, clients: 0 });
  context.readers = new Readers({ cluster, clock, log: quiet, admission: new Admission(stand.control.state) });
  const { answers } = cluster.catalogue;
  answers['image.head'] = now;
  answers['image.list'] = () => ({ heads: [now()] });
  answers['reader.open'] = ({ node }) => {
    open.add(node);
    return now();
  };
  answers['reader.close'] = ({ node }) => {
    open.delete(node);
    return now();
  };
  for (const node of ['alpha', 'beta']) {
    const { blockd } = cluster.clients(node);
    blockd.answers['image.read'] = ({ epoch }) => ({ socket: `/run/web.sock of ${epoch}` });
    blockd.answers['reader.list'] = () => ({ readers: [{ image: 'web', clients: context.clients }] });
  }
});
test.after.each(({ stand }) => stand.close());

/** What goes on by itself has gone on. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('the catalogue first, then the store; the epoch is beyond every one that has ended', async (context) => {
  const { readers, stand, open } = context;
  assert.equal(await readers.open('web', 'beta'), { node: 'beta', socket: '/run/web.sock of 1' });
  assert.equal([...open], ['beta']);
  const { heard } = stand.cluster;
  assert.ok(heard.indexOf('catalogue reader.open') < heard.indexOf('beta blockd image.read'));
});

test('what the store cannot serve is not open', async ({ readers, stand, open }) => {
  stand.cluster.clients('beta').blockd.answers['image.read'] = () => {
    throw new OperationError('TABLE_DIFFERS', 'it is another');
  };
  assert.is((await stand.refusal(readers.open('web', 'beta'))).code, 'TABLE_DIFFERS');
  assert.equal([...open], []);
  open.add('beta');
  assert.is((await stand.refusal(readers.open('web', 'beta'))).code, 'TABLE_DIFFERS');
  assert.equal([...open], ['beta'], 'it was open before');
});

test('layers that were merged meanwhile are ordered anew, and the old order is given up', async (context) => {
  const { readers, stand } = context;
  const { cluster, clock } = stand;
  const below = ['l00000000000000aa', 'l00000000000000bb'].map((layer) => ({
    ...{ layer, bytes: 65_536, lastSequence: 7, entries: 7, digest: 'ab'.repeat(16) },
  }));
  let stack = { layer: 'l00000000000000cc', generation: 3, below };
  cluster.catalogue.answers['reader.open'] = () => head({ stack });
  cluster.catalogue.answers['image.head'] = () => head({ stack });
  const asked: number[] = [];
  const waits = Promise.withResolvers<void>();
  cluster.clients('beta').blockd.answers['image.read'] = (order, { signal }) => {
    asked.push(order.stack.below.length);
    if (order.stack.below.length === 1) return { socket: '/run/web.sock' };
    waits.resolve();
    return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
  };
  const opened = readers.open('web', 'beta');
  await waits.promise;
  clock.turn(3_000);
  await settled();
  assert.equal(asked, [2], 'nothing has changed');
  stack = { ...stack, below: below.slice(1) };
  clock.turn(3_000);
  assert.equal(await opened, { node: 'beta', socket: '/run/web.sock' });
  assert.equal(asked, [2, 1]);
});

test('closing what is not open there says where it is; a node that is away hears of it later', async (context) => {
  const { readers, stand, open } = context;
  await readers.open('web', 'beta');
  const refused = await stand.refusal(readers.close('web', 'alpha'));
  assert.equal([refused.code, refused.remedy], ['NOT_READER', 'it is at beta']);
  stand.cluster.down.add('beta');
  assert.equal(await readers.close('web', 'beta'), ['beta']);
  assert.equal([...open], []);
});

test('a reader whose node is silent for a minute is closed; one that comes back before is not', async (context) => {
  const { readers, stand, open } = context;
  context.clients = 1;
  await readers.open('web', 'beta');
  stand.cluster.down.add('beta');
  await readers.tidy();
  stand.clock.turn(59_000);
  stand.cluster.down.delete('beta');
  await readers.tidy();
  stand.cluster.down.add('beta');
  await readers.tidy();
  stand.clock.turn(59_000);
  await readers.tidy();
  assert.equal([...open], ['beta']);
  stand.clock.turn(1_000);
  await readers.tidy();
  assert.equal([...open], []);
});

test('one that nobody uses is closed after a quarter of an hour, one with a client never', async (context) => {
  const { readers, stand, open } = context;
  await readers.open('web', 'beta');
  context.clients = 1;
  await readers.tidy();
  stand.clock.turn(3_600_000);
  await readers.tidy();
  context.clients = 0;
  await readers.tidy();
  stand.clock.turn(899_000);
  await readers.tidy();
  assert.equal([...open], ['beta']);
  stand.clock.turn(1_000);
  await readers.tidy();
  assert.equal([...open], []);
});

test.run();
