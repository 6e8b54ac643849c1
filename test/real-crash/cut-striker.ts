// Takes the power from the nodes of daemons, at a step of their disks: each has its state on a real ext4 of its own. Not a test
// itself.
import { join } from 'node:path';
import type { BlockdNode } from '../interop/blockd-node.ts';
import type { Planted } from '../planted/planted.ts';
import type { Prng } from '../sim/prng.ts';
import { type PoweredHome, PoweredHomes } from './powered-home.ts';
import type { Held, Side, Striker } from './striker.ts';

/** How many steps each side's disk takes in a move in which nothing happens. */
export type SideSteps = Map<Side, number>;

/** A node that had no power has another run of its kernel; here all have the same kernel. */
const RUN = 'SUPERCLOUD_TEST_KERNEL_RUN';
const OWN_RUNS: Planted = {
  room: 'common/disk/disk.ts',
  find: "return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();",
  replace: `return process.env.${RUN} ?? '';`,
};

export class CutStriker implements Striker {
  readonly plants = [OWN_RUNS];
  readonly #root: string;
  readonly #prng: Prng;
  readonly #steps: SideSteps;
  readonly #homes: PoweredHomes;
  readonly #byName = new Map<string, PoweredHome>();

  private constructor(root: string, prng: Prng, steps: SideSteps, homes: PoweredHomes) {
    this.#root = root;
    this.#prng = prng;
    this.#steps = steps;
    this.#homes = homes;
  }

  /** `steps`: filled by the first move, for all images of a run. */
  static async begin(root: string, prng: Prng, steps: SideSteps): Promise<CutStriker> {
    return new CutStriker(root, prng, steps, await PoweredHomes.begin(root));
  }

  get isReady(): boolean {
    return this.#steps.size === 2;
  }

  async stateOf(name: string): Promise<string> {
    const at = join(this.#root, `ext4-${name}`);
    this.#byName.set(name, await this.#homes.make(name, at));
    return join(at, 'state');
  }

  async hold(node: BlockdNode, side: Side, lost: () => void): Promise<Held> {
    const { disk } = this.#home(node.name);
    const most = this.#steps.get(side);
    const before = disk.steps;
    const after = most === undefined ? undefined : this.#prng.integer(most);
    let hasLost = false;
    if (after !== undefined) {
      disk.cutAfter(after, () => {
        hasLost = true;
        lost();
        // Whoever waits for the disk may go on only once it is killed: it would tell of what is not there.
        void node.stop('SIGKILL');
        disk.letGo();
      });
    }
    return {
      how: after === undefined ? 'in peace' : `the ${side} without power after ${after} steps of its disk`,
      letGo: async () => {
        disk.keepPower();
        if (after === undefined) this.#steps.set(side, disk.steps - before);
        return hasLost;
      },
    };
  }

  async revive(name: string): Promise<NodeJS.ProcessEnv> {
    const home = this.#home(name);
    if (!home.disk.hasPower) await home.restore(this.#prng);
    return { [RUN]: `${home.disk.restores}` };
  }

  end(): Promise<void> {
    return this.#homes.end();
  }

  #home(name: string): PoweredHome {
    const home = this.#byName.get(name);
    if (home === undefined) throw new Error(`there is no home of ${name}`);
    return home;
  }
}
