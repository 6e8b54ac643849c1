// Two nodes write an image one after the other, and either dies before any of its disk steps on the way: nothing that was
// answered as durable before the handover is lost, and nothing that was written under an epoch that was taken away is ever
// served (S1, S4, S7; SOUNDNESS A7, A8).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { crashHandovers, HANDOVERS } from './handover-courses.ts';

for (const handover of HANDOVERS) {
  test(`a death of either node before each disk step of it: ${handover}`, async () => {
    const deaths = await crashHandovers(handover);
    console.log(`${handover}: ${deaths} deaths`);
    assert.ok(deaths > 50);
  });
}

test.run();
