// What the cluster's tests stand on: one lab of real daemons with the tiny guest and its user, and what is looked at
// again and again. Not a test itself; it judges nothing but the guest.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { messageOf, OperationError } from '../../common/errors.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { type GuestStatus, guestProblems } from '../../lab/guest/status.ts';
import { prepareWithProgress } from '../../lab/guests.ts';
import { Lab, type Operator } from '../../lab/lab.ts';
import { namespacePids } from '../../lab/namespace.ts';
import { Round } from '../../lab/round.ts';
import { GUEST, THREE_CLOUDS } from '../../lab/topology.ts';
import type { Visitor } from '../../lab/visitor/visitor.ts';

const { vm } = GUEST;
const POLL_MS = 200;
/** A cut connection is given up after 15 to 20 s, and then made anew; a busy machine takes its time. */
const RECOVERY_MS = 120_000;

/** A migration that is under way. */
export interface Order {
  /** Why it did not move; undefined when it has. */
  readonly ended: Promise<OperationError | undefined>;
}

export class ClusterStand {
  readonly lab: Lab;
  readonly #round: Round;

  private constructor(lab: Lab, round: Round) {
    this.lab = lab;
    this.#round = round;
  }

  /** A cluster of three clouds with the VM running in the first. On failure nothing is left. */
  static async start(topology = THREE_CLOUDS): Promise<ClusterStand> {
    const line = new ProgressLine();
    const guest = await prepareWithProgress('tiny', line);
    const lab = await Lab.start(line, topology);
    const stand = new ClusterStand(lab, new Round(lab, guest, line));
    try {
      await stand.#round.boot();
      return stand;
    } catch (error) {
      await stand.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#round.stop();
    await this.lab.stop();
  }

  get operator(): Operator {
    return this.lab.operator;
  }
  get visitor(): Visitor {
    return this.#round.visitor;
  }

  /** The VM runs at the cloud, was never restarted, and its disk and memory are whole. */
  async assertRunsAt(cloud: string): Promise<void> {
    const state = await this.operator.call('vm.show', { vm });
    assert.is(state.cloud, cloud);
    assert.is(state.state, 'running');
    assert.equal(guestProblems(await this.visitor.ask('status')), []);
    const tcp = await this.visitor.mark();
    assert.is(tcp.lost, '');
  }

  /** Since then the guest was not restarted; it goes on, and so does the connection of its user. */
  async assertGoesOn(then: GuestStatus): Promise<void> {
    await until('the guest works and its user is answered', async () => {
      const { verified } = await this.visitor.ask('status');
      const { echoed } = await this.visitor.mark();
      return verified > then.verified && echoed > 0 ? '' : `${verified} records verified, ${echoed} echoes`;
    });
    const now = await this.visitor.ask('status');
    assert.equal(guestProblems(now), []);
    assert.is(now.bootId, then.bootId);
    const { lost, wrong } = await this.visitor.mark();
    assert.equal({ lost, wrong }, { lost: '', wrong: 0 });
  }

  /** Orders a migration and answers when its memory is on the way. */
  async migrateUntilMemory(to: string, maxBandwidthBytesPerSecond?: number): Promise<Order> {
    const { promise: memory, resolve: begun } = Promise.withResolvers<void>();
    const rate = maxBandwidthBytesPerSecond === undefined ? {} : { maxBandwidthBytesPerSecond };
    const order = this.operator.call(
      'vm.migrate',
      { vm, to, ...rate },
      {
        onProgress: ({ step, memoryBytes }) => {
          if (step === 'memory' && memoryBytes > 0) begun();
        },
      },
    );
    const ended = order.then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof OperationError) return error;
        throw error;
      },
    );
    const early = ended.then((error) => Promise.reject(error ?? new Error('it moved before its memory was seen')));
    await Promise.race([memory, early]);
    return { ended };
  }

  /**
   * Waits until every daemon answers, every switch has the wanted flows and the VM runs in one cloud and has a machine
   * nowhere else; answers which cloud that is.
   */
  async recovered(): Promise<string> {
    await until('every node is up', async () => {
      const { nodes } = await this.operator.call('node.list', {});
      return nodes
        .filter(({ up }) => !up)
        .map(({ node, reason }) => `${node}: ${reason}`)
        .join();
    });
    await until('catalogue and block daemons answer', async () =>
      (await this.operator.call('image.show', { image: GUEST.image })).unreachable.join(),
    );
    await until('the flows are the wanted ones', async () => {
      const { switches } = await this.operator.call('network.verify', {});
      const wrong = switches.filter(({ connected, differences }) => !connected || differences.length > 0);
      return wrong.map(({ node, connected, differences }) => `${node}: ${connected}, ${differences.join()}`).join();
    });
    let place = '';
    await until('the VM runs at one place', async () => {
      const { cloud, state } = await this.operator.call('vm.show', { vm });
      const machines = this.machines();
      place = cloud;
      return state === 'running' && machines.join() === cloud
        ? ''
        : `${state} at ${cloud}, machines: ${machines.join()}`;
    });
    return place;
  }

  /** The clouds in which a machine lives, whatever it is at. */
  machines(): string[] {
    return this.lab.clouds.filter(({ namespace }) => qemus(namespace).length > 0).map(({ plan }) => plan.cloud);
  }
}

/** The processes of virtual machines inside a namespace. */
export function qemus(namespace: string): number[] {
  return namespacePids(namespace).filter(isQemu);
}

function isQemu(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('qemu-system');
  } catch {
    return false; // It has ended meanwhile.
  }
}

/** Looks until nothing is wrong any more; a look that fails is not the end. @throws Error with what was wrong last */
export async function until(what: string, look: () => Promise<string>, limitMs = RECOVERY_MS): Promise<void> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const wrong = await look().catch(messageOf);
    if (wrong === '') return;
    if (performance.now() > endMs) throw new Error(`not within ${limitMs} ms: ${what} (${wrong})`);
    await sleep(POLL_MS);
  }
}
