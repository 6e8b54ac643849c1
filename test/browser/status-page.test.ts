// The status page of a real lab in a real browser: what a person sees while a VM moves, while the controller is away,
// on a small screen and in the dark; and that nobody else's page can look.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatMs, ProgressLine } from '../../common/terminal/progress.ts';
import { ORCHESTRATOR } from '../../lab/daemons.ts';
import { prepareWithProgress } from '../../lab/guests.ts';
import { Lab } from '../../lab/lab.ts';
import { Round } from '../../lab/round.ts';
import { CLOUDS, GUEST } from '../../lab/topology.ts';
import { type Look, launchBrowser, REBOUND_NAME, WatchedPage } from './browser.ts';

const { vm } = GUEST;
const STEPS = ['precheck', 'transfer', 'prepare', 'incoming', 'memory', 'hold', 'complete'];
const NARROW = { width: 375, height: 700 };
const WIDE = { width: 1280, height: 800 };
/** The table of migrations is at its narrowest: one pixel less, and it is drawn as blocks. */
const TABLE = { width: 1057, height: 800 };
/** Slow enough that a migration is under way for as long as a test looks at it. */
const SLOW_BYTES_PER_SECOND = 1_500_000;

let lab: Lab;
let round: Round;
let browser: Browser;
let watched: WatchedPage;

/** The browser itself writes into the console that a socket could not be opened; nothing else may be there. */
function assertOnlyCutOff(troubles: readonly string[]): void {
  const refused = /^console: WebSocket connection to 'ws:\/\/127\.0\.0\.1:\d+\/status' failed/;
  assert.equal(
    troubles.filter((words) => !refused.test(words)),
    [],
  );
}

/** What became of a look at the status from a page: a status, or a refusal. */
const PEEK = (page: string): string => `new Promise((resolve) => {
  const socket = new WebSocket('${page.replace(/^http/, 'ws')}status');
  socket.onmessage = () => resolve('seen');
  socket.onerror = () => resolve('refused');
})`;

/** What happened, as the page lists it. */
const HAPPENED = `import('/events.js').then(({ eventItems }) => {
  const items = eventItems([
    { kind: 'controller', node: 'beta', before: 'alpha', atMs: 1 },
    { kind: 'link', a: 'alpha', b: 'beta', verdict: 'down', atMs: 3, endedMs: null },
    { kind: 'link', a: 'beta', b: 'gamma', verdict: 'down', atMs: 2, endedMs: 4 },
  ]);
  return items.map((item) => item.className + ':' + item.textContent.slice(item.firstChild.textContent.length));
})`;

/** A migration in a step of tomorrow and a node with a hypervisor of tomorrow, as the page draws and tells them. */
const OF_TOMORROW = `Promise.all([import('/migrations.js'), import('/cards.js')]).then(([migrations, cards]) => {
  const figures = { memoryBytes: 0, remainingBytes: 0, rateBytesPerSecond: 0, totalMs: 10 };
  const migration = { vm: 'web', from: 'beta', to: 'gamma', step: 'rest', ...figures };
  const capabilities = { family: 'jailhouse', version: '1.0', cpus: 2, memoryMB: 512 };
  const node = { node: 'gamma', cloud: 'gamma', address: '10.0.0.3', role: 'node', up: true, reason: '', capabilities };
  const card = migrations.underWayCard(migration);
  const step = card.querySelector('[aria-current=step]').textContent;
  const machine = cards.cloudCard(node, []).querySelector('p + p').textContent.replaceAll('\u00a0', ' ');
  return [step, card.querySelector('p').textContent, migrations.inWords(migration), machine];
})`;

/** The values that one figure had, in order. */
function valuesOf(looks: readonly Look[], figure: string): number[] {
  return looks.flatMap(({ figures }) => {
    const [, number = '', unit = ''] = /^(?:about )?([\d.]+) (k?B|MB|s)/.exec(figures[figure] ?? '') ?? [];
    return number === '' ? [] : [Number(number) * (unit === 'MB' ? 1e6 : unit === 'kB' ? 1e3 : 1)];
  });
}

