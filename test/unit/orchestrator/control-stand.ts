// What the orchestrator's tests stand on: its real rooms and its real state on a disk, a cluster of fakes, and a clock
// that a test turns. The orchestrator can be stopped and started again on the same state.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OperationError } from '../../../common/errors.ts';
import { Admission } from '../../../orchestrator/admission.ts';
import { BackgroundPulls } from '../../../orchestrator/images/background-pulls.ts';
import { Images } from '../../../orchestrator/images/images.ts';
import { LayerSweep } from '../../../orchestrator/images/layer-sweep.ts';
import { StoreWatch } from '../../../orchestrator/images/store-watch.ts';
import { MachineReports } from '../../../orchestrator/machine-reports.ts';
import { Migrations } from '../../../orchestrator/migration/migrations.ts';
import { Network } from '../../../orchestrator/network/network.ts';
import { SecurityGroups } from '../../../orchestrator/network/security-groups.ts';
import { Patience } from '../../../orchestrator/patience.ts';
import { type MigrationRecord, State } from '../../../orchestrator/state.ts';
import { Vms } from '../../../orchestrator/vms.ts';
import type { MigrationState } from '../../../wire/contracts/cluster-state.ts';
import { refusal } from '../../refusal.ts';
import { quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { FakeCluster } from './fake-cluster.ts';

/** The clock goes on by this once the disk has nothing to do. */
const TURN_MS = 100;
/** Two virtual minutes; what is not over then hangs. */
const TURNS_MAX = 1_200;

/** One life of the orchestrator. */
class Control {
  readonly stopping = new AbortController();
  readonly state: State;
  readonly reports: MachineReports;
  readonly pulls: BackgroundPulls;
  readonly images: Images;
  readonly migrations: Migrations;
  readonly groups: SecurityGroups;
  readonly vms: Vms;
  readonly network: Network;

  constructor(state: State, cluster: FakeCluster, clock: TurnedClock) {
    const base = { state, clock, cluster, log: quiet, admission: new Admission(state) };
    const patience = new Patience({ ...base, stopping: this.stopping.signal });
    const reports = new MachineReports({
      ...{ ...base, changed: () => state.changed() },
      heard: (node) => cluster.down.delete(node),
    });
    const pulls = new BackgroundPulls(base);
    const startPull = pulls.startSoon.bind(pulls);
    const sweep = new LayerSweep(base);
    const stores = new StoreWatch(base);
    const shared = { ...base, stores, patience, reports, pulls, startPull, sweep };
    this.state = state;
    this.reports = reports;
    this.pulls = pulls;
    this.images = new Images(shared);
    this.migrations = new Migrations(shared);
    this.groups = new SecurityGroups(base);
    this.network = new Network({ ...shared, groups: this.groups });
    const { images, migrations, groups, network } = this;
    this.vms = new Vms({ ...shared, images, migrations, groups, network });
  }
}

/** The state, each of whose commits is noted until it is done. */
function noted(state: State, commits: Set<Promise<unknown>>): State {
  const note = (commit: Promise<unknown>): void => {
    const done = (): void => void commits.delete(commit);
    commits.add(commit);
    commit.then(done, done);
  };
  return new Proxy(state, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...words: unknown[]): unknown => {
        const answer: unknown = Reflect.apply(value, target, words);
        if (answer instanceof Promise) note(answer);
        return answer;
      };
    },
  });
}

export class ControlStand {
  readonly clock = new TurnedClock();
  readonly cluster = new FakeCluster();
  readonly #directory = mkdtempSync(join(tmpdir(), 'supercloud-control-'));
  /** Commits that the disk has not answered yet. */
  readonly #commits = new Set<Promise<unknown>>();
  #control: Control | undefined;

  static async open(): Promise<ControlStand> {
    const stand = new ControlStand();
    await stand.start();
    return stand;
  }

  async start(): Promise<void> {
    const state = noted(await State.open(this.#directory), this.#commits);
    this.#control = new Control(state, this.cluster, this.clock);
  }

  get control(): Control {
    if (this.#control === undefined) throw new Error('the orchestrator is not started');
    return this.#control;
  }

  /** As by a signal: everything that waits is told, and nothing is written any more. */
  async stop(): Promise<void> {
    this.control.stopping.abort();
    await this.#rest(5);
    await this.control.state.close();
    this.#control = undefined;
  }

  async close(): Promise<void> {
    if (this.#control !== undefined) await this.stop();
    rmSync(this.#directory, { recursive: true });
  }

  migrate(to = 'beta', watch: (state: MigrationState) => void = () => undefined): Promise<MigrationState> {
    return this.control.migrations.migrate('web', to, {}, watch);
  }

  /** The VM's newest migration. */
  migration(): MigrationRecord {
    const [newest] = this.control.state.all('migrations').sort((a, b) => b.epoch - a.epoch);
    if (newest === undefined) throw new Error('there is no migration');
    return newest;
  }

  /** Lets time pass until it is over; fails when it is not in two minutes. */
  async over<T>(promise: Promise<T>): Promise<T> {
    let isOver = false;
    const end = (): void => {
      isOver = true;
    };
    promise.then(end, end);
    await this.until(() => isOver);
    return promise;
  }

  /** Lets time pass until the VM's newest migration is at a step. */
  untilStep(step: MigrationState['step']): Promise<void> {
    return this.until(() => this.control.state.all('migrations').some((migration) => migration.step === step));
  }

  async until(isSo: () => boolean): Promise<void> {
    for (let turns = 0; !isSo(); turns++) {
      if (turns === TURNS_MAX) throw new Error(`not within ${TURNS_MAX * TURN_MS} ms of the turned clock`);
      await this.#rest(1);
      if (!isSo()) this.clock.turn(TURN_MS);
    }
  }

  /** Until the disk has answered: the time that it takes is none of the turned clock's. */
  async #rest(leastMs: number): Promise<void> {
    do await delay(leastMs);
    while (this.#commits.size > 0);
  }

  /** The refusal that it ends with. */
  refusal(promise: Promise<unknown>): Promise<OperationError> {
    return refusal(this.over(promise));
  }
}
