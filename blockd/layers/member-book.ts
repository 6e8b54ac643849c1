// The members whose stores may be asked for blocks, by name; known over a restart.
import { Type } from '#typebox';
import type { Disk } from '../../common/disk/disk.ts';
import { type Endpoint, Member } from '../../wire/names.ts';
import { StateFile } from '../image/state-file.ts';

const Members = Type.Array(Member);

/** Who the members are, as far as this node was told. */
export class MemberBook {
  readonly #file: StateFile<typeof Members>;
  #members: readonly Member[] = [];

  constructor(disk: Disk, path: string) {
    this.#file = new StateFile(disk, path, Members);
  }

  /** Reads what an earlier process wrote. */
  async load(): Promise<void> {
    this.#members = (await this.#file.read()) ?? [];
  }

  /** The same list as long as nothing has changed. */
  get all(): readonly Member[] {
    return this.#members;
  }

  get names(): string[] {
    return this.#members.map((member) => member.node);
  }

  async set(members: readonly Member[]): Promise<void> {
    // Told every few seconds, so that a store which was away hears of it.
    if (JSON.stringify(members) === JSON.stringify(this.#members)) return;
    this.#members = members;
    await this.#file.write([...members]);
  }

  /** Adds or moves one member that a call has named. */
  async add(member: Endpoint): Promise<void> {
    const known = this.#members.find((other) => other.node === member.node);
    if (known?.address === member.address) return;
    await this.set([...this.#members.filter((other) => other.node !== member.node), { ...known, ...member }]);
  }

  addressOf(node: string): string | undefined {
    return this.#members.find((member) => member.node === node)?.address;
  }
}
