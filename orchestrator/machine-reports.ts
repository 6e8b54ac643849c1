// What the nodes' agents said last of their machines: whether a VM that should run still does. Told, never decided
// here; a node that does not answer leaves what was known. An orchestrator that has just started asks all of them.
import type { Clock } from '../common/clock.ts';
import { messageOf } from '../common/errors.ts';
import type { Log } from '../common/log.ts';
import type { Cluster } from './cluster.ts';

/** A person's question waits so long for the first look: some round trips; a node that is away takes no longer. */
const FIRST_LOOK_MS = 3_000;

interface Report {
  readonly askedMs: number;
  /** VMs that have a process, whatever it is at. */
  readonly living: ReadonlySet<string>;
}

export class MachineReports {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #changed: () => void;
  readonly #heard: (node: string) => void;
  readonly #reports = new Map<string, Report>();
  readonly #asking = new Set<string>();
  /** When a VM's machine was begun where its record is; earlier reports do not know of it. */
  readonly #begunMs = new Map<string, number>();
  #firstLook: Promise<void> = Promise.resolve();

  constructor(options: {
    cluster: Cluster;
    clock: Clock;
    log: Log;
    changed: () => void;
    /** A node has answered, which is a sign of life. */
    heard: (node: string) => void;
  }) {
    this.#cluster = options.cluster;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#changed = options.changed;
    this.#heard = options.heard;
  }

  /** At the start, when of no node it is known whether it is there and what runs on it: asks them all. */
  lookRound(): void {
    this.#firstLook = this.#askAll();
  }

  /** Resolves when the first look is over, at the latest 3 s after its begin. Never rejects. */
  looked(): Promise<void> {
    return this.#firstLook;
  }

  async #askAll(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(FIRST_LOOK_MS, resolve);
    await Promise.race([Promise.all(this.#cluster.endpoints().map(({ node }) => this.ask(node))), late]);
    timer.cancel();
  }

  /** A VM runs where its record is from now on. */
  begin(vm: string): void {
    this.#begunMs.set(vm, this.#clock.nowMs());
  }

  forget(vm: string): void {
    this.#begunMs.delete(vm);
  }

  /** Asks a node for its machines, one question at a time. Never rejects. */
  async ask(node: string): Promise<void> {
    if (this.#asking.has(node)) return;
    this.#asking.add(node);
    const askedMs = this.#clock.nowMs();
    try {
      const { machines } = await this.#cluster.clients(node).hypervisor.call('machine.list', {});
      this.#heard(node);
      const living = new Set(machines.filter(({ state }) => state !== 'stopped').map(({ vm }) => vm));
      const before = this.#reports.get(node)?.living;
      this.#reports.set(node, { askedMs, living });
      if (before?.size !== living.size || [...living].some((vm) => !before.has(vm))) this.#changed();
    } catch (error) {
      this.#log.info({ node, reason: messageOf(error) }, 'its machines are not known');
    }
    this.#asking.delete(node);
  }

  /** Whether anything is known of the VM's machine at the node: since this start it was begun, or the node has said. */
  isKnown(vm: string, node: string): boolean {
    return this.#begunMs.has(vm) || this.#reports.has(node);
  }

  /** The node said, after the machine was begun, that it has none or that it has stopped. */
  isStopped(vm: string, node: string): boolean {
    const report = this.#reports.get(node);
    if (report === undefined || report.askedMs <= (this.#begunMs.get(vm) ?? Number.NEGATIVE_INFINITY)) return false;
    return !report.living.has(vm);
  }
}
