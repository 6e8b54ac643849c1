// A switch of the simulation with the computed flows of one node and its guests' ports open, and frames of TCP into it; for
// what a switch remembers of connections. Not a test itself.
import { ethAddress, ipv4 } from '@openflow/ofp';
import { gateFlows } from '../../../sdnd/agent/gate.ts';
import { flowsByKey } from '../../../sdnd/flow.ts';
import { diffFlows, flowMods } from '../../../sdnd/flow-diff.ts';
import type { OverlayView } from '../../../sdnd/forwarding/view.ts';
import type { Binding } from '../../../wire/contracts/sdnd.ts';
import { type Frame, type Sent, SimSwitch } from '../../sim/net-switch.ts';
import { portNoOf, tablesOf } from './overlay-maker.ts';

const [ETH_TYPE_IPV4, TCP] = [0x0800, 6];
const [SYN, ACK] = [0x02, 0x10];

/** One end of a connection. */
export interface End {
  readonly ip: string;
  readonly port: number;
}

export class OneSwitch {
  readonly #switch: SimSwitch;
  readonly #node: string;

  constructor(node: string, view: OverlayView) {
    this.#node = node;
    this.#switch = new SimSwitch(node);
    this.update(view);
  }

  /** Its flows are those of this overlay from now on; it remembers what it remembers. */
  update(view: OverlayView): void {
    const here = [...view.bindings.values()].filter(({ node }) => node === this.#node);
    const gates = here.flatMap((guest) => gateFlows(portNoOf(guest)));
    const wanted = flowsByKey([...tablesOf(view, this.#node).values(), ...gates]);
    for (const mod of flowMods(diffFlows(wanted, flowsByKey(this.#switch.flows())))) this.#switch.apply(mod);
  }

  /** What it does with the packet that opens a connection. */
  opens(frame: Frame): readonly Sent[] {
    return this.#switch.process({ ...frame, tcpFlags: SYN });
  }

  /** And with one of those that follow. */
  goesOn(frame: Frame): readonly Sent[] {
    return this.#switch.process({ ...frame, tcpFlags: ACK });
  }

  /** Time passes. */
  pass(ms: number): void {
    this.#switch.advance(ms);
  }

  process(frame: Frame): readonly Sent[] {
    return this.#switch.process(frame);
  }
}

/** A packet of TCP from a guest's port to a MAC address. */
export function fromGuest(guest: Binding, port: number, ethDst: string, to: End): Frame {
  return tcp({ inPort: portNoOf(guest), ethSrc: guest.mac, ethDst }, { ip: guest.ip, port }, to);
}

/** A packet of TCP that comes in by a port. */
export function tcp(
  { inPort, ethSrc, ethDst }: { readonly inPort: number; readonly ethSrc: string; readonly ethDst: string },
  from: End,
  to: End,
): Frame {
  return {
    ...{ inPort, ethSrc: ethAddress(ethSrc), ethDst: ethAddress(ethDst), ethType: ETH_TYPE_IPV4 },
    ...{ ipv4Src: ipv4(from.ip), ipv4Dst: ipv4(to.ip), ipTtl: 64, ipProto: TCP, tcpSrc: from.port, tcpDst: to.port },
  };
}
