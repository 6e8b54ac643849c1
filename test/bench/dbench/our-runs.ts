// Runs of a VM of ours: its disk is an image in our block daemons, a fresh one each time, so that nothing of it lies at the
// destination before.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProgressLine } from '../../../common/terminal/progress.ts';
import type { PreparedGuest } from '../../../lab/guest/build.ts';
import type { Lab } from '../../../lab/lab.ts';
import { GUEST, GUEST_MTU_BYTES, PREFIX } from '../../../lab/topology.ts';
import { clearVm } from '../clear-vm.ts';
import { FROM, TO } from '../move-limits.ts';
import { LoadWatch } from './load-watch.ts';
import { type DbenchRun, type Load, measuredRun } from './measured-run.ts';
import type { Disk, Subject } from './subjects.ts';

/** The paper has two places; of our three, the guest never goes to the third. */
const TRANSITIONS = [{ from: FROM, to: TO, probability: 1 }];

/** Some 300 MB. */
const COPY_LIMIT_MS = 180_000;
const COPY_POLL_MS = 500;

type OurDisk = Extract<Disk, { readonly kind: 'ours' }>;

export class OurRuns {
  readonly #lab: Lab;
  readonly #guest: PreparedGuest;
  readonly #load: Load;
  readonly #line: ProgressLine;
  #count = 0;

  constructor(lab: Lab, guest: PreparedGuest, load: Load, line: ProgressLine) {
    this.#lab = lab;
    this.#guest = guest;
    this.#load = load;
    this.#line = line;
  }

  /** Boots, runs the load, moves if the subject does, and leaves nothing behind. */
  async run({ moves }: Subject, disk: OurDisk): Promise<DbenchRun> {
    this.#count += 1;
    // A name of its own: the console of an earlier guest may still lie at the destination.
    const vm = `dbench${this.#count}`;
    const consoles = this.#lab.clouds.map(({ directories }) => join(directories.run, 'vm', vm, 'console.log'));
    const watch = new LoadWatch(consoles, this.#load.goalBytes);
    try {
      await this.#boot(vm, disk);
      const move = moves ? { move: () => this.#move(vm) } : {};
      const prepare = (): Promise<void> => this.#copied(vm, disk);
      const guest = { address: GUEST.address, load: this.#load, line: this.#line, prepare };
      return await measuredRun(this.#lab, watch, { ...guest, ...move });
    } finally {
      watch.stop();
      await clearVm(this.#lab, vm, vm);
    }
  }

  async #boot(vm: string, { policy, pull }: OurDisk): Promise<void> {
    const { operator } = this.#lab;
    const { kernel, initrd, memoryMB, diskImage } = this.#guest;
    await operator.call('image.create', { image: vm, node: FROM, path: diskImage });
    if (policy.mode !== 'sync-write') await this.#setPolicy(vm, policy);
    const commandLine = this.#guest.commandLine({
      address: `${GUEST.address}/${PREFIX}`,
      mtuBytes: GUEST_MTU_BYTES,
      name: vm,
    });
    const boot = { kernel, initrd, commandLine };
    await operator.call('vm.create', { vm, cloud: FROM, image: vm, memoryMB, cpus: 1, ip: GUEST.address, boot });
    if (!pull) await operator.call('image.pull', { image: vm, rateBytesPerSecond: 0 });
  }

  async #setPolicy(image: string, policy: OurDisk['policy']): Promise<void> {
    const { operator } = this.#lab;
    const { settings } = await operator.call('propagation.show', { image });
    await operator.call('propagation.set', { image, settings: { ...settings, policy, transitions: TRANSITIONS } });
  }

  /**
   * Where each write is to be at another place too, what was there before has to be: its copying is part neither of the
   * boot nor of the load.
   */
  async #copied(image: string, { policy }: OurDisk): Promise<void> {
    if (policy.mode !== 'sync-write') return;
    await this.#setPolicy(image, policy);
    const endMs = performance.now() + COPY_LIMIT_MS;
    for (;;) {
      const { stores } = await this.#lab.operator.call('image.show', { image });
      const { copies } = stores.find(({ node }) => node === FROM)?.store ?? {};
      if (copies !== undefined && copies.safeOn >= policy.copies) return;
      if (performance.now() > endMs) throw new Error(`no copy at another place within ${COPY_LIMIT_MS / 1_000} s`);
      await sleep(COPY_POLL_MS);
    }
  }

  async #move(vm: string): Promise<number> {
    const orderedMs = performance.now();
    const { stepTimes } = await this.#lab.operator.call('vm.migrate', { vm, to: TO });
    const hold = stepTimes.find(({ step }) => step === 'hold');
    return hold === undefined ? performance.now() : orderedMs + hold.atMs + hold.tookMs;
  }
}
