// Ctrl-C under a migration: once stops it, twice leaves it; other signals leave it at once. All say what goes on.
import { EventEmitter } from 'node:events';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { interruptible } from '../../../cli/interruption.ts';

/** Work that ends when the test says, and what became of the signals. */
function started(stop: () => Promise<void> = async () => undefined) {
  const signals = new EventEmitter();
  const told: string[] = [];
  const work = Promise.withResolvers<string>();
  const parts = {
    signals,
    stop: async () => {
      told.push('stop');
      await stop();
    },
    say: (text: string) => void told.push(text),
    leave: (code: number) => void told.push(`leave ${code}`),
    leftRunning: 'it goes on',
  };
  return { signals, told, work, ended: interruptible(parts, () => work.promise) };
}

test('once asks the cluster to stop it and waits for its end', async () => {
  const { signals, told, work, ended } = started();
  signals.emit('SIGINT');
  assert.equal(told, ['stopping it; Ctrl-C again leaves it as it is', 'stop']);
  work.resolve('stopped');
  assert.is(await ended, 'stopped');
  assert.is(signals.listenerCount('SIGINT') + signals.listenerCount('SIGTERM') + signals.listenerCount('SIGHUP'), 0);
});

test('twice leaves it as it is, as the other signals do at once', async () => {
  const { signals, told, work, ended } = started();
  signals.emit('SIGINT');
  signals.emit('SIGINT');
  assert.equal(told.slice(2), ['it goes on', 'leave 130']);
  signals.emit('SIGTERM');
  assert.equal(told.slice(4), ['it goes on', 'leave 143']);
  work.resolve('');
  await ended;
});

test('what cannot be stopped is said', async () => {
  const { signals, told, work, ended } = started(() => Promise.reject(new Error('nobody answers')));
  signals.emit('SIGINT');
  work.resolve('');
  await ended;
  assert.is(told.at(-1), 'it could not be stopped: nobody answers');
});

test.run();
