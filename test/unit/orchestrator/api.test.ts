// Whoever watches the status goes on watching when it cannot be had for a while, and leaves nothing behind.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Rooms, watchStatus } from '../../../orchestrator/api.ts';
import type { Status } from '../../../wire/contracts/cluster-state.ts';
import { quiet, within } from '../common/members.ts';

const STATUS: Status = { nodes: [], vms: [], images: [], migrations: [], events: [], network: [] };
const test = suite('api');

/** Rooms of which the watching uses the state's news alone. */
function rooms(): { rooms: Rooms; listeners: Set<() => void> } {
  const listeners = new Set<() => void>();
  const watch = (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  return { rooms: { state: { watch }, log: quiet } as unknown as Rooms, listeners };
}

test('a status that fails is left out, the next one comes, and the end ends everything', async () => {
  const { rooms: parts, listeners } = rooms();
  const gone = new AbortController();
  let asked = 0;
  const { promise, resolve } = Promise.withResolvers<Status>();
  const watching = watchStatus(parts, resolve, gone.signal, async () => {
    asked += 1;
    if (asked === 1) throw new Error('the catalogue restarts');
    return STATUS;
  });
  assert.equal(await within(promise), STATUS);
  assert.is(asked, 2);
  gone.abort();
  await within(watching);
  assert.is(listeners.size, 0);
});

test.run();
