// The WAN emulator between two real network namespaces, judged by ping: delay, cut and loss hold, and change while
// frames flow. Needs root; touches only the namespaces it makes.
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CommandFailed, createNamespaces, createVethPairs, destroyNamespaces, runIn } from '../../lab/namespace.ts';
import { drawRunId } from '../../lab/run-directory.ts';
import { startWan, type Wan, WanFailed } from '../../lab/wan/wan.ts';
import { until } from '../until.ts';

const LIMIT_MS = 180_000;
const runId = drawRunId();
const [near, far, middle] = ['near', 'far', 'wan'].map((role) => `sc-${runId}-${role}`) as [string, string, string];
const FAR_ADDRESS = '10.78.0.2';
const FAR_MAC = '02:78:00:00:00:02';
let wan: Wan;

interface Pings {
  /** Answers by now. */
  received(): Promise<number>;
  readonly leastMs: number;
}

/** Pings the far end through the WAN. No answer at all makes ping end with an error, which is an outcome here. */
async function ping(count: number): Promise<Pings> {
  const before = await answers();
  const args = ['-q', '-n', '-c', String(count), '-i', '0.01', '-W', '1', FAR_ADDRESS];
  const said = await runIn(near, 'ping', args).catch((error) => {
    if (error instanceof CommandFailed && error.stdout !== '') return error.stdout;
    throw error;
  });
  const received = async (): Promise<number> => (await answers()) - before;
  return { received, leastMs: Number(/= ([\d.]+)\//.exec(said)?.[1] ?? Number.NaN) };
}

/** Echo replies that the near end's kernel has received (RFC 2011, icmpInEchoReps), also those that came after ping had ended. */
async function answers(): Promise<number> {
  const [names, values] = (await runIn(near, 'cat', ['/proc/self/net/snmp']))
    .split('\n')
    .filter((line) => line.startsWith('Icmp: '))
    .map((line) => line.split(' '));
  return Number(values?.[names?.indexOf('InEchoReps') ?? -1]);
}

/** Waits until so many answers have come: ping itself waits for the last hardly longer than another has taken. */
function receives({ received }: Pings, count: number): Promise<void> {
  return until(`${count} pings are answered`, async () => (await received()) === count);
}

async function lossOn(from: string, to: string): Promise<number> {
  const { perLink } = await wan.stats();
  return perLink.find((link) => link.from === from && link.to === to)?.lost ?? Number.NaN;
}

test.before(async () => {
  await createNamespaces([near, far, middle]);
  await createVethPairs([
    [
      { namespace: near, device: 'uplink', address: '10.78.0.1/24', mac: '02:78:00:00:00:01' },
      { namespace: middle, device: 'near' },
    ],
    [
      { namespace: far, device: 'uplink', address: `${FAR_ADDRESS}/24`, mac: FAR_MAC },
      { namespace: middle, device: 'far' },
    ],
  ]);
  // The near end knows the far MAC address, so that a lossy ping counts pings and not the ARP before them.
  await runIn(near, 'ip', ['neigh', 'add', FAR_ADDRESS, 'lladdr', FAR_MAC, 'dev', 'uplink']);
  await runIn(far, 'ip', ['neigh', 'add', '10.78.0.1', 'lladdr', '02:78:00:00:00:01', 'dev', 'uplink']);
  const ports = ['near', 'far'].map((name) => ({ name, device: name }));
  wan = await startWan({ namespace: middle, ports, links: [{ from: 'near', to: 'far', delayMs: 20 }] });
});

test.after(async () => {
  await wan?.stop();
  await destroyNamespaces([near, far, middle]);
});

test('the delay of each direction holds, and a change takes effect at once', async () => {
  const one = await ping(5);
  await receives(one, 5);
  assert.ok(one.leastMs >= 20, `${one.leastMs} ms`);
  await wan.set('far', 'near', { delayMs: 40 });
  const both = await ping(5);
  await receives(both, 5);
  assert.ok(both.leastMs >= 60, `${both.leastMs} ms`);
  await wan.setBoth('near', 'far', { delayMs: 1 });
  const short = await ping(20);
  assert.ok(short.leastMs >= 2 && short.leastMs < both.leastMs, `${short.leastMs} ms`);
});

test('a cut of one direction stops everything, and its end lets all through', async () => {
  const before = await lossOn('far', 'near');
  await wan.set('far', 'near', { up: false });
  const cut = await ping(5);
  await until('all five are lost', async () => (await lossOn('far', 'near')) === before + 5);
  assert.is(await cut.received(), 0);
  await wan.set('far', 'near', { up: true });
  await receives(await ping(5), 5);
});

test('loss takes about its share', async () => {
  await wan.set('near', 'far', { lossPercent: 30 });
  const before = await lossOn('near', 'far');
  const pings = await ping(300);
  const lossSoFar = async (): Promise<number> => (await lossOn('near', 'far')) - before;
  await until('each is answered or lost', async () => (await pings.received()) + (await lossSoFar()) === 300);
  const lost = await lossSoFar();
  await wan.set('near', 'far', { lossPercent: 0 });
  assert.ok(lost > 45 && lost < 150, `${lost} of 300 lost`);
});

test('a setting out of its limits or a port that is not there is refused, and the WAN goes on', async () => {
  const refused = await Promise.allSettled([
    wan.set('near', 'far', { delayMs: -1 }),
    wan.set('near', 'sea', { up: true }),
  ]);
  assert.equal(
    refused.map(({ status }) => status),
    ['rejected', 'rejected'],
  );
  await receives(await ping(1), 1);
});

test('it counts its lateness and lost nothing itself', async () => {
  const { worstLatenessMs, departures, overruns } = await wan.stats();
  assert.ok(departures > 400 && worstLatenessMs > 0);
  assert.is(overruns, 0);
});

test('an emulator that dies is reported', async () => {
  process.kill(wan.pid ?? 0, 'SIGKILL');
  const outcome = await wan.stats().catch((error) => error);
  assert.instance(outcome, WanFailed);
});

// One bound for all: uvu has none of its own.
void sleep(LIMIT_MS, undefined, { ref: false }).then(async () => {
  console.error(`the WAN test took longer than ${LIMIT_MS} ms`);
  await destroyNamespaces([near, far, middle]);
  process.exit(1);
});

test.run();
