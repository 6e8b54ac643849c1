// What comes on a stream on which the other store has to say something again and again: put together to frames, and watched
// for silence. What follows from a fault is decided elsewhere.
import type { Clock, Timer } from '../../common/clock.ts';
import { type PeerFrame, PeerFrameReader } from './peer-frame.ts';
import { HEARTBEAT_MS } from './table-teller.ts';

/** Who says nothing for so long is gone. */
export const SILENCE_MS = 3 * HEARTBEAT_MS;

export interface FrameIntakeParts {
  readonly clock: Clock;
  /** Answers what is wrong with a frame, or nothing. */
  take(frame: PeerFrame): string;
  /** The stream is of no use any more, and why. */
  failed(reason: string): void;
}

/** One end of one stream. */
export class FrameIntake {
  readonly #parts: FrameIntakeParts;
  readonly #reader = new PeerFrameReader();
  #silence: Timer | undefined;
  #isEnded = false;

  constructor(parts: FrameIntakeParts) {
    this.#parts = parts;
  }

  /** From now on silence is a fault. */
  watch(): void {
    this.#silence?.cancel();
    if (this.#isEnded) return;
    const { clock, failed } = this.#parts;
    this.#silence = clock.setTimer(SILENCE_MS, () => failed(`nothing came for ${SILENCE_MS} ms`));
  }

  received(chunk: Uint8Array): void {
    let fault = '';
    let frames = 0;
    const parsed = this.#reader.receive(chunk, (frame) => {
      frames++;
      if (fault === '') fault = this.#parts.take(frame);
    });
    if (!parsed) fault = 'it sent something that is no frame';
    if (fault !== '') this.#parts.failed(fault);
    // Bytes alone are no sign of life: a frame that lies about its length would be waited for for hours.
    else if (frames > 0) this.watch();
  }

  /** Nothing is watched any more. */
  end(): void {
    this.#isEnded = true;
    this.#silence?.cancel();
  }
}
