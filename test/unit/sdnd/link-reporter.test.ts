// An agent's session about its links: all at its beginning, then what is new, and all again after anything was lost; and
// the peers on its disk.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { realDisk } from '../../../common/disk/disk.ts';
import { OperationError } from '../../../common/errors.ts';
import { KeptPeers } from '../../../sdnd/topology/kept-peers.ts';
import { LinkReporter } from '../../../sdnd/topology/link-reporter.ts';
import type { LinkFigures } from '../../../sdnd/topology/peer-link.ts';
import type { sdndContract } from '../../../wire/contracts/sdnd.ts';
import type { ProbePeer } from '../../../wire/contracts/topology.ts';
import { quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { FakeDaemon } from '../orchestrator/fake-cluster.ts';

const BETA: ProbePeer = { node: 'beta', address: '10.77.0.2', isClose: true };
const FIGURES: LinkFigures = {
  ...{ peer: 'beta', hearing: 'heard', isHeard: true, roundTripMs: 3, variationMs: 0, loss: 0, provedBytes: 0 },
};

async function settle(): Promise<void> {
  for (let round = 0; round < 20; round++) await turn();
}

/** A controller that notes what it is told; `end` ends the session as a lost connection does. */
function stand() {
  const told: string[] = [];
  const peers: string[] = [];
  const clock = new TurnedClock();
  const session = { end: (): void => undefined };
  let news: LinkFigures[] = [];
  const controller = new FakeDaemon<typeof sdndContract>('sdnd', [], {
    'links.join': ({ links }, { onProgress, signal }) => {
      told.push(`join ${links.length}`);
      onProgress?.({ peers: [BETA] });
      return new Promise((_, reject) => {
        session.end = () => reject(new OperationError('CONNECTION_LOST', 'lost'));
        signal?.addEventListener('abort', () => session.end());
      });
    },
    'links.report': ({ links }) => {
      told.push(`report ${links.length}`);
      return {};
    },
  });
  const reporter = new LinkReporter({
    controllers: [controller],
    figures: (isAll) => (isAll ? [FIGURES, FIGURES] : news.splice(0)),
    peers: (all) => peers.push(all.map(({ node }) => node).join(' ')),
    clock,
    log: quiet,
  });
  return {
    ...{ told, peers, clock, controller, reporter },
    end: () => session.end(),
    happens: (...more: LinkFigures[]) => {
      news = more;
      reporter.tell();
      return settle();
    },
  };
}

test('all at the beginning, then only what is new', async () => {
  const { told, peers, reporter, happens } = stand();
  await settle();
  await happens();
  await happens(FIGURES);
  assert.equal(told, ['join 2', 'report 1']);
  assert.equal(peers, ['beta']);
  reporter.stop();
});

test('while the controller is away nothing is told, and after it all', async () => {
  const { told, clock, controller, reporter, end, happens } = stand();
  await settle();
  controller.isAway = true;
  end();
  await settle();
  await happens(FIGURES);
  clock.turn(3_000);
  await settle();
  assert.equal(told, ['join 2']);
  controller.isAway = false;
  clock.turn(1_000);
  await settle();
  assert.equal(told, ['join 2', 'join 2']);
  reporter.stop();
});

test('a report that may not have been heard ends the session, and the next one begins with all', async () => {
  const { told, clock, controller, reporter, happens } = stand();
  await settle();
  controller.answers['links.report'] = () => {
    throw new OperationError('SESSION_UNKNOWN', 'who is that');
  };
  await happens(FIGURES);
  clock.turn(1_000);
  await settle();
  assert.equal(told, ['join 2', 'join 2']);
  reporter.stop();
  assert.is(clock.timers, 0);
});

test('one that stands by is passed over, and the one that was active is the first to be asked again', async () => {
  const asked: string[] = [];
  const clock = new TurnedClock();
  let active = 'beta';
  let end = (): void => undefined;
  const controllers = ['alpha', 'beta'].map(
    (name) =>
      new FakeDaemon<typeof sdndContract>(name, asked, {
        'links.join': (_, { onProgress }) => {
          if (name !== active) throw new OperationError('NOT_ACTIVE', 'it stands by');
          onProgress?.({ peers: [BETA] });
          return new Promise((resolve) => {
            end = () => resolve({});
          });
        },
      }),
  );
  const reporter = new LinkReporter({ controllers, figures: () => [], peers: () => undefined, clock, log: quiet });
  await settle();
  const next = async (): Promise<void> => {
    clock.turn(1_000);
    await settle();
  };
  await next();
  assert.equal(asked.splice(0), ['alpha links.join', 'beta links.join']);
  active = 'alpha';
  end();
  await settle();
  await next();
  await next();
  assert.equal(asked.splice(0), ['beta links.join', 'alpha links.join']);
  reporter.stop();
});

test('peers are kept over a restart; what is none is passed over', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'peers-'));
  const kept = new KeptPeers(realDisk, folder, quiet);
  assert.equal(await kept.read(), []);
  await kept.keep([BETA]);
  assert.equal(await new KeptPeers(realDisk, folder, quiet).read(), [BETA]);
  for (const bad of ['', '{}', '[{"node":"beta"}]']) {
    await realDisk.replace(join(folder, 'probe-peers.json'), Buffer.from(bad));
    assert.equal(await kept.read(), []);
  }
  rmSync(folder, { recursive: true });
});

test.run();
