// The main job as a user runs it: `supercloud lab --once` on the tiny guest, and that nothing of it is left behind.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listNamespaces } from '../../lab/namespace.ts';
import type { Leg } from '../../lab/round.ts';

const LAUNCHER = fileURLToPath(new URL('../../supercloud', import.meta.url));
/** The round itself takes under a minute and a half on two cores; this is where a hang is called one. */
const LIMIT_MS = 540_000;

function runLab(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(LAUNCHER, ['lab', ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT_MS });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

test('a live VM goes round three clouds and home, and keeps its connection, its disk and its address', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'supercloud-round-'));
  try {
    const file = join(directory, 'figures.json');
    const { code, output } = await runLab(['--once', '--image', 'tiny', `--json=${file}`]);
    assert.is(code, 0, output);
    const figures = JSON.parse(readFileSync(file, 'utf8')) as { run: string; legs: Leg[]; held: boolean };
    const { run, legs, held } = figures;
    assert.ok(held);
    assert.equal(
      legs.map(({ from, to }) => `${from} ${to}`),
      ['alpha beta', 'beta gamma', 'gamma alpha'],
    );
    for (const { tcp, guest, migration, outside } of legs) {
      assert.is(outside?.fetches.failed, 0);
      assert.ok((outside?.download.lines ?? 0) > 0);
      assert.ok((outside?.caller.echoed ?? 0) > 0);
      assert.is(tcp.lost, '');
      assert.is(guest.bad, 0);
      assert.ok(guest.verified > 0);
      assert.ok(migration.memoryBytes > 0);
      assert.is(migration.step, 'moved');
    }
    const left = listNamespaces().filter((name) => name.startsWith(`sc-${run}-`));
    assert.equal(left, [], 'no namespace of the run is left');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test.run();
