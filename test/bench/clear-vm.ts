// Takes away what a measurement made in the lab's cluster, so that the next one begins with nothing.
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../common/errors.ts';
import type { Lab } from '../../lab/lab.ts';

/** A migration that failed is settled within this, and its VM can be deleted. */
const CLEAR_TIMEOUT_MS = 60_000;
const CLEAR_RETRY_MS = 2_000;

/** Takes a VM and its image away, also after a move that failed, which may have to settle first. */
export async function clearVm({ operator }: Lab, vm: string, image: string): Promise<void> {
  const endMs = performance.now() + CLEAR_TIMEOUT_MS;
  for (;;) {
    try {
      const { vms } = await operator.call('vm.list', {});
      if (vms.some((one) => one.vm === vm)) await operator.call('vm.delete', { vm });
      const { images } = await operator.call('image.list', {});
      if (images.some((one) => one.image === image)) await operator.call('image.delete', { image });
      return;
    } catch (error) {
      if (performance.now() > endMs) throw error;
      process.stderr.write(`   not taken away yet: ${messageOf(error)}\n`);
    }
    await sleep(CLEAR_RETRY_MS);
  }
}
