// A lab run's directories and manifest, on roots of the test's own: claims, what cleaning removes and what it leaves.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  cleanAll,
  cleanRun,
  identify,
  isRunAlive,
  isSameProcess,
  listRuns,
  RunDirectory,
} from '../../../lab/run-directory.ts';

const top = mkdtempSync(`${tmpdir()}/run-directory-`);
const roots = { run: `${top}/run`, data: `${top}/data` };
test.after(() => rmSync(top, { recursive: true, force: true }));

/** Rewrites a manifest as if a process that is gone had made it. */
function orphan(runId: string): void {
  const path = `${roots.run}/${runId}.json`;
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(
    path,
    JSON.stringify({ ...manifest, lab: { ...manifest.lab, startTicks: manifest.lab.startTicks - 1 } }),
  );
}

test('a run claims its id, names what it makes and removes itself', async () => {
  const run = new RunDirectory({ runId: 'aa1', roots });
  run.addNamespaces(['sc-aa1-alpha']);
  run.addNamespaces(['sc-aa1-beta']);
  const written = JSON.parse(readFileSync(`${roots.run}/aa1.json`, 'utf8'));
  assert.equal(written.namespaces, ['sc-aa1-alpha', 'sc-aa1-beta']);
  assert.equal(written.lab, identify(process.pid));
  assert.throws(() => new RunDirectory({ runId: 'aa1', roots }), /its manifest exists/);
  writeFileSync(`${run.path}/socket`, '');
  writeFileSync(`${run.dataPath}/disk`, '');
  await run.remove();
  assert.equal([run.path, run.dataPath, `${roots.run}/aa1.json`].map(existsSync), [false, false, false]);
});

test('a living run is skipped, a dead one is cleaned, once', async () => {
  const living = new RunDirectory({ roots });
  const dead = new RunDirectory({ roots });
  orphan(dead.runId);
  assert.equal([isRunAlive(living.runId, roots), isRunAlive(dead.runId, roots)], [true, false]);
  assert.equal(await cleanAll(roots), [dead.runId]);
  assert.equal([existsSync(living.path), existsSync(dead.path)], [true, false]);
  assert.equal(listRuns(roots), [living.runId]);
  assert.is(await cleanRun(living.runId, { roots }), false);
  assert.is(await cleanRun(living.runId, { roots, evenIfAlive: true }), true);
  assert.is(await cleanRun(living.runId, { roots }), false);
});

test('the link to the newest context goes with its run, and stays while that lives', async () => {
  const [living, dead] = [new RunDirectory({ roots }), new RunDirectory({ roots })];
  const link = `${roots.run}/current-context.json`;
  for (const run of [living, dead]) writeFileSync(`${run.path}/context.json`, '{}');
  const isThere = (): boolean => lstatSync(link, { throwIfNoEntry: false }) !== undefined;
  symlinkSync(`${living.path}/context.json`, link);
  await cleanRun(dead.runId, { roots, evenIfAlive: true });
  assert.ok(isThere());
  await cleanRun(living.runId, { roots, evenIfAlive: true });
  assert.not(isThere());
});

test('where an older lab lives on, the link leads to that from then on', async () => {
  const [older, newer, starting] = [1, 2, 3].map(() => new RunDirectory({ roots }));
  if (older === undefined || newer === undefined || starting === undefined) throw new Error('three were made');
  const link = `${roots.run}/current-context.json`;
  for (const run of [older, newer]) writeFileSync(`${run.path}/context.json`, '{}');
  symlinkSync(`${newer.path}/context.json`, link);
  await cleanRun(newer.runId, { roots, evenIfAlive: true });
  assert.is(readlinkSync(link), `${older.path}/context.json`);
  await cleanRun(older.runId, { roots, evenIfAlive: true });
  assert.is(lstatSync(link, { throwIfNoEntry: false }), undefined, 'one that has no context yet is none');
  await cleanRun(starting.runId, { roots, evenIfAlive: true });
});

test('data that no run owns goes, foreign names stay', async () => {
  mkdirSync(`${roots.data}/zz9`, { recursive: true });
  mkdirSync(`${roots.data}/Not-A-Run`, { recursive: true });
  await cleanAll(roots);
  assert.equal([existsSync(`${roots.data}/zz9`), existsSync(`${roots.data}/Not-A-Run`)], [false, true]);
});

test('a listed process ends with the run, one that only has its number does not', async () => {
  const children = ['sleep', 'sleep'].map((command) => spawn(command, ['60'], { stdio: 'ignore' }));
  const [known, other] = children.map((child) => child.pid ?? 0);
  if (known === undefined || other === undefined) throw new Error('sleep did not start');
  const ended = once(children[0] as NodeJS.EventEmitter, 'exit');
  const run = new RunDirectory({ runId: 'bb2', roots });
  run.addProcess(known);
  const path = `${roots.run}/bb2.json`;
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  manifest.processes.push({ pid: other, startTicks: 1 });
  writeFileSync(path, JSON.stringify(manifest));
  await cleanRun('bb2', { roots, evenIfAlive: true });
  await ended;
  assert.is(isSameProcess(identify(other)), true);
  children[1]?.kill();
});

test('a manifest that is none is reported with its path, and nothing is removed', async () => {
  mkdirSync(`${roots.run}/cc3`, { recursive: true });
  writeFileSync(`${roots.run}/cc3.json`, '{"runId":');
  const message = await cleanRun('cc3', { roots }).catch((error) => error.message);
  assert.match(message, `cannot read the manifest ${roots.run}/cc3.json`);
  assert.ok(existsSync(`${roots.run}/cc3`));
  rmSync(`${roots.run}/cc3.json`);
});

test('an id that could lead out of the root is refused', async () => {
  assert.throws(() => new RunDirectory({ runId: '../x', roots }), /not a run id/);
  const outcome = await cleanRun('../x', { roots }).catch((error) => error.message);
  assert.match(outcome, 'not a run id');
});

test.run();
