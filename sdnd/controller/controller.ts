// The overlay's active controller in one term: takes the orchestrator's commands, keeps them durably, and has every switch follow. A
// command is answered by what is durable and by the switches that can be reached; the others follow at their return.
import type { Port } from '@openflow/ofp';
import type { Clock } from '../../common/clock.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Journal } from '../../common/journal/journal.ts';
import type { Log } from '../../common/log.ts';
import type { Peer } from '../../common/membership/identity.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import {
  BINDINGS_TOLD_MAX,
  type Binding,
  type MeshLink,
  type SwitchState,
  type sdndContract,
} from '../../wire/contracts/sdnd.ts';
import type { SwitchFigures } from '../../wire/contracts/traffic.ts';
import type { Flow } from '../flow.ts';
import { Scene } from '../forwarding/scene.ts';
import type { SwitchView } from '../forwarding/view.ts';
import { epochOfCookie } from '../pipeline.ts';
import { ConnectionCarrier, type ConnectionsOf } from '../security/connection-carrier.ts';
import { groupsRecord } from '../security/groups-record.ts';
import type { OpenFlowChannel } from '../session/openflow-channel.ts';
import type { SwitchListener } from '../session/openflow-server.ts';
import { Topology } from '../topology/topology.ts';
import { Tracer } from '../trace/tracer.ts';
import type { AgentTeller } from './agent-teller.ts';
import { DepartureWatch } from './departure-watch.ts';
import type { Touched } from './guest-register.ts';
import type { Overlay } from './overlay.ts';
import { OverlayJournal } from './overlay-journal.ts';
import type { OverlayRecord } from './overlay-record.ts';
import { Preparations } from './preparations.ts';
import { type ReconcilerParts, SwitchReconciler, type SwitchReport, type Wanted } from './switch-reconciler.ts';
import { SwitchWatch } from './switch-watch.ts';
import { linksRecord, membersRecord, networksRecord } from './told-records.ts';

/** A command waits so long for the slowest switch's barrier: one that hangs must not hold the others' callers up. */
const SWITCHES_TIMEOUT_MS = 2_000;

/** The calls of the contract that concern the overlay, and not who its controller is. */
export type OverlayHandlers = Omit<Handlers<typeof sdndContract>, 'figures.show' | `controller.${string}`>;

export interface ControllerParts {
  readonly overlay: Overlay;
  /** What stands there is no earlier life's of this controller: switches are left as they are until all was told. */
  readonly isNew?: boolean;
  readonly journal: Pick<Journal<OverlayRecord>, 'append' | 'rewrite' | 'sizeBytes'>;
  readonly agents: Pick<AgentTeller, 'tell' | 'forget'>;
  readonly connectionsOf: ConnectionsOf;
  readonly clock: Clock;
  readonly log: Log;
}

export class Controller implements Omit<SwitchListener, 'outranked'> {
  readonly #overlay: Overlay;
  readonly #journal: OverlayJournal;
  readonly #agents: ControllerParts['agents'];
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #switches = new Map<string, SwitchReconciler>();
  readonly #channels = new Map<string, OpenFlowChannel>();
  readonly #topology: Topology;
  readonly #tracer: Tracer;
  readonly #watch: SwitchWatch;
  readonly #carrier: ConnectionCarrier;
  readonly #preparations: Preparations;
  #commands: Promise<unknown> = Promise.resolve();
  readonly #departures: DepartureWatch;
  /**
   * Since this start the orchestrator has told all that it knows. Before that a journal that was lost, or is older than
   * the switches, could take a standing migration's flows for the past.
   */
  #isTold = false;
  readonly #isNew: boolean;

