// The words in which a person says how blocks get to other places.
import { InvalidArgumentError } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_SETTINGS } from '../../../blockd/propagation/default-settings.ts';
import { changed, setCommand } from '../../../cli/commands/propagation.ts';
import { describeSettings, money, price, rate, ratio, transitionsOf } from '../../../cli/commands/propagation-words.ts';
import { codeOf } from '../../../common/errors.ts';
import { SchemaCheck } from '../../../common/schema-check.ts';
import { PropagationSettings } from '../../../wire/contracts/propagation.ts';

const noFile = (): string => assert.unreachable() ?? '';
const isUsage = (error: Error): boolean => codeOf(error) === 'USAGE';
const isRefused = (error: Error): boolean => error instanceof InvalidArgumentError;

test('limits are numbers, or none', () => {
  assert.equal([rate('5'), rate('0.5'), rate('none')], [5_000_000, 500_000, null]);
  assert.equal([ratio('auto'), ratio('0.25')], ['auto', 0.25]);
  assert.equal(
    [money('2.50/30d'), money('1/90s'), money('none')],
    [{ budget: 2.5, windowSeconds: 2_592_000 }, { budget: 1, windowSeconds: 90 }, null],
  );
  for (const text of ['', 'fast', '-1', '1e400']) assert.throws(() => rate(text), isRefused);
  for (const text of ['5', '5/0d', '5/2w', 'x/1d', '/1d']) assert.throws(() => money(text), isRefused);
});

test('prices add up, and none takes them back', () => {
  const first = price('alpha:beta:0.09');
  assert.equal(price('beta:alpha:.12', first), [
    { from: 'alpha', to: 'beta', perGb: 0.09 },
    { from: 'beta', to: 'alpha', perGb: 0.12 },
  ]);
  assert.equal(price('none', first), []);
  assert.throws(() => price('alpha:beta'), isRefused);
});

test('transitions are cells, or files of them', () => {
  const cell = { from: 'alpha', to: 'beta', probability: 0.7 };
  assert.equal(transitionsOf(['alpha:beta:0.7'], noFile), [cell]);
  assert.equal(
    transitionsOf(['moves'], () => '# mine\nalpha:beta:0.7 # often\n\n'),
    [cell],
  );
  assert.equal(transitionsOf(['none'], noFile), []);
  assert.throws(() => transitionsOf(['alpha:beta:1.5'], noFile), isUsage);
  assert.throws(() => transitionsOf(['moves'], () => 'alpha beta 0.7'), isUsage);
});

test('what is set is shown, limits that are not there too', () => {
  const settings: PropagationSettings = {
    ...{ policy: { mode: 'proactive' }, k: 1_000, s: 'auto', rateBytesPerSecond: 5_000_000, money: null },
    ...{ prices: [], transitions: [{ from: 'alpha', to: 'beta', probability: 0.7 }], snapshots: null },
  };
  assert.equal(describeSettings(settings), [
    "policy       proactive: a migration's memory waits up to 10 s for blocks that go ahead",
    'K            1000',
    'S            auto',
    'rate         5 MB/s',
    'money        no limit',
    'transition   alpha to beta: 0.7',
  ]);
});

test('none takes a limit away, as it is typed', () => {
  const check = new SchemaCheck(PropagationSettings);
  const before: PropagationSettings = {
    ...{ policy: { mode: 'proactive' }, k: 1_000, s: 1, rateBytesPerSecond: 5_000_000 },
    ...{ money: { budget: 2.5, windowSeconds: 90 }, prices: [{ from: 'alpha', to: 'beta', perGb: 1 }] },
    ...{ transitions: [], snapshots: { everySeconds: 60, place: 'beta', keep: 3 } },
  };
  setCommand.parseOptions(['--rate', 'none', '--money', 'none', '--price', 'none', '--snapshots', 'none']);
  const after = changed(before, setCommand.opts());
  assert.ok(check.accepts(after), check.fault(after));
  assert.equal(after, { ...before, rateBytesPerSecond: null, money: null, prices: [], snapshots: null });
});

test('a budget is shown as it is typed', () => {
  for (const text of ['2.5/30d', '1/90s', '3/2h', '4/5m']) {
    const settings = { ...DEFAULT_SETTINGS, money: money(text) };
    const [budget, length] = text.split('/');
    assert.ok(describeSettings(settings).includes(`money        ${budget} in any ${length}`), text);
  }
});

test.run();
