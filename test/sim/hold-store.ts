// A model of the block daemon as the hold sees it: the writer's table is a count of writes, a stand-by follows it over
// the network, freezing queues. What a store is survives its process; what it was doing does not.
import type { Closing } from '../../wire/contracts/blockd.ts';
import { SimProcess } from './process.ts';
import type { World } from './world.ts';

export type StoreRole = 'writer' | 'frozen' | 'standby' | 'replica';

/** Between two tries of the stand-by to catch up, ms. */
const FOLLOW_MS = 150;

interface QueuedWrite {
  readonly value: number;
  readonly answer: (isWritten: boolean) => void;
}

export class SimStore {
  readonly process: SimProcess;
  readonly #world: World;
  role: StoreRole;
  /** The newest write that is in. */
  applied = 0;
  /** The newest write that the guest was told to be in. */
  acknowledged = 0;
  /** A fault: an entry of the table was lost on the way here, though the newest arrived. */
  lacksEntry = false;
  /** Set for the planted flaw: a frozen export answers with an error. */
  refusesWhenFrozen = false;
  /** Set for the planted flaw: a freeze that was on its way is obeyed after its thaw. */
  forgetsThaw = false;
  follower: SimStore | undefined;
  #queue: QueuedWrite[] = [];
  /** Thawed, cancelled: a late call for this migration changes nothing any more. */
  #migrationEnded = false;

  constructor(node: string, world: World, role: StoreRole) {
    this.#world = world;
    this.role = role;
    this.process = new SimProcess(`${node}.blockd`, node, world.clock, () => {
      this.#pump();
      this.#follow();
    });
  }

  write(value: number, answer: (isWritten: boolean) => void): void {
    if (this.role === 'frozen' && this.refusesWhenFrozen) {
      answer(false);
      return;
    }
    this.#queue.push({ value, answer });
    this.#pump();
  }

  dropQueue(): void {
    this.#queue = [];
  }

  #pump(): void {
    if (this.role !== 'writer' || this.#queue.length === 0) return;
    this.process.after(0.2, () => {
      const first = this.role === 'writer' ? this.#queue.shift() : undefined;
      if (!first) return;
      this.#apply(first);
      this.#pump();
    });
  }

  #apply(write: QueuedWrite): void {
    this.applied = Math.max(this.applied, write.value);
    this.acknowledged = Math.max(this.acknowledged, write.value);
    write.answer(true);
    this.#push();
  }

  #push(): void {
    const { follower, applied } = this;
    if (follower) this.#world.network.send(this.process, follower.process, () => follower.#learn(applied));
  }

  #learn(applied: number): void {
    if (this.role === 'standby') this.applied = Math.max(this.applied, applied);
  }

  #follow(): void {
    if (!this.follower) return;
    this.process.after(FOLLOW_MS, () => {
      if (this.follower?.role === 'standby') this.#push();
      this.#follow();
    });
  }

  #closing(): Closing {
    return {
      image: 'web',
      epoch: 1,
      lastSequence: this.applied,
      entries: 1,
      digest: this.applied.toString(16).padStart(32, '0'),
      generation: 1,
    };
  }

  /** Answers undefined when the migration was thawed before. */
  freeze(answer: (closing: Closing | undefined) => void): void {
    this.process.after(this.#world.prng.between(0.3, 3), () => {
      const isThawed = this.#migrationEnded && !this.forgetsThaw;
      if (!isThawed && this.role === 'writer') this.role = 'frozen';
      answer(!isThawed && this.role === 'frozen' ? this.#closing() : undefined);
    });
  }

  thaw(): void {
    this.#migrationEnded = true;
    if (this.role === 'frozen') this.role = 'writer';
    this.#pump();
  }

  release(): void {
    if (this.role === 'frozen') this.role = 'replica';
  }

  verify(closing: Closing | undefined, timeoutMs: number, answer: (isEqual: boolean) => void): void {
    const isThere = closing !== undefined && this.applied === closing.lastSequence;
    if (isThere || timeoutMs <= 0) answer(isThere && !this.lacksEntry);
    else this.process.after(5, () => this.verify(closing, timeoutMs - 5, answer));
  }

  activate(): boolean {
    if (this.role === 'standby' && !this.#migrationEnded) this.role = 'writer';
    this.#pump();
    return this.role === 'writer';
  }

  cancelStandby(): void {
    this.#migrationEnded = true;
    if (this.role === 'standby') this.role = 'replica';
  }
}
