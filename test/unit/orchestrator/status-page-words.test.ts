// The sentences of the status page: none of a migration's steps is shown by its bare name.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MigrationStep } from '../../../wire/contracts/cluster-state.ts';

const PAGE = new URL('../../../orchestrator/status-page/migrations.js', import.meta.url).href;

test('each step of a migration has its sentence', async () => {
  const { inWords }: { inWords: (migration: object) => string } = await import(PAGE);
  for (const { const: step } of MigrationStep.anyOf) {
    const said = inWords({ vm: 'web', from: 'alpha', to: 'beta', reason: 'a reason', holdMs: 9, step });
    assert.not.match(said, `step ${step}`);
  }
  assert.match(inWords({ vm: 'web', from: 'alpha', to: 'beta', step: 'unheard-of' }), 'step unheard-of');
});

test.run();
