// How each image's blocks are to get to other places, as this node was told: known over a restart, so that an image goes on
// under the policy that its guest relies on before anyone can tell it anew.
import { Type } from 'typebox';
import type { Disk } from '../../common/disk.ts';
import { PropagationSettings } from '../../wire/contracts/propagation.ts';
import { Name } from '../../wire/names.ts';
import { DEFAULT_SETTINGS } from '../propagation/default-settings.ts';
import { refuseUnsupported } from '../propagation/supported-policy.ts';
import { StateFile } from './state-file.ts';

const Told = Type.Array(Type.Object({ image: Name, settings: PropagationSettings }));

/** The settings by image; those that have the default are not written down. */
export class PropagationBook {
  readonly #file: StateFile<typeof Told>;
  readonly #told = new Map<string, PropagationSettings>();

  constructor(disk: Disk, path: string) {
    this.#file = new StateFile(disk, path, Told);
  }

  /** Reads what an earlier process wrote. */
  async load(): Promise<void> {
    for (const { image, settings } of (await this.#file.read()) ?? []) this.#told.set(image, settings);
  }

  of(image: string): PropagationSettings {
    return this.#told.get(image) ?? DEFAULT_SETTINGS;
  }

  /** Durable with the answer. @throws OperationError POLICY_UNSUPPORTED; Error of the disk */
  async set(image: string, settings: PropagationSettings = DEFAULT_SETTINGS): Promise<void> {
    refuseUnsupported(image, settings);
    const [before, after] = [JSON.stringify(this.of(image)), JSON.stringify(settings)];
    if (before === after) return;
    if (after === JSON.stringify(DEFAULT_SETTINGS)) this.#told.delete(image);
    else this.#told.set(image, settings);
    await this.#write();
  }

  /** The image is gone from here. @throws Error of the disk */
  async forget(image: string): Promise<void> {
    if (this.#told.delete(image)) await this.#write();
  }

  #write(): Promise<void> {
    return this.#file.write(Array.from(this.#told, ([image, settings]) => ({ image, settings })));
  }
}
