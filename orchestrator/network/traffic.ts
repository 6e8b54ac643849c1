// What guests sent one another, asked of the overlay's controller each time; nothing is kept here.
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { NetworkFigures } from '../../wire/contracts/traffic.ts';
import type { Cluster } from '../cluster.ts';
import type { State } from '../state.ts';

type Asked = Pick<Cluster, 'controller'>;

/** All, or what one VM or other address sent and was sent. @throws OperationError VM_UNKNOWN, and what the call throws */
export async function showTraffic(cluster: Asked, state: Pick<State, 'get'>, vm?: string): Promise<NetworkFigures> {
  if (vm !== undefined && state.get('vms', vm) === undefined && state.get('addresses', vm) === undefined)
    throw new OperationError('VM_UNKNOWN', `there is no VM ${vm}, nor another address of that name`, {
      remedy: "'supercloud vm list' names the VMs",
    });
  const figures = await cluster.controller.sdnd.call('figures.show', {});
  const pairs = figures.pairs.filter(({ from, to }) => vm === undefined || from === vm || to === vm);
  return { ...figures, pairs };
}

/** For the metrics, which are had without it too. */
export async function networkFigures(cluster: Asked, log: Log): Promise<{ network?: NetworkFigures }> {
  try {
    return { network: await cluster.controller.sdnd.call('figures.show', {}) };
  } catch (error) {
    log.info({ reason: messageOf(error) }, "the overlay's figures are not known now");
    return {};
  }
}
