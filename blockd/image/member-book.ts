// The members whose stores may be asked for blocks, by name; known over a restart.
import { Type } from 'typebox';
import type { Disk } from '../../common/disk.ts';
import { Endpoint } from '../../wire/names.ts';
import { StateFile } from './state-file.ts';

const Members = Type.Array(Endpoint);

/** Who the members are, as far as this node was told. */
export class MemberBook {
  readonly #file: StateFile<typeof Members>;
  #members: readonly Endpoint[] = [];

  constructor(disk: Disk, path: string) {
    this.#file = new StateFile(disk, path, Members);
  }

  /** Reads what an earlier process wrote. */
  async load(): Promise<void> {
    this.#members = (await this.#file.read()) ?? [];
  }

  get names(): string[] {
    return this.#members.map((member) => member.node);
  }

  async set(members: readonly Endpoint[]): Promise<void> {
    this.#members = members;
    await this.#file.write([...members]);
  }

  /** Adds or moves one member that a call has named. */
  async add(member: Endpoint): Promise<void> {
    if (this.addressOf(member.node) === member.address) return;
    await this.set([...this.#members.filter((other) => other.node !== member.node), member]);
  }

  addressOf(node: string): string | undefined {
    return this.#members.find((member) => member.node === node)?.address;
  }
}
