// The destination of a live migration: a QEMU that listens for a RAM stream and stays paused when it has it all.
import { HypervisorError, type IncomingMachine, type WaitOptions } from '../driver.ts';
import { setCapabilities } from './outgoing-migration.ts';
import { QemuMachine, type QemuMachineParts } from './qemu-machine.ts';
import { runFiles } from './run-directory.ts';

export class QemuIncomingMachine extends QemuMachine implements IncomingMachine {
  readonly ramSocketPath: string;
  readonly #loaded: Promise<void>;

  constructor(parts: QemuMachineParts) {
    super(parts);
    this.ramSocketPath = runFiles(parts.runDirectory).ramSocket;
    this.#loaded = this.#untilLoaded();
    // Its rejection reaches those who call loaded(); with nobody waiting, `exited` tells.
    this.#loaded.catch(() => undefined);
  }

  /** Opens the socket for the RAM stream. */
  listen(): Promise<void> {
    return this.named('incoming migration', async () => {
      await setCapabilities(this.qmp, { deltaCompression: false });
      await this.qmp.execute('migrate-incoming', { uri: `unix:${this.ramSocketPath}` });
    });
  }

  loaded({ signal, timeoutMs }: WaitOptions = {}): Promise<void> {
    return this.named('incoming migration', async () => {
      const { promise: cutoff, reject } = Promise.withResolvers<never>();
      const onAbort = () => reject(signal?.reason);
      const late = () => reject(new HypervisorError('TIMEOUT', `${this.name}: not loaded after ${timeoutMs} ms`));
      const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
      signal?.throwIfAborted();
      signal?.addEventListener('abort', onAbort, { once: true });
      try {
        await Promise.race([this.#loaded, cutoff]);
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      }
    });
  }

  async #untilLoaded(): Promise<void> {
    const ended = (status: string) => status === 'completed' || status === 'failed';
    const { status } = await this.qmp.waitEvent('MIGRATION', (data) => ended(data.status));
    if (status !== 'completed') throw this.#broken('the stream is not a whole machine state');
    const { state } = await this.status();
    if (state === 'running') {
      await this.destroy();
      throw this.#broken('it ran by itself, and was destroyed');
    }
  }

  #broken(why: string): HypervisorError {
    return new HypervisorError('MIGRATION_FAILED', `incoming migration of ${this.name} failed: ${why}`);
  }
}
