// The controller's side of the simulated network: the real overlay and the real scenes of each switch, whose differences wait as
// flow-mods, in the order of their session, until the world lets them arrive. What a switch is sent follows from what changed
// since its last scene; that it is what a comparison of all its flows would say is looked at each time.
import type { FlowMod } from '@openflow/ofp';
import { flowRounds } from '../../sdnd/controller/flow-rounds.ts';
import { Overlay } from '../../sdnd/controller/overlay.ts';
import type { OverlayRecord } from '../../sdnd/controller/overlay-record.ts';
import { type Flow, flowEffect, flowKey, flowsByKey } from '../../sdnd/flow.ts';
import { diffFlows, type FlowDiff, flowMods } from '../../sdnd/flow-diff.ts';
import { Scene } from '../../sdnd/forwarding/scene.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import type { SimSwitch } from './net-switch.ts';

/** A flow-mod under way to its switch. */
export interface Outstanding {
  readonly at: SimSwitch;
  readonly mod: FlowMod;
}

/** What a switch has once everything has arrived, and what that follows from. */
interface Believed {
  readonly scene: Scene;
  readonly flows: ReadonlyMap<string, Flow>;
  readonly portsText: string;
}

export class NetControl {
  readonly overlay = new Overlay();
  readonly #ports: (node: string) => ReadonlyMap<string, number>;
  readonly #switches: readonly SimSwitch[];
  readonly #believed = new Map<string, Believed>();
  /** By node, in rounds: of the next a switch hears once all of the last has arrived. */
  readonly #queues = new Map<string, FlowMod[][]>();

  constructor(switches: readonly SimSwitch[], ports: (node: string) => ReadonlyMap<string, number>) {
    this.#switches = switches;
    this.#ports = ports;
    for (const { node } of switches) this.#queues.set(node, []);
  }

  /** Everything under way, of each switch the messages of one round in the order in which they were sent. */
  get outstanding(): Outstanding[] {
    return this.#switches.flatMap((at) => this.queue(at).map((mod) => ({ at, mod })));
  }

  queue({ node }: SimSwitch): FlowMod[] {
    const rounds = this.#queues.get(node) ?? [];
    while (rounds[0]?.length === 0) rounds.shift();
    return rounds[0] ?? [];
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

  /** Sends each switch what it lacks. A switch that nobody said is touched must lack nothing, unless its ports are others. */
  update(): void {
    const touched = this.overlay.takeTouched();
    for (const { node } of this.#switches) {
      const isTouched = touched === 'all' || touched.has(node) || this.overlay.mesh.isGateway(node);
      this.#updateOne(node, isTouched);
    }
  }

  #updateOne(node: string, isTouched: boolean): void {
    const before = this.#believed.get(node);
    const ports = new Map(this.#ports(node));
    const scene = new Scene(this.overlay, { node, ports });
    const all = scene.flows();
    const flows = flowsByKey(all);
    if (flows.size !== all.length) throw new Error(`${node} is to have two flows of one key`);
    const whole = diffFlows(flows, before?.flows ?? new Map());
    const changed = before === undefined ? { before: [], now: all } : scene.since(before.scene);
    const diff = diffFlows(flowsByKey(changed.now), flowsByKey(changed.before));
    const [due, sent] = [wordsOf(whole), wordsOf(diff)];
    if (due !== sent) throw new Error(`${node} is sent\n${sent}\nand lacks\n${due}`);
    const portsText = JSON.stringify([...ports]);
    const isSamePorts = portsText === before?.portsText;
    if (!isTouched && isSamePorts && sent !== '') throw new Error(`nobody says that ${node} lacks\n${sent}`);
    this.#believed.set(node, { scene, flows, portsText });
    const rounds = flowRounds(diff, flowsByKey(changed.before)).map(flowMods);
    const [queue, only] = [this.#queues.get(node) ?? [], rounds.length === 1 ? rounds[0] : undefined];
    // A controller would wait here too; what is sent in one round must be safe without.
    const last = queue.at(-1);
    if (only !== undefined && last !== undefined) last.push(...only);
    else queue.push(...rounds);
  }
}
/** To be compared: in no order. */
function wordsOf({ puts, removals }: FlowDiff): string {
  const words = [
    ...puts.map((flow) => `put ${flowKey(flow)} ${flowEffect(flow)}`),
    ...removals.map((flow) => `remove ${flowKey(flow)}`),
  ];
  return words.sort().join('\n');
}