function assertRises(values: readonly number[]): void {
  assert.equal(
    values,
    [...values].sort((a, b) => a - b),
  );
}

async function assertReadable(scheme: 'light' | 'dark'): Promise<void> {
  await watched.page.emulateMedia({ colorScheme: scheme });
  const lightness = await watched.lightness();
  assert.ok(scheme === 'dark' ? lightness < 0.1 : lightness > 0.9, `${scheme}: lightness ${lightness}`);
  assert.equal(await watched.hardToRead(), [], scheme);
}

test.before(async () => {
  const line = new ProgressLine();
  lab = await Lab.start(line);
  round = new Round(lab, await prepareWithProgress('tiny', line), line);
  await round.boot();
  browser = await launchBrowser();
  watched = await WatchedPage.open(browser, lab.statusPage);
});

test.after(async () => {
  await browser?.close();
  round?.stop();
  await lab?.stop();
});

test('three clouds are up, and the VM is in the first', async () => {
  assert.equal(await watched.textsOf('#summary'), ['3 of 3 nodes up, 1 VM']);
  for (const { cloud } of CLOUDS) await watched.cloudShows(cloud, /^up$/);
  await watched.cloudShows('alpha', /^running$/);
  await watched.cloudShows('beta', 'no VM');
  assert.equal(await watched.textsOf('#images tbody tr'), ['web', '67.1 MB', '1', 'alpha']);
  assert.equal(watched.takeTroubles(), []);
});

