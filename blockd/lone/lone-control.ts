// The control socket of a blockd that is alone, and what the last process left for it: cuts that were broken off, layers that
// are to go.

import type { Clock } from '../../common/clock.ts';
import type { Running } from '../../common/daemon.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { startLocalServer } from '../../common/rpc/server.ts';
import { aloneContract, LONE_NODE } from '../../wire/contracts/alone.ts';
import type { CatalogueStore } from '../catalogue/catalogue-store.ts';
import type { ImageShelf } from '../image/image-shelf.ts';
import type { LoneImages } from '../image/lone-images.ts';
import type { KeptRoom } from './kept-room.ts';
import { loneCalls } from './lone-calls.ts';
import { LoneCuts } from './lone-cuts.ts';
import { LoneLayers } from './lone-layers.ts';
import { LoneMerges } from './lone-merges.ts';
import { LoneNode } from './lone-node.ts';

export interface ControlParts {
  readonly shelf: ImageShelf;
  readonly records: CatalogueStore;
  readonly images: LoneImages;
  /** For what is to be done on a full disk. */
  readonly room: KeptRoom;
  readonly clock: Clock;
  readonly log: Log;
}

export class LoneControl {
  readonly #parts: ControlParts;
  readonly #node: LoneNode;
  readonly #cuts: LoneCuts;
  readonly #layers: LoneLayers;
  readonly #merges: LoneMerges;

  constructor(parts: ControlParts) {
    const { shelf, records, room, clock, log } = parts;
    this.#parts = parts;
    this.#node = new LoneNode(shelf, records);
    this.#cuts = new LoneCuts(this.#node);
    this.#layers = new LoneLayers(this.#node, room, log);
    this.#merges = new LoneMerges(this.#node, { layers: this.#layers, room, clock, log });
  }

  /** Before any image is made or opened. An image whose cut is neither finished nor taken back is not opened. */
  async tidy(): Promise<void> {
    const { records, log } = this.#parts;
    const standing = new Set(records.heads.flatMap(({ cut }) => cut?.id ?? []));
    for (const cut of standing) {
      await this.#cuts
        .settle(cut)
        .catch((error: unknown) =>
          log.error({ cut, reason: messageOf(error) }, 'a snapshot is neither made nor taken back'),
        );
    }
    await this.#layers.sweep();
  }

  /** Answers calls at the socket, and merges layers that nothing needs by themselves. @throws Error with the operating system's code */
  async start(path: string): Promise<Running> {
    const { images, room, log } = this.#parts;
    await this.#node.keepRecords();
    await room.keep();
    const parts = { node: this.#node, images, room, cuts: this.#cuts, layers: this.#layers, merges: this.#merges };
    const server = { contract: aloneContract, handlers: loneCalls(parts), node: LONE_NODE, path, log };
    const socket = await startLocalServer(server);
    this.#merges.start();
    return {
      close: async () => {
        this.#merges.stop();
        await socket.close();
      },
    };
  }
}
