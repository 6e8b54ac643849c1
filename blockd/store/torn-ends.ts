// What a kill or a power cut left unfinished at the end of a layer's journal. Nobody had an answer to it, so it is cut off; it is
// kept here for whoever wants to see what it was. The store never reads it again, and no start waits or fails for it.
import type { Disk } from '../../common/disk/disk.ts';
import { messageOf } from '../../common/errors.ts';
import { NumberedFiles } from './numbered-files.ts';

/** Of one end: an append of a barrier that changed a hundred thousand ranges is as long. */
export const TORN_BYTES_MAX = 2 ** 20;
/** The newest: a store of many layers leaves one of each layer that was just written, 16 MiB in all. */
export const TORN_FILES_MAX = 16;

const NAME = /^(\d{8})-l[0-9a-f]{16}-at-\d+\.torn$/;

export interface TornEndsParts {
  readonly disk: Disk;
  /** Theirs alone. */
  readonly directory: string;
  readonly log: { warn(fields: object, text: string): void };
}

/** The ends of one store's journals. */
export class TornEnds {
  readonly #parts: TornEndsParts;
  readonly #files: NumberedFiles;

  constructor(parts: TornEndsParts) {
    this.#parts = parts;
    this.#files = new NumberedFiles({ ...parts, name: NAME, filesMax: TORN_FILES_MAX });
  }

  /** What stood in the layer's journal from a byte on, about to be cut off. Never rejects. */
  async keep(layer: string, bytes: Uint8Array, atBytes: number): Promise<void> {
    const { log } = this.#parts;
    const what = { layer, atBytes, tornBytes: bytes.length };
    // Room that was taken and not written yet is nothing to be looked at.
    if (bytes.every((byte) => byte === 0)) return;
    try {
      await this.#files.add(`${layer}-at-${atBytes}.torn`, async (path) => {
        await this.#parts.disk.replace(path, bytes.subarray(0, TORN_BYTES_MAX));
        log.warn({ ...what, path }, 'the unfinished end of a journal was cut off and is kept beside');
        return true;
      });
    } catch (error) {
      log.warn(
        { ...what, reason: messageOf(error) },
        'the unfinished end of a journal was cut off and could not be kept',
      );
    }
  }
}
