// What `supercloud net trace` prints.
import { stripVTControlCharacters } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeTrace } from '../../../cli/trace-text.ts';
import type { NetworkTrace, TraceRule, TraceWalk } from '../../../wire/contracts/trace.ts';

const MAC = '02:88:00:00:00:01';

function rule(table: string, says: string, epoch: number | null = null): TraceRule {
  return { table, priority: 200, cookie: '0x0100000100000003', writer: 'controller', epoch, says, entry: '' };
}

const OPEN = rule('gate-out', 'the port is open');
const WANTED: TraceWalk = {
  verdict: 'delivered',
  why: 'it comes to db at port tapdb of beta',
  roundTripMs: 75.2,
  hops: [
    {
      node: 'alpha',
      entersBy: 'tapweb',
      rules: [rule('forward', 'to db: by the tunnel to 10.77.0.2', 3)],
      leaves: [{ by: 'vxlan0', to: 'beta', roundTripMs: 75.2 }],
    },
    { node: 'beta', entersBy: 'vxlan0', rules: [OPEN], leaves: [{ by: 'tapdb', to: null, roundTripMs: null }] },
  ],
};
const TRACE: NetworkTrace = {
  from: { owner: 'web', node: 'alpha', mac: MAC, ip: '10.88.0.1', tenant: 1 },
  to: { owner: 'db', node: 'beta', mac: MAC, ip: '10.88.0.2', tenant: 1 },
  wanted: WANTED,
  real: null,
  differences: [],
};

function lines(trace: NetworkTrace): string[] {
  return stripVTControlCharacters(describeTrace(trace))
    .split('\n')
    .map((line) => line.trimEnd());
}

test('a verdict, then each switch with its rules and the way on', () => {
  assert.equal(lines(TRACE), [
    'a ping of web (10.88.0.1) at alpha to db (10.88.0.2) at beta',
    'by the rules that are wanted it is let through: it comes to db at port tapdb of beta, 75 ms there and back',
    '',
    'alpha, in by tapweb',
    'TABLE    PRIO  BY                   RULE',
    'forward   200  controller, epoch 3  to db: by the tunnel to 10.77.0.2',
    '  vxlan0 ── 75 ms ──> beta',
    '',
    'beta, in by vxlan0',
    'TABLE     PRIO  BY          RULE',
    'gate-out   200  controller  the port is open',
    '  out by tapdb',
  ]);
});

test('what was not measured is said so, and of one switch no latency is told', () => {
  const unmeasured = { ...WANTED, roundTripMs: null };
  assert.match(lines({ ...TRACE, wanted: unmeasured })[1] ?? '', /beta, not every link was measured$/);
  const near = { ...WANTED, hops: WANTED.hops.slice(1), roundTripMs: 0 };
  assert.match(lines({ ...TRACE, wanted: near })[1] ?? '', /of beta$/);
});

test('the switches as they are: the same, or where they differ', () => {
  assert.equal(lines({ ...TRACE, real: WANTED }).slice(-2), [
    'by the tables of the switches it is let through: it comes to db at port tapdb of beta, 75 ms there and back',
    'the switches on this way have the rules that are wanted',
  ]);
  const why = 'it ends at beta in gate-out: the port of db is closed';
  const real: TraceWalk = { ...WANTED, verdict: 'dropped', why, roundTripMs: null };
  const differences = [{ node: 'beta', table: 'gate-out', wanted: OPEN, real: null }];
  assert.equal(lines({ ...TRACE, real, differences }).slice(-4), [
    `by the tables of the switches it is not let through: ${why}, not every link was measured`,
    'beta differs in gate-out:',
    '  wanted: the port is open (priority 200, cookie 0x0100000100000003, controller)',
    '  there:  no rule',
  ]);
});

test.run();
