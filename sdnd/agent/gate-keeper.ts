// Keeps the agent's flows of a node's switch as they should be: the gates and the ways to the services. Opens nothing by
// itself.
import type { Clock } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import { FlowKeeper } from '../local-switch/flow-keeper.ts';
import { forgetZone } from '../security/forget-zone.ts';
import { closeGate, GATE_FILTER, gateFlows, openGate } from './gate.ts';
import { isServiceFlow, metersAfter, metersBefore, type ServedPort, serviceFlows } from './service-flows.ts';

export interface GateKeeperParts {
  /** The bridge's management socket. */
  readonly socket: string;
  /** The numbers of the ports that should be open now. */
  readonly open: () => readonly number[];
  /** A session with the switch has begun: it may have been restarted. */
  readonly begun?: () => void;
  /** The ports whose guests are answered here. */
  readonly served: () => readonly ServedPort[];
  readonly clock: Clock;
  readonly log: Log;
}

export class GateKeeper {
  readonly #flows: FlowKeeper;

  constructor({ socket, open, served, clock, log, begun }: GateKeeperParts) {
    const gates = { what: 'gates', wanted: () => open().flatMap(gateFlows) };
    const ways = { what: 'ways to the services', wanted: () => served().flatMap(serviceFlows) };
    this.#flows = new FlowKeeper({
      ...{ socket, who: 'the gates', clock, log, filter: GATE_FILTER },
      ...(begun !== undefined && { begun }),
      sets: [
        { ...gates, has: (flow) => !isServiceFlow(flow) },
        // Last: a switch that refuses these keeps its gates right nevertheless.
        { ...ways, has: isServiceFlow, before: metersBefore, after: (diff) => metersAfter(diff, served()) },
      ],
    });
  }

  /** Answers after the switch's barrier. @throws OperationError SWITCH_LOST, SWITCH_REFUSED */
  open(portNo: number): Promise<void> {
    return this.#flows.change(openGate(portNo));
  }

  /** Answers after the switch's barrier. @throws OperationError SWITCH_LOST, SWITCH_REFUSED */
  close(portNo: number): Promise<void> {
    return this.#flows.change(closeGate(portNo));
  }

  /** What the switch remembers of the connections of the guest that had this number before. */
  forget(portNo: number): void {
    this.#flows.say([forgetZone(portNo)]);
  }

  /** Compares at once: somebody was at the switch. */
  look(): void {
    this.#flows.look();
  }

  /** Ends the session; the gates stay as they are. */
  stop(): void {
    this.#flows.stop();
  }
}
