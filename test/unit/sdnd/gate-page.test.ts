// What a gate was turned to outlives a kill of the agent, and no other run of the kernel.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createLog } from '../../../common/log.ts';
import { GatePage } from '../../../sdnd/agent/gate-page.ts';
import { GuestPorts } from '../../../sdnd/agent/guest-ports.ts';
import { AGENT_PORT_FIRST, AGENT_PORT_LAST } from '../../../sdnd/pipeline.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';

const PATH = '/state/gates';
const log = createLog('test', 'silent');

test('after a kill each gate is as it was noted last, from the first port to the last', async () => {
  const disk = new CrashDisk();
  const page = await GatePage.open(disk, PATH, log);
  assert.is(page.isOpen(AGENT_PORT_FIRST), undefined);
  page.note(AGENT_PORT_FIRST, true);
  page.note(AGENT_PORT_LAST, true);
  page.note(AGENT_PORT_LAST, false);
  const again = await GatePage.open(disk.afterKill(), PATH, log);
  assert.is(again.isOpen(AGENT_PORT_FIRST), true);
  assert.is(again.isOpen(AGENT_PORT_FIRST + 1), undefined);
  assert.is(again.isOpen(AGENT_PORT_LAST), false);
});

test('after a power cut nothing is noted, whatever the disk has', async () => {
  const disk = new CrashDisk();
  (await GatePage.open(disk, PATH, log)).note(AGENT_PORT_FIRST, true);
  for (const kind of ['keep-all', 'lose-all'] as const) {
    const again = await GatePage.open(disk.afterCut({ kind }), PATH, log);
    assert.is(again.isOpen(AGENT_PORT_FIRST), undefined, kind);
  }
});

test('a full disk keeps no gate from turning', async () => {
  const disk = new CrashDisk();
  disk.isFull = true;
  const page = await GatePage.open(disk, PATH, log);
  page.note(AGENT_PORT_FIRST, true);
  assert.is(page.isOpen(AGENT_PORT_FIRST), true);
  disk.isFull = false;
  assert.is((await GatePage.open(disk.afterKill(), PATH, log)).isOpen(AGENT_PORT_FIRST), undefined);
});

test('ports take over what the page says, and keep what it does not', () => {
  const port = { mac: '02:88:00:00:00:10', portNo: AGENT_PORT_FIRST };
  const ports = new GuestPorts([
    { kind: 'port', port: { ...port, owner: 'web', open: false } },
    { kind: 'port', port: { ...port, owner: 'db', portNo: AGENT_PORT_FIRST + 1, open: true } },
  ]);
  ports.takeOver((portNo) => (portNo === AGENT_PORT_FIRST ? true : undefined));
  assert.equal(ports.openNumbers(), [AGENT_PORT_FIRST, AGENT_PORT_FIRST + 1]);
});

test.run();
