// The controller's side of the simulated network: the real overlay and the real wanted flows of each switch, whose
// differences wait as flow-mods, in the order of their session, until the world lets them arrive.
import type { FlowMod } from '@openflow/ofp';
import { type Flow, flowsByKey } from '../../sdnd/flow.ts';
import { diffFlows, flowMods } from '../../sdnd/flow-diff.ts';
import { wantedFlows } from '../../sdnd/forwarding/wanted-flows.ts';
import { Overlay } from '../../sdnd/overlay.ts';
import type { OverlayRecord } from '../../sdnd/overlay-record.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import type { SimSwitch } from './net-switch.ts';

/** A flow-mod under way to its switch. */
export interface Outstanding {
  readonly at: SimSwitch;
  readonly mod: FlowMod;
}

export class NetControl {
  readonly overlay = new Overlay();
  readonly #ports: (node: string) => ReadonlyMap<string, number>;
  readonly #switches: readonly SimSwitch[];
  /** What each switch has once everything has arrived, as the controller knows it. */
  readonly #believed = new Map<string, ReadonlyMap<string, Flow>>();
  readonly #queues = new Map<string, FlowMod[]>();

  constructor(switches: readonly SimSwitch[], ports: (node: string) => ReadonlyMap<string, number>) {
    this.#switches = switches;
    this.#ports = ports;
    for (const { node } of switches) this.#queues.set(node, []);
  }

  /** Everything under way: each switch's in the order in which it was sent. */
  get outstanding(): Outstanding[] {
    return this.#switches.flatMap((at) => this.queue(at).map((mod) => ({ at, mod })));
  }

  queue({ node }: SimSwitch): FlowMod[] {
    return this.#queues.get(node) ?? [];
  }

  /** Takes a command over, if the overlay does. */
  command(record: OverlayRecord | undefined): void {
    if (record !== undefined) this.overlay.apply(record);
    this.update();
  }

  /** The places that guests have left are forgotten, as after 5 s. */
  forgetDepartures(): void {
    for (const place of [...this.overlay.departures.values()]) this.overlay.forgetDeparture(place);
    this.update();
  }

  place(owner: string): Binding | undefined {
    return this.overlay.bindings.get(owner);
  }

  /** Sends each switch what it lacks. */
  update(): void {
    for (const { node } of this.#switches) {
      const flows = wantedFlows(this.overlay, { node, ports: this.#ports(node) });
      const wanted = flowsByKey(flows);
      if (wanted.size !== flows.length) throw new Error(`${node} is to have two flows of one key`);
      const diff = diffFlows(wanted, this.#believed.get(node) ?? new Map());
      this.#believed.set(node, wanted);
      this.#queues.get(node)?.push(...flowMods(diff));
    }
  }
}
