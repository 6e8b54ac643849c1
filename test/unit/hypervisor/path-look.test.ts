// What pings of several lengths come to: the longest that was answered, or why none was.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { lookAtPath, type RunPing } from '../../../hypervisor/pair/path-look.ts';

/** A path that takes so many bytes; what was run is noted. */
function pathOf(mtuBytes: number, ran: string[] = []): RunPing {
  return async (words) => {
    ran.push(words.join(' '));
    if (Number(words[words.indexOf('-s') + 1]) + 28 > mtuBytes) throw Object.assign(new Error('no reply'), { code: 1 });
  };
}

test('the longest packet that came through whole, whatever it is', async () => {
  const found = async (mtuBytes: number) => lookAtPath(pathOf(mtuBytes), '10.77.0.2');
  assert.equal(await found(9_000), { longestBytes: 1_500 });
  assert.equal(await found(1_500), { longestBytes: 1_500 });
  assert.equal(await found(1_459), { longestBytes: 1_420 });
  assert.equal(await found(1_380), { longestBytes: 1_380 });
  assert.equal(await found(84), { longestBytes: 84 });
  assert.equal(await found(83), { missing: '10.77.0.2 answers no pings' });
});

test('no router may cut a ping up, and each is for that address', async () => {
  const ran: string[] = [];
  await lookAtPath(pathOf(1_500, ran), '10.77.0.2');
  assert.ok(ran.length > 1 && ran.every((words) => / -M do .* 10\.77\.0\.2$/.test(words)), ran.join('\n'));
});

test('a node without ping says so', async () => {
  const run: RunPing = () => Promise.reject(Object.assign(new Error('spawn ping ENOENT'), { code: 'ENOENT' }));
  assert.match(JSON.stringify(await lookAtPath(run, '10.77.0.2')), /missing.*iputils-ping/);
});

test.run();
