// Buffers for the kernel's messages: so many and no more, each given out to one message at a time.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MessagePool } from '../../../blockd/fuse/message-pool.ts';

/** All that it has. */
function drain(pool: MessagePool): Buffer[] {
  const taken: Buffer[] = [];
  for (let buffer = pool.take(); buffer !== undefined; buffer = pool.take()) taken.push(buffer);
  return taken;
}

test('it gives 64 buffers out, each of them once, and again when it is released', () => {
  const pool = new MessagePool();
  const taken = drain(pool);
  assert.is(new Set(taken).size, 64);
  assert.ok(pool.isEmpty);
  pool.release((taken[7] ?? Buffer.alloc(0)).subarray(10, 20));
  assert.not(pool.isEmpty);
  // Buffers are compared here, since a difference would be shown with all their bytes.
  assert.ok(pool.take() === taken[7]);
  assert.ok(pool.isEmpty);
});

test('a release that is told twice frees one buffer', () => {
  const pool = new MessagePool();
  const [first = Buffer.alloc(0)] = drain(pool);
  pool.release(first);
  pool.release(first);
  assert.is(drain(pool).length, 1);
});

test('a buffer that is given away is never given out again, and another takes its place', () => {
  const pool = new MessagePool();
  const [first = Buffer.alloc(0), ...others] = drain(pool);
  pool.abandon(first.subarray(10));
  const [fresh] = drain(pool);
  assert.ok(fresh !== undefined && fresh !== first && !others.includes(fresh));
  pool.release(first);
  assert.ok(pool.isEmpty);
});

test.run();
