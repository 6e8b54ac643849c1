// Whether this controller of the overlay is the active one. Standing by, it has a session as slave with every switch, hears
// of their ports, and refuses all commands; told to take over under a higher term, it asks each switch to make it master
// (SOUNDNESS C4). Never active by itself, except where it is the only one.
import type { Port } from '@openflow/ofp';
import type { Clock } from '../../common/clock.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Handlers } from '../../common/rpc/server.ts';
import type { ControllerView, MeshLink, sdndContract } from '../../wire/contracts/sdnd.ts';
import type { NetworkFigures } from '../../wire/contracts/traffic.ts';
import type { OpenFlowChannel } from '../session/openflow-channel.ts';
import type { SwitchListener } from '../session/openflow-server.ts';
import type { RoleWish } from '../session/session-role.ts';
import type { OverlayHandlers } from './controller.ts';
import type { Overlay } from './overlay.ts';
import { notActive, Reign, type ReignParts } from './reign.ts';
import { takenOverlay } from './taken-overlay.ts';

/** Who relieves another one waits so long for the switches to say so: one that hangs must not hold the others up. */
const SWITCHES_TIMEOUT_MS = 2_000;

export interface ControllerSeatParts {
  /** What the journal says; the seat's until it is active. */
  readonly overlay: Overlay;
  readonly journal: ReignParts['journal'];
  readonly tellAgent: ReignParts['tellAgent'];
  readonly connectionsOf: ReignParts['connectionsOf'];
  /** What the agents of its members, and its switches, have counted. */
  readonly figures: (reign: Reign) => Promise<NetworkFigures>;
  /** Ends every connection with a switch: it comes again, and finds this controller standing by. */
  readonly closeChannels: (reason: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

interface Attached {
  readonly channel: OpenFlowChannel;
  readonly datapathId: bigint;
  readonly ports: Map<number, Port>;
}

export class ControllerSeat implements SwitchListener {
  readonly #parts: ControllerSeatParts;
  readonly #attached = new Map<string, Attached>();
  #reign: Reign | undefined;
  /** That of a controller which has yielded: it ends what it began, and no command begins in it any more. */
  #leaving: Reign | undefined;
  /** What this controller knew when it was last active, or at its start. */
  #overlay: Overlay;
  /** The highest that it has heard of. */
  #term: number;
  #isAlone = false;

  constructor(parts: ControllerSeatParts) {
    this.#parts = parts;
    this.#overlay = parts.overlay;
    this.#term = parts.overlay.term;
  }

  /** The only controller goes on with what its journal says, under the term there. */
  beginAlone(): void {
    this.#isAlone = true;
    this.#begin(this.#overlay, false);
  }

  /** What a switch that connects now is asked for. */
  role(): RoleWish {
    const reign = this.#reign;
    return reign === undefined ? { role: 'slave' } : { role: 'master', generationId: BigInt(reign.term) };
  }

  handlers(): Handlers<typeof sdndContract> {
    return {
      'controller.show': () => this.#view(),
      'controller.take': ({ term, links }) => this.#take(term, links),
      'controller.yield': ({ term }) => this.#yield(term),
      'members.set': (given, context) => this.#asActive((calls) => calls['members.set'](given, context)),
      'networks.set': (given, context) => this.#asActive((calls) => calls['networks.set'](given, context)),
      'groups.set': (given, context) => this.#asActive((calls) => calls['groups.set'](given, context)),
      'links.join': (given, context) => {
        const { handlers, over } = this.#active();
        return handlers['links.join'](given, { ...context, signal: AbortSignal.any([context.signal, over]) });
      },
      'links.report': (given, context) => this.#asActive((calls) => calls['links.report'](given, context)),
      'links.show': (given, context) => this.#asActive((calls) => calls['links.show'](given, context)),
      'binding.set': (given, context) => this.#asActive((calls) => calls['binding.set'](given, context)),
      'binding.remove': (given, context) => this.#asActive((calls) => calls['binding.remove'](given, context)),
      'binding.list': (given, context) => this.#asActive((calls) => calls['binding.list'](given, context)),
      'state.told': (given, context) => this.#asActive((calls) => calls['state.told'](given, context)),
      'migration.prepare': (given, context) => this.#asActive((calls) => calls['migration.prepare'](given, context)),
      'migration.complete': (given, context) => this.#asActive((calls) => calls['migration.complete'](given, context)),
      'migration.cancel': (given, context) => this.#asActive((calls) => calls['migration.cancel'](given, context)),
      'figures.show': () => {
        const reign = this.#active();
        return reign.during(() => this.#parts.figures(reign));
      },
      'network.trace': (given, context) => this.#asActive((calls) => calls['network.trace'](given, context)),
      'switch.verify': (given, context) => this.#asActive((calls) => calls['switch.verify'](given, context)),
    };
  }

  ready(node: string, channel: OpenFlowChannel, datapathId: bigint, ports: readonly Port[]): void {
    const before = this.#attached.get(node);
    const attached = { channel, datapathId, ports: new Map(ports.map((port) => [port.portNo, port])) };
    this.#attached.set(node, attached);
    before?.channel.close('the switch connected anew');
    if (channel.isMaster) this.#reign?.ready(node, channel, datapathId, ports);
    else if (this.#reign !== undefined) void this.#promote(this.#reign, node, attached);
    else this.#parts.log.info({ node, ports: ports.length }, 'a switch is connected; this controller stands by');
  }

  port(node: string, channel: OpenFlowChannel, reason: 'add' | 'delete' | 'modify', port: Port): void {
    const attached = this.#attached.get(node);
    if (attached?.channel !== channel) return;
    if (reason === 'delete') attached.ports.delete(port.portNo);
    else attached.ports.set(port.portNo, port);
    (this.#reign ?? this.#leaving)?.port(node, channel, reason, port);
  }

  closed(node: string, channel: OpenFlowChannel, reason: string): void {
    if (this.#attached.get(node)?.channel === channel) this.#attached.delete(node);
    (this.#reign ?? this.#leaving)?.closed(node, channel, reason);
  }

  outranked(node: string): void {
    const reign = this.#reign;
    if (reign === undefined) return;
    this.#parts.log.warn({ node, term: reign.term }, 'a node obeys a controller of a higher term');
    // There is nobody who could make the only one active again.
    if (!reign.loses(node, this.#attached.keys()) || this.#isAlone) return;
    this.#parts.log.warn({ term: reign.term }, 'most nodes obey a controller of a higher term; this one stands by');
    this.#end(reign);
  }

  /** Switches keep their flows. */
  close(): void {
    this.#reign?.end();
    this.#leaving?.end();
    this.#reign = undefined;
    this.#leaving = undefined;
  }

  #view(): ControllerView {
    const reign = this.#reign;
    return {
      ...{ role: reign === undefined ? 'standby' : 'active', term: this.#term },
      switches: [...this.#attached.keys()].sort(),
      links: [...(reign?.overlay.links ?? [])],
      isMoving: reign?.isMoving === true,
    };
  }

  async #take(term: number, links: readonly MeshLink[]): Promise<Record<string, never>> {
    if (this.#reign?.term === term) return {};
    if (term <= this.#term) throw stale(term, this.#term);
    this.#term = term;
    // Also of one that still ends what it began nothing is to be sent under the new term.
    for (const reign of [this.#reign, this.#leaving]) if (reign !== undefined) this.#end(reign);
    const overlay = takenOverlay(this.#overlay, term, links);
    await this.#parts.journal.rewrite(overlay.records());
    if (this.#term !== term) throw stale(term, this.#term);
    const reign = this.#begin(overlay, true);
    const promotions = [...this.#attached].map(([node, attached]) => this.#promote(reign, node, attached));
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = this.#parts.clock.setTimer(SWITCHES_TIMEOUT_MS, resolve);
    await Promise.race([Promise.all(promotions), late]);
    timer.cancel();
    return {};
  }

  async #yield(term: number): Promise<{ links: MeshLink[] }> {
    const reign = this.#reign ?? this.#leaving;
    if (reign !== undefined && term <= reign.term) throw stale(term, reign.term);
    this.#term = Math.max(this.#term, term);
    // From here on no command begins; those that have begun are done before the switches are let go.
    this.#reign = undefined;
    this.#leaving = reign;
    await reign?.settled();
    if (reign !== undefined) this.#end(reign);
    await this.#keepTerm();
    return { links: [...this.#overlay.links] };
  }

  // Whoever gives terms keeps them, and switches obey the highest alone: a full disk must not keep an active one in its seat.
  async #keepTerm(): Promise<void> {
    try {
      await this.#parts.journal.append({ kind: 'term', term: Math.max(this.#term, 1) });
    } catch (error) {
      this.#parts.log.error({ reason: messageOf(error), term: this.#term }, 'the term is not in the journal');
    }
  }

  #begin(overlay: Overlay, isNew: boolean): Reign {
    const { journal, tellAgent, connectionsOf, clock, log } = this.#parts;
    const outranked = (node: string): void => {
      if (this.#reign === reign) this.outranked(node);
    };
    const reign: Reign = new Reign({ overlay, isNew, journal, tellAgent, connectionsOf, outranked, clock, log });
    this.#overlay = overlay;
    this.#reign = reign;
    log.info({ term: reign.term }, 'this controller of the overlay is active');
    return reign;
  }

  // A channel is master in one reign at most: so nothing that was meant in one is ever sent in the next.
  #end(reign: Reign): void {
    if (this.#reign === reign) this.#reign = undefined;
    if (this.#leaving === reign) this.#leaving = undefined;
    if (reign.isOver) return;
    reign.end();
    this.#parts.log.info({ term: reign.term }, 'this controller of the overlay stands by');
    this.#parts.closeChannels('this controller stands by');
  }

  async #promote(reign: Reign, node: string, { channel, datapathId, ports }: Attached): Promise<void> {
    try {
      await channel.promote(BigInt(reign.term));
    } catch (error) {
      this.#parts.log.warn({ node, reason: messageOf(error) }, 'a switch has not made this controller its master');
      return;
    }
    if (this.#reign === reign && this.#attached.get(node)?.channel === channel)
      reign.ready(node, channel, datapathId, [...ports.values()]);
  }

  /** A call of the overlay is the active controller's, as long as it is active. @throws OperationError NOT_ACTIVE */
  async #asActive<T>(work: (calls: OverlayHandlers) => Promise<T> | T): Promise<T> {
    const reign = this.#active();
    return reign.during(() => work(reign.handlers));
  }

  #active(): Reign {
    if (this.#reign === undefined) throw notActive();
    return this.#reign;
  }
}

function stale(term: number, known: number): OperationError {
  return new OperationError('TERM_STALE', `this controller has heard of term ${known}, which ${term} is not above`);
}
