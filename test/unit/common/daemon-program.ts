// The program that the daemon test runs: it behaves as its configuration says.
import { once } from 'node:events';
import { Type } from '#typebox';
import { runDaemon } from '../../../common/daemon.ts';

await runDaemon('program', Type.Object({ behaviour: Type.String() }), async ({ behaviour }, { log, signal }) => {
  const awake = setInterval(() => undefined, 1000);
  const held = once(process, 'SIGUSR2');
  log.info({ behaviour }, 'starting');
  if (behaviour === 'fail to start') throw new TypeError('a mistake');
  if (behaviour === 'slow start') await once(signal, 'abort');
  if (behaviour === 'tell secrets') log.info({ secret: 'hush', body: { token: 'hush', key: 'hush' } }, 'told');
  if (behaviour === 'reject') setImmediate(() => void Promise.reject(new TypeError('a mistake')));
  if (behaviour === 'throw') {
    setImmediate(() => {
      throw new TypeError('a mistake');
    });
  }
  return {
    async close() {
      log.info('closing');
      if (behaviour === 'held stop') await held;
      if (behaviour === 'slow stop') await new Promise(() => undefined);
      clearInterval(awake);
    },
  };
});
