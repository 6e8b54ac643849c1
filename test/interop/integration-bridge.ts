// The integration bridge on a switch that has no agent: made as an agent makes it, then left alone. Not a test itself.
import { realClock } from '../../common/clock.ts';
import { wantedSwitch } from '../../sdnd/agent/node-switch.ts';
import { ConfigKeeper } from '../../sdnd/switch-config/config-keeper.ts';

/** A machine that does much else takes seconds. */
const OBEYED_WITHIN_MS = 60_000;

/** `databaseSocket`: the switch's. Resolves when the switch has obeyed. */
export async function makeIntegrationBridge(databaseSocket: string): Promise<void> {
  const wanted = wantedSwitch({ datapathType: 'netdev' }, []);
  const address = `unix:${databaseSocket}` as const;
  const keeper = new ConfigKeeper({ address, wanted, clock: realClock, tell: () => undefined });
  try {
    await keeper.want(wanted, OBEYED_WITHIN_MS);
  } finally {
    keeper.stop();
  }
}