  constructor({ overlay, isNew = false, journal, agents, connectionsOf, clock, log }: ControllerParts) {
    this.#overlay = overlay;
    this.#isNew = isNew;
    this.#journal = new OverlayJournal(journal, overlay, log);
    this.#agents = agents;
    this.#clock = clock;
    this.#log = log;
    this.#topology = new Topology({
      ...{ overlay, clock, log },
      setLinks: (links) => void this.#setMeasured(links),
      waits: () => this.#waits,
      hasFlows: (node) => this.#switches.get(node)?.isCurrent === true,
      hasSwitch: (node) => this.#switches.get(node)?.connected === true,
    });
    // Switches that come are compared as a whole.
    overlay.takeTouched();
    this.#watch = new SwitchWatch(clock, () => this.#entries);
    const changed = (): Promise<void> => this.#update(overlay.takeTouched());
    this.#departures = new DepartureWatch({ overlay, changed: () => void changed(), clock });
    this.#departures.look();
    this.#carrier = new ConnectionCarrier({ overlay, connectionsOf, changed, clock, log });
    this.#preparations = new Preparations({
      overlay,
      switchOf: (node) => this.#switch(node),
      carryOut: (decide) => this.#carryOut(decide),
      whyNotTaken: (destination) => this.#whyNotTaken(destination),
      isAllTold: () => this.#isTold,
    });
    this.#tracer = new Tracer({
      overlay,
      portsOf: (node) => this.#switches.get(node)?.ports,
      wanted: (view) => this.#wanted(view)?.flows(),
      installed: (node) => this.#switch(node).readFlows(),
      links: () => this.#topology.view.links,
    });
  }

  /** The calls of the contract, bound to this controller. */
  handlers(): OverlayHandlers {
    return {
      'members.set': async ({ members }) => this.#carryOut(() => membersRecord(members, this.#overlay.members)),
      'networks.set': async ({ networks }) => this.#carryOut(() => networksRecord(networks, this.#overlay.networks)),
      'groups.set': async ({ groups }) => this.#carryOut(() => groupsRecord(groups, this.#overlay.groups)),
      'links.join': ({ links }, { peer, progress, signal }) => {
        // An agent that begins anew may have lost what it was told.
        this.#tellAnew(peer.node);
        return this.#topology.join(peer.node, links, (peers) => progress({ peers }), signal);
      },
      'links.report': ({ links }, { peer }) => this.#topology.report(peer.node, links),
      'links.show': () => this.#topology.view,
      'binding.set': ({ binding }) => this.#bind(binding),
      'binding.remove': ({ owner }) => this.#unbind(owner),
      'binding.list': ({ from = 0 }) => {
        const { bindings, term } = this.#overlay;
        const told = [...bindings.values()].slice(from, from + BINDINGS_TOLD_MAX);
        return { bindings: told, isMore: from + told.length < bindings.size, term };
      },
      'state.told': async ({ term }) => this.#told(term),
      'migration.prepare': ({ migration, to, isStanding = false }) => this.#prepare(migration, to, isStanding),
      'migration.complete': async ({ migration }, { peer }) => {
        this.#checkCompleter(migration, peer);
        return this.#complete(migration);
      },
      'migration.cancel': async ({ migration }) => this.#carryOut(() => this.#overlay.cancel(migration)),
      'network.trace': (request) => this.#tracer.trace(request),
      'switch.verify': async () => ({ switches: await this.#verifyAll() }),
    };
  }

  get switchFigures(): Omit<SwitchFigures, 'packetIns'>[] {
    const all = [...this.#switches].map(([node, { connected, flows, flowMods }]) => {
      return { node, connected, flows, flowMods };
    });
    return all.sort((a, b) => (a.node < b.node ? -1 : 1));
  }

  ready(node: string, channel: OpenFlowChannel, datapathId: bigint, ports: readonly Port[]): void {
    this.#log.info({ node, datapathId: datapathId.toString(16), ports: ports.length }, 'a switch is connected');
    this.#channels.get(node)?.close('the switch connected anew');
    this.#channels.set(node, channel);
    void this.#switch(node)
      .connect(channel, ports)
      .then(() => this.#topology.switchReady(node));
    // Who was away may have lost what its agent was told.
    this.#tellAnew(node);
  }

  port(node: string, channel: OpenFlowChannel, reason: 'add' | 'delete' | 'modify', port: Port): void {
    if (this.#channels.get(node) === channel) void this.#switch(node).port(reason, port);
  }

  closed(node: string, channel: OpenFlowChannel, reason: string): void {
    this.#log.warn({ node, reason }, 'a switch is gone');
    this.#switches.get(node)?.disconnect(channel);
    if (this.#channels.get(node) === channel) this.#channels.delete(node);
  }

  /** Switches still send on what comes late to a place that a guest has left. */
  get isMoving(): boolean {
    return this.#overlay.departures.size > 0;
  }

  /** Resolves when what guests that move take with them is at the switches. Never rejects. */
  carried(): Promise<void> {
    return this.#carrier.settled();
  }

  /** Ends the comparisons; switches keep their flows. */
  close(): void {
    for (const reconciler of this.#switches.values()) reconciler.close();
    this.#departures.close();
    this.#topology.close();
    this.#carrier.close();
  }

  /** Of a move that ended while nobody was here to complete it the place tells. */
  async #bind(binding: Binding): Promise<Record<string, never>> {
    const from = this.#overlay.bindings.get(binding.owner);
    const done = await this.#carryOut(() => this.#overlay.bind(binding));
    if (from?.node !== binding.node) this.#carryConnections(binding.owner, from);
    return done;
  }

  async #unbind(owner: string): Promise<Record<string, never>> {
    this.#carrier.forget(owner);
    return this.#carryOut(() => this.#overlay.unbind(owner));
  }

  async #prepare(migration: string, to: Binding, isStanding: boolean): Promise<Record<string, never>> {
    // Told again what was prepared elsewhere, or in a journal that is lost: its port may have gone since, and its switch. Nobody
    // waits for its flows now, and they must not be taken for the past when that switch is back.
    if (this.#waits || isStanding) return this.#carryOut(() => this.#overlay.prepare(migration, to));
    return this.#preparations.prepare(migration, to, () =>
      this.#carryConnections(to.owner, this.#overlay.bindings.get(to.owner)),
    );
  }

  /** Why a switch has not taken what is wanted now, in words; undefined when it has. */
  async #whyNotTaken(destination: SwitchReconciler): Promise<string | undefined> {
    let why: string | undefined = `it has not confirmed its flows within ${SWITCHES_TIMEOUT_MS} ms`;
    const update = destination.update().then((reason) => {
      why = reason;
    });
    await this.#inTime([update]);
    return why;
  }

  // Of connections that began since the preparation the source tells now.
  async #complete(migration: string): Promise<Record<string, never>> {
    const owner = this.#overlay.destinationOf(migration)?.owner;
    const from = owner === undefined ? undefined : this.#overlay.bindings.get(owner);
    const done = await this.#carryOut(() => this.#overlay.complete(migration, this.#clock.wallMs()));
    if (owner !== undefined) this.#carryConnections(owner, from);
    return done;
  }

  /** Nobody waits for it: until it is done answers that come first are lost, and come again. */
  #carryConnections(owner: string, from: Binding | undefined): void {
    if (from !== undefined) void this.#carrier.carry(owner, from.node);
  }

  /** What was told before counts only if this process has heard all of it. */
  async #told(term: number): Promise<Record<string, never>> {
    if (term !== this.#overlay.term)
      throw new OperationError(
        'TERM_STALE',
        `this is term ${this.#overlay.term} of the overlay's controller, not ${term}`,
      );
    if (this.#isTold) return {};
    this.#isTold = true;
    this.#carrier.lookAgain();
    await this.#update('all');
    // Whoever asked for these before has ended, it may be before it was answered.
    for (const owner of this.#overlay.preparations.keys())
      this.#carryConnections(owner, this.#overlay.bindings.get(owner));
    return {};
  }

  #checkCompleter(migration: string, { role, node }: Peer): void {
    const to = this.#overlay.destinationOf(migration);
    if (role !== 'node' || to === undefined || to.node === node) return;
    throw new OperationError('NOT_ALLOWED', `node ${node} cannot complete a migration to ${to.node}`);
  }

  async #setMeasured(links: readonly MeshLink[]): Promise<void> {
    try {
      await this.#carryOut(() => linksRecord(links, this.#overlay.links));
    } catch (error) {
      this.#log.warn({ reason: messageOf(error) }, 'what was measured is not in the journal');
    }
  }

  /** One command after the other: decided, made durable, applied; then all switches that it concerns at once. */
  async #carryOut(decide: () => OverlayRecord | undefined): Promise<Record<string, never>> {
    const command = this.#commands.then(() => this.#record(decide));
    this.#commands = command.catch(() => undefined);
    const touched = await command;
    // What stands already may still be on its way to some switch.
    await (touched === undefined ? this.#settled() : this.#update(touched));
    return {};
  }

  async #record(decide: () => OverlayRecord | undefined): Promise<Touched | undefined> {
    const record = decide();
    if (record === undefined) return undefined;
    await this.#journal.take(record);
    const touched = this.#overlay.takeTouched();
    this.#departures.look();
    await this.#journal.writeAnewIfGrown();
    return touched;
  }

  #tellAnew(node: string): void {
    this.#agents.forget(node);
    this.#tellAgents(new Set([node]));
  }

  // A controller that has not heard everything would have agents forget guests that it does not know of yet.
  #tellAgents(touched: Touched): void {
    if (this.#isTold) this.#agents.tell(touched);
  }

  /** Has the switches of these nodes, and all gateways, which may lie between any, brought up to date. */
  async #update(touched: Touched): Promise<void> {
    this.#topology.overlayChanged();
    this.#tellAgents(touched);
    const nodes = touched === 'all' ? this.#switches.keys() : new Set([...touched, ...this.#overlay.mesh.gateways]);
    await this.#inTime([...nodes].map((node) => this.#switches.get(node)?.update()));
  }

  async #settled(): Promise<void> {
    await this.#inTime([...this.#switches.values()].map(({ pending }) => pending));
  }

  async #inTime(work: readonly (Promise<unknown> | undefined)[]): Promise<void> {
    const updates = Promise.all(work);
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.setTimer(SWITCHES_TIMEOUT_MS, resolve);
    await Promise.race([updates, late]);
    timer.cancel();
  }

  async #verifyAll(): Promise<SwitchState[]> {
    const nodes = new Set([...this.#overlay.members.map(({ node }) => node), ...this.#switches.keys()]);
    const states = [...nodes].sort().map(async (node) => switchState(node, await this.#switch(node).verify()));
    return Promise.all(states);
  }

  #switch(node: string): SwitchReconciler {
    const known = this.#switches.get(node);
    if (known !== undefined) return known;
    const past = (): ((flow: Flow) => boolean) => (this.#isTold ? this.#overlay.past() : () => false);
    const awaits = ({ cookie }: Flow): boolean =>
      !this.#isTold && (epochOfCookie(cookie, this.#overlay.incarnation) ?? 0) > 0;
    const found: ReconcilerParts['found'] = (flows) => {
      if (!this.#waits) this.#carrier.found(node, flows);
    };
    const parts = { ...{ past, awaits, found }, watch: this.#watch, clock: this.#clock, log: this.#log };
    const reconciler = new SwitchReconciler(node, (view) => this.#wanted(view), parts);
    this.#switches.set(node, reconciler);
    return reconciler;
  }

  get #waits(): boolean {
    return this.#isNew && !this.#isTold;
  }

  // Of a switch whose node is no member nothing is known, so nothing is changed there.
  #wanted(view: SwitchView): Wanted | undefined {
    return this.#waits || !this.#overlay.mesh.has(view.node) ? undefined : new Scene(this.#overlay, view);
  }

  /** Of all switches, as last known. */
  get #entries(): number {
    let entries = 0;
    for (const { flows } of this.#switches.values()) entries += flows;
    return entries;
  }
}

function switchState(node: string, { connected, flows, differences }: SwitchReport): SwitchState {
  return { node, connected, flows, differences: [...differences] };
}
