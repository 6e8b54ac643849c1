// How each image's blocks are to get to other places, as this node was told, and what was learnt of that here: known over a
// restart, so that an image goes on under the policy that its guest relies on before anyone can tell it anew.
import { Type } from '#typebox';
import type { Disk } from '../../common/disk/disk.ts';
import { PropagationMemory, PropagationSettings } from '../../wire/contracts/propagation.ts';
import { Name } from '../../wire/names.ts';
import { StateFile } from '../image/state-file.ts';
import { DEFAULT_SETTINGS } from '../propagation/default-settings.ts';
import { refuseUnsupported } from '../propagation/supported-policy.ts';

const Told = Type.Array(
  Type.Object({
    image: Name,
    settings: PropagationSettings,
    memory: Type.Optional(PropagationMemory),
  }),
);

const DEFAULT = JSON.stringify(DEFAULT_SETTINGS);

/** By image: settings, those that are the default left out, and memories. */
export class PropagationBook {
  readonly #file: StateFile<typeof Told>;
  readonly #told = new Map<string, PropagationSettings>();
  readonly #memories = new Map<string, PropagationMemory>();
  #writing: Promise<void> = Promise.resolve();

  constructor(disk: Disk, path: string) {
    this.#file = new StateFile(disk, path, Told);
  }

  /** Reads what an earlier process wrote. */
  async load(): Promise<void> {
    for (const { image, settings, memory } of (await this.#file.read()) ?? []) {
      if (JSON.stringify(settings) !== DEFAULT) this.#told.set(image, settings);
      if (memory !== undefined) this.#memories.set(image, memory);
    }
  }

  of(image: string): PropagationSettings {
    return this.#told.get(image) ?? DEFAULT_SETTINGS;
  }

  /** Durable with the answer. @throws OperationError POLICY_UNSUPPORTED; Error of the disk */
  async set(image: string, settings: PropagationSettings = DEFAULT_SETTINGS): Promise<void> {
    refuseUnsupported(image, settings);
    const [before, after] = [JSON.stringify(this.of(image)), JSON.stringify(settings)];
    if (before === after) return;
    if (after === DEFAULT) this.#told.delete(image);
    else this.#told.set(image, settings);
    await this.#write();
  }

  /** The image is gone from here. @throws Error of the disk */
  async forget(image: string): Promise<void> {
    const known = [this.#told, this.#memories].map((one) => one.delete(image));
    if (known.includes(true)) await this.#write();
  }

  memoryOf(image: string): PropagationMemory | undefined {
    return this.#memories.get(image);
  }

  /** Keeps it some time soon; what a kill or a disk takes is learnt again. */
  remember(image: string, memory: PropagationMemory): void {
    this.#memories.set(image, memory);
    this.#writing = this.#write().catch(() => undefined);
  }

  /** Settles when what was to be remembered is written, or cannot be. */
  written(): Promise<void> {
    return this.#writing;
  }

  #write(): Promise<void> {
    const images = new Set([...this.#told.keys(), ...this.#memories.keys()]);
    const told = Array.from(images, (image) => {
      const memory = this.#memories.get(image);
      return {
        ...{ image, settings: this.of(image) },
        ...(memory === undefined ? {} : { memory }),
      };
    });
    return this.#file.write(told);
  }
}
