// What the benchmark of NBD makes of its samples: ratios to the peers, and how much of a ratio the client can show at all.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CASES, type NbdCase } from '../../bench/nbd-cases.ts';
import { parseFio, type Sample } from '../../bench/nbd-load.ts';
import { SERVERS, type ServerName } from '../../bench/nbd-servers.ts';
import { type CaseResult, ceilingOf, perProcessor, verdictsOf } from '../../bench/nbd-verdict.ts';

type Figures = readonly [perSecond: number, cpuUs: number, clientUs: number];

function caseNamed(name: string): NbdCase {
  const load = CASES.find((one) => one.name === name);
  if (load === undefined) throw new Error(`there is no case ${name}`);
  return load;
}

function resultOf(name: string, figures: readonly Figures[]): CaseResult {
  const samples = new Map<ServerName, Sample[]>();
  for (const [index, server] of SERVERS.entries()) {
    const [perSecond, cpuUs, clientUs] = figures[index] ?? [Number.NaN, Number.NaN, Number.NaN];
    samples.set(server, [{ perSecond, bytesPerSecond: perSecond * 4096, p99Us: 1, cpuUs, clientUs }]);
  }
  return { load: caseNamed(name), samples, calls: new Map() };
}

const FIGURES: readonly Figures[] = [
  [150_000, 4, 6],
  [100_000, 9, 8],
  [50_000, 10, 7],
  [75_000, 12, 10],
];

test('the ceiling is where the client fills a processor, at what it costs it least', () => {
  assert.is(Math.round(ceilingOf(resultOf('read-qd32', FIGURES))), 166_667);
  assert.is(perProcessor(resultOf('read-qd32', FIGURES), 'supercloud'), 2.25);
  const untold = FIGURES.map(([rate, cpuUs]): Figures => [rate, cpuUs, Number.NaN]);
  assert.ok(Number.isNaN(ceilingOf(resultOf('read-qd32', untold))));
});

test('at depth 32 what the client allows stands beside what is required, and excuses nothing', () => {
  for (const name of ['read-qd32', 'qemu-img-write-qd32']) {
    const required = verdictsOf([resultOf(name, FIGURES)]).filter(({ isRequired }) => isRequired);
    assert.equal(
      required.map(({ reached }) => reached),
      [false, true],
    );
    assert.match(required[0]?.seen ?? '', '1.50 (the client allows 1.67 of nbdkit; per processor time 2.25 of nbdkit)');
  }
  const alone = verdictsOf([resultOf('read-qd1', FIGURES)]);
  assert.is(alone[0]?.seen, '1.50');
});

test("fio's own processor time is told per operation", () => {
  const side = (total: number) => ({ total_ios: total, iops: 10, bw_bytes: 20, clat_ns: { percentile: {} } });
  const job = { read: side(0), write: side(50_000), usr_cpu: 30, sys_cpu: 20, job_runtime: 1_000 };
  const { total, sample } = parseFio(`fio says\n${JSON.stringify({ jobs: [job] })}`);
  assert.is(total, 50_000);
  assert.is(sample.clientUs, 10);
});

test.run();
