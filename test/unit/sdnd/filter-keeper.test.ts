// The filter of tunnels in the kernel: when it is set anew, and when it is only looked at.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FilterKeeper } from '../../../sdnd/underlay/filter-keeper.ts';

/** A kernel whose nft says its rules in words of its own, and how often it was given some. */
class Kernel {
  sets = 0;
  rules: string | undefined;
  isBroken = false;

  readonly nft = async (words: readonly string[], input = ''): Promise<string> => {
    if (this.isBroken) throw new Error('no nft');
    if (words[0] === '-f') {
      this.sets += 1;
      this.rules = input;
      return '';
    }
    if (this.rules === undefined) throw new Error('No such file or directory');
    return `said: ${this.rules}`;
  };
}

test('rules that are there are not set again', async () => {
  const kernel = new Kernel();
  const filter = new FilterKeeper(kernel.nft);
  await filter.keep('two members');
  await filter.keep('two members');
  assert.is(kernel.sets, 1);
  await filter.keep('three members');
  await filter.keep('three members');
  assert.equal([kernel.sets, kernel.rules], [2, 'three members']);
});

test('what somebody has changed or removed comes back', async () => {
  const kernel = new Kernel();
  const filter = new FilterKeeper(kernel.nft);
  await filter.keep('two members');
  kernel.rules = 'everybody';
  await filter.keep('two members');
  assert.equal([kernel.sets, kernel.rules], [2, 'two members']);
  kernel.rules = undefined;
  await filter.keep('two members');
  assert.equal([kernel.sets, kernel.rules], [3, 'two members']);
});

test('after a failure nothing is taken for set', async () => {
  const kernel = new Kernel();
  const filter = new FilterKeeper(kernel.nft);
  await filter.keep('two members');
  kernel.isBroken = true;
  let failure = '';
  await filter.keep('two members').catch((error: unknown) => {
    failure = String(error);
  });
  assert.match(failure, 'no nft');
  kernel.isBroken = false;
  await filter.keep('two members');
  assert.is(kernel.sets, 2);
});

test.run();
