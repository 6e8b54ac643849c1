// The guest's status: a hostile or broken guest must not pass for a healthy one.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GuestStatusError, guestProblems, parseGuestStatus } from '../../../lab/guest/status.ts';

const HEALTHY = {
  bootId: '42ab9e9e-24b3-4d73-8690-db925a6e68d0',
  uptimeSeconds: 20.21,
  writes: 136,
  syncs: 6,
  verified: 136,
  bad: 0,
  errors: 0,
  kernelErrors: 0,
  sweeps: 0,
  slowestDiskMs: 18,
  memoryPages: 3394,
  memoryBad: 0,
  outsideLines: 40,
  outsideWrong: 0,
  outsideLost: '',
  outsideGapMs: 12,
  outsideFetches: 4,
  outsideFailed: 0,
  outsideSlowestMs: 160,
  outsideSeen: '198.51.100.7',
  workersLost: 0,
  lastProblem: '',
  load: { buffer: 16, dirty: 2, reads: 20, region: 16, sync: 20, writes: 20 },
};

function refused(line: string): boolean {
  try {
    parseGuestStatus(line);
    return false;
  } catch (error) {
    return error instanceof GuestStatusError;
  }
}

test('a status is taken as it is', () => {
  const status = parseGuestStatus(JSON.stringify(HEALTHY));
  assert.equal(status, HEALTHY);
  assert.equal(guestProblems(status), []);
});

test('each field is needed, and none may have another type', () => {
  for (const name of Object.keys(HEALTHY)) {
    assert.ok(refused(JSON.stringify({ ...HEALTHY, [name]: undefined })), `without ${name}`);
    assert.ok(refused(JSON.stringify({ ...HEALTHY, [name]: null })), `${name} null`);
  }
  for (const line of [
    '',
    'null',
    '[]',
    '{"error":"no parameter sing"}',
    '{"bad":',
    JSON.stringify({ ...HEALTHY, bad: -1 }),
  ]) {
    assert.ok(refused(line), line);
  }
});

test('every counter of trouble is a problem', () => {
  for (const name of ['bad', 'errors', 'kernelErrors', 'memoryBad', 'workersLost']) {
    assert.equal(guestProblems(parseGuestStatus(JSON.stringify({ ...HEALTHY, [name]: 3 }))), [`${name} 3`]);
  }
});

test.run();