test('a migration is seen as it goes: its steps, its figures, and where it ends', async () => {
  const order = lab.operator.call('vm.migrate', { vm, to: 'beta' });
  await watched.cloudShows('beta', 'expected from alpha');
  await watched.cloudShows('alpha', 'migrating to beta');
  await order;
  await watched.cloudShows('beta', /^running$/);
  const looks = (await watched.looks()).filter(({ step }) => step !== '');
  const steps = [...new Set(looks.map(({ step }) => step))];
  assertRises(steps.map((step) => STEPS.indexOf(step)));
  assert.ok(steps.length >= 2 && steps.includes('memory'), steps.join());
  const sent = valuesOf(looks, 'memory sent');
  assertRises(sent);
  assert.ok(new Set(sent).size >= 5, sent.join());
  for (const figure of ['left', 'rate', 'time left', 'since the order']) {
    assert.ok(new Set(valuesOf(looks, figure)).size >= 2, figure);
  }
  assert.ok(looks.every(({ expected }) => expected === 'beta'));
  const { migration } = await lab.operator.call('vm.show', { vm });
  const hold = formatMs(migration?.holdMs ?? 0);
  const [name, way, , end, , shownHold] = await watched.textsOf('#ended .figures');
  assert.equal([name, way, end, shownHold], ['web', 'alpha \u2192 beta', 'moved', hold]);
  assert.match((await watched.textsOf('#ended .words')).join(), /^from the guest's stop: port closed .* decided /);
  assert.equal(await watched.textsOf('#news'), [`web, alpha to beta: moved to beta, hold ${hold}`]);
  assert.equal(watched.takeTroubles(), []);
});

test('on a narrow screen nothing sticks out, and why a migration failed is said', async () => {
  await watched.page.setViewportSize(NARROW);
  const limit = { maxBandwidthBytesPerSecond: SLOW_BYTES_PER_SECOND };
  const order = lab.operator.call('vm.migrate', { vm, to: 'gamma', ...limit });
  const ended = order.then(() => 'it moved', String);
  const current = watched.page.locator('[aria-current=step]');
  await current.getByText('memory').waitFor();
  assert.is(await watched.tooWidePx(), 0);
  await assertReadable('light');
  await assertReadable('dark');
  await lab.operator.call('migration.cancel', { vm });
  assert.match(await ended, 'cancelled by the operator');
  await watched.page.getByText('stayed at beta: cancelled by the operator').last().waitFor();
  await watched.cloudShows('beta', /^running$/);
  assert.is(await watched.tooWidePx(), 0);
  assert.equal(watched.takeTroubles(), []);
});

test('tables are tables on any screen, and text is readable by day and by night', async () => {
  const rows = watched.page.getByRole('row');
  await watched.page.setViewportSize(WIDE);
  assert.is(await watched.tooWidePx(), 0);
  // Two rows of headings and two migrations of two rows; one row of headings and one image.
  assert.is(await rows.count(), 8);
  assert.is(await watched.page.getByRole('columnheader', { name: 'hold' }).count(), 1);
  await assertReadable('light');
  await assertReadable('dark');
  await watched.page.setViewportSize(TABLE);
  assert.is(await rows.count(), 8);
  assert.is(await watched.tooWidePx(), 0);
  await watched.page.setViewportSize(NARROW);
  assert.is(await rows.count(), 6, 'the headings of the migrations stand beside the figures');
});

test('a step and a hypervisor that the page does not know are shown by their names', async () => {
  const shown = await watched.page.evaluate<string[]>(OF_TOMORROW);
  assert.equal(shown, ['rest', 'step rest', 'web, beta to gamma: step rest', 'jailhouse 1.0; 2 CPUs, 512 MB']);
});

test('what happened is listed, the newest first, and what lasts is marked', async () => {
  const [link, over, controller] = await watched.page.evaluate<string[]>(HAPPENED);
  assert.is(link, 'event lasts: nothing gets through between alpha and beta');
  assert.match(over ?? '', /^event: nothing gets through between beta and gamma; over at \S/);
  assert.is(controller, "event: the overlay's controller is beta, instead of alpha");
});

test('a controller that is killed: the page says that it is cut off, and comes back by itself', async () => {
  lab.cloud('alpha').daemons.get(ORCHESTRATOR.name)?.signal('SIGKILL');
  await watched.says(/^cut off from the controller since \d/);
  await assertReadable('light');
  assert.is(await watched.tooWidePx(), 0);
  await lab.cloud('alpha').startDaemon(ORCHESTRATOR);
  await watched.says(/^live$/);
  await watched.page.getByText('3 of 3 nodes up, 1 VM').waitFor();
  await watched.cloudShows('beta', /^running$/);
  assertOnlyCutOff(watched.takeTroubles());
});

test('a controller that stands still: the page does not pretend, and comes back by itself', async () => {
  const controller = lab.cloud('alpha').daemons.get(ORCHESTRATOR.name);
  controller?.signal('SIGSTOP');
  try {
    await watched.says(/^cut off from the controller since \d/);
  } finally {
    controller?.signal('SIGCONT');
  }
  await watched.says(/^live$/);
  assertOnlyCutOff(watched.takeTroubles());
});

test('a page of another origin, or under another name, sees nothing', async () => {
  const stranger = createServer((_request, response) => response.end('<!doctype html>'));
  stranger.listen(0, '127.0.0.1');
  await once(stranger, 'listening');
  const { port } = stranger.address() as AddressInfo;
  const page = await browser.newPage();
  try {
    await page.goto(`http://127.0.0.1:${port}/`);
    assert.is(await page.evaluate<string>(PEEK(lab.statusPage)), 'refused');
    assert.is(await watched.page.evaluate<string>(PEEK(lab.statusPage)), 'seen', 'its own page is let in');
    const rebound = lab.statusPage.replace('127.0.0.1', REBOUND_NAME);
    assert.is((await page.goto(rebound))?.status(), 403);
  } finally {
    await page.close();
    stranger.closeAllConnections();
    stranger.close();
  }
});

test('one load, nothing asked of anybody else, and no order can be given', async () => {
  assert.equal(watched.takeTroubles(), []);
  assert.is(watched.loads, 1);
  const { origin } = new URL(lab.statusPage);
  assert.ok(watched.requests.length > 5);
  assert.ok(watched.requests.every((url) => url.startsWith(`${origin}/`)));
  assert.is(await watched.page.locator('button, input, form, a').count(), 0);
});

test.run();
