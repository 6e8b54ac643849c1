// One OpenFlow 1.3 connection from its first byte to its end, without a socket: hello, role, ports, liveness, and
// operations whose answers may come in any order. Never decides which flows a switch should have.
import {
  type Bad,
  type BundleControlType,
  BundleFlag,
  type Decoded,
  type ErrorMessage,
  ErrorType,
  EVERY_FLOW,
  encode,
  errorAnswer,
  errorName,
  type FlowMod,
  type Message,
  MessageReader,
  type MultipartReply,
  OPENFLOW_13,
  type Port,
  type PortStatus,
  type RoleMessage,
} from '@openflow/ofp';
import type { CookieFilter, Operation, SessionEvent } from './session-events.ts';
import { type RoleWish, SessionRole } from './session-role.ts';

export type { CookieFilter, SessionEvent } from './session-events.ts';

/** The switch must have answered hello, features, role and ports by then: a few round trips of 300 ms and its own work. */
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** After this silence the switch is asked whether it lives; after as much again it is given up. */
const SILENCE_MS = 5_000;
/** Reading or changing every entry of a large switch takes seconds; a switch that takes longer will never answer. */
const OPERATION_TIMEOUT_MS = 60_000;
/** A switch of 1,000 nodes with 100 VMs each has 300,000 entries; more than this is a switch gone mad. */
const FLOWS_MAX = 1_000_000;
/** Open vSwitch's ports have numbers below 65,280. */
const PORTS_MAX = 65_536;
/** Refusals that are told of one operation; with thousands of equal ones the rest says nothing new. */
const REFUSALS_MAX = 20;
/** One that sends many messages that are none is told so, and told of, no more often. */
const GARBLED_EVERY_MS = 10_000;
const XID_MAX = 0xffff_fffe;
const NOTHING = new Uint8Array(0);
/** Refusals by which a switch says that it has another master. */
const IS_SLAVE = 'BAD_REQUEST IS_SLAVE';
const STALE = 'ROLE_REQUEST_FAILED STALE';

type PortDesc = Extract<MultipartReply, { readonly part: 'port-desc' }>;

/** A connection with a switch. Without a wish no role is asked for. */
export class OpenFlowSession {
  readonly #role: SessionRole;
  readonly #reader = new MessageReader();
  #startedAtMs: number;
  readonly #ports: Port[] = [];
  readonly #portNumbers = new Set<number>();
  readonly #operations = new Map<number, Operation>();
  #phase: 'hello' | 'handshake' | 'ready' | 'closed' = 'hello';
  #xid = 0;
  #setUpXids = { role: 0, ports: 0 };
  #datapathId: bigint | undefined;
  #heardAtMs: number;
  #isAsked = false;
  #garbledAtMs = Number.NEGATIVE_INFINITY;

  constructor(nowMs: number, wish?: RoleWish) {
    this.#startedAtMs = nowMs;
    this.#heardAtMs = nowMs;
    this.#role = new SessionRole(wish);
  }

  /** Whether operations may be started. */
  get isReady(): boolean {
    return this.#phase === 'ready';
  }

  /** Whether the switch has said that this is its master. */
  get isMaster(): boolean {
    return this.isReady && this.#role.isMaster;
  }

  /** What is to be sent first. */
  start(): SessionEvent[] {
    return [this.#send({ type: 'hello', versions: [OPENFLOW_13] })];
  }

  /** Takes what the switch sent. */
  receive(bytes: Uint8Array, nowMs: number): SessionEvent[] {
    if (this.#phase === 'closed') return [];
    this.#heardAtMs = nowMs;
    this.#isAsked = false;
    const events: SessionEvent[] = [];
    for (const result of this.#reader.push(bytes)) {
      events.push(...(result.kind === 'bad' ? this.#rubbish(result, nowMs) : this.#message(result)));
      if (this.isClosed) break;
    }
    return events;
  }

  /** To be called every second or so: asks a silent switch for a sign of life, and gives up a dead one. */
  tick(nowMs: number): SessionEvent[] {
    if (this.#phase === 'closed') return [];
    if (this.#phase !== 'ready' && nowMs - this.#startedAtMs > HANDSHAKE_TIMEOUT_MS) {
      return this.#close(`no handshake within ${HANDSHAKE_TIMEOUT_MS} ms`);
    }
    const silentMs = nowMs - this.#heardAtMs;
    // Who was not asked may have been heard by nobody: this process itself stood still.
    if (silentMs > 2 * SILENCE_MS && this.#isAsked) return this.#close(`silent for ${Math.round(silentMs)} ms`);
    const oldest = this.#operations.values().next().value;
    if (oldest !== undefined && nowMs - oldest.startedAtMs > OPERATION_TIMEOUT_MS) {
      return this.#close(`no answer within ${OPERATION_TIMEOUT_MS} ms`);
    }
    const question = this.#phase === 'ready' ? this.#role.tick(nowMs) : undefined;
    const events = question === undefined ? [] : [this.#send(question)];
    if (silentMs <= SILENCE_MS || this.#isAsked || this.#phase === 'hello') return events;
    this.#isAsked = true;
    return [...events, this.#send({ type: 'echo-request', data: new Uint8Array(0) })];
  }

  /** So long nobody has looked whether the switch said something: a thousand of them at once keep a controller busy. */
  excuse(lateMs: number): void {
    this.#startedAtMs += lateMs;
    this.#heardAtMs += lateMs;
  }

  /** Asks for installed flow entries; ends with `flows` or `failed`. */
  readFlows(filter: CookieFilter, nowMs: number): { operation: number; events: SessionEvent[] } {
    const request = { type: 'multipart-request', part: 'flow', more: false, ...EVERY_FLOW, ...filter } as const;
    const event = this.#send(request);
    this.#operations.set(this.#xid, { kind: 'flows', startedAtMs: nowMs, flows: [] });
    return { operation: this.#xid, events: [event] };
  }

  /** Asks how many such entries there are; ends with `counted` or `failed`. */
  countFlows(filter: CookieFilter, nowMs: number): { operation: number; events: SessionEvent[] } {
    const event = this.#send({ type: 'multipart-request', part: 'aggregate', more: false, ...EVERY_FLOW, ...filter });
    this.#operations.set(this.#xid, { kind: 'counted', startedAtMs: nowMs });
    return { operation: this.#xid, events: [event] };
  }

  /** Sends flow-mods and a barrier behind them; ends with `applied`. */
  apply(mods: readonly FlowMod[], nowMs: number): { operation: number; events: SessionEvent[] } {
    const events = mods.map((mod) => this.#send(mod));
    const firstXid = this.#xid - mods.length + 1;
    events.push(this.#send({ type: 'barrier-request' }));
    this.#operations.set(this.#xid, { kind: 'applied', startedAtMs: nowMs, firstXid, refusals: [] });
    return { operation: this.#xid, events };
  }

  /**
   * As `apply`, but all or none, and no frame meets a part of it: in a bundle of ONF's extension (OpenFlow 1.4, 7.3.9), which
   * Open vSwitch has. What goes makes room for what comes. A flow-mod that is wrong in itself is refused as it comes, and is
   * then missing in the bundle; what the switch cannot take as it is now (a full table) is found out before any is carried out.
   */
  applyWhole(mods: readonly FlowMod[], nowMs: number): { operation: number; events: SessionEvent[] } {
    const firstXid = this.#xid + 1;
    const bundle = { bundleId: firstXid, flags: BundleFlag.atomic + BundleFlag.ordered, properties: NOTHING };
    const control = (asked: BundleControlType): SessionEvent =>
      this.#send({ type: 'onf-bundle-control', control: asked, ...bundle });
    const add = (mod: FlowMod): SessionEvent => {
      const xid = this.takeXid();
      const message = { type: 'onf-bundle-add', ...bundle, message: encode(mod, xid) } as const;
      return { kind: 'send', bytes: encode(message, xid) };
    };
    const inOrder = [...mods.filter(isRemoval), ...mods.filter((mod) => !isRemoval(mod))];
    const events = [control('open-request'), ...inOrder.map(add), control('close-request'), control('commit-request')];
    events.push(this.#send({ type: 'barrier-request' }));
    this.#operations.set(this.#xid, { kind: 'applied', startedAtMs: nowMs, firstXid, refusals: [] });
    return { operation: this.#xid, events };
  }

  /** A session that is ready and slave asks to be master; ends with `promoted`, or with `outranked` and `close`. */
  promote(generationId: bigint): SessionEvent[] {
    return [this.#askRole(this.#role.promote(generationId))];
  }

  /** Sends what needs no answer; a refusal of it is passed over. */
  say(messages: readonly Message[]): SessionEvent[] {
    return messages.map((message) => this.#send(message));
  }

  /** The number of a message that the caller writes itself, instead of by `say`. */
  takeXid(): number {
    this.#xid = this.#xid >= XID_MAX ? 1 : this.#xid + 1;
    return this.#xid;
  }

  get isClosed(): boolean {
    return this.#phase === 'closed';
  }

  #message({ message, xid, version }: Decoded): SessionEvent[] {
    if (this.#phase === 'hello') return this.#hello(message, version);
    switch (message.type) {
      case 'echo-request':
        return [{ kind: 'send', bytes: encode({ type: 'echo-reply', data: message.data }, xid) }];
      case 'features-reply':
        this.#datapathId = message.datapathId;
        return [];
      case 'multipart-reply':
        return this.#multipart(message, xid);
      case 'barrier-reply':
        return this.#barrier(xid);
      case 'role-reply':
        return this.#roleTold(message);
      case 'port-status':
        return this.#portStatus(message);
      case 'packet-in':
        return [{ kind: 'packet', packet: message }];
      case 'flow-removed':
        return [{ kind: 'removed', flow: message }];
      case 'error':
        return this.#error(message, xid);
      default:
        return [];
    }
  }

  #hello(message: Message, version: number): SessionEvent[] {
    if (message.type !== 'hello') return this.#close(`the first message is ${message.type}, not hello`);
    const speaks13 = message.versions.length > 0 ? message.versions.includes(OPENFLOW_13) : version >= OPENFLOW_13;
    if (!speaks13) return this.#refuseVersion(version);
    this.#phase = 'handshake';
    return this.#askAtFirst();
  }

  #refuseVersion(version: number): SessionEvent[] {
    const data = new TextEncoder().encode('OpenFlow 1.3 is needed');
    const refusal = this.#send({ type: 'error', errorType: ErrorType.helloFailed, errorCode: 0, data });
    return [refusal, ...this.#close(`the switch does not speak OpenFlow 1.3 (its version is ${version})`)];
  }

  // The ports come last: their answer says that everything before was answered too.
  #askAtFirst(): SessionEvent[] {
    const events = [this.#send({ type: 'features-request' })];
    const role = this.#role.first();
    if (role !== undefined) events.push(this.#askRole(role));
    return this.#role.mustLearnFirst ? events : [...events, this.#askPorts()];
  }

  #askPorts(): SessionEvent {
    const event = this.#send({ type: 'multipart-request', part: 'port-desc', more: false });
    this.#setUpXids.ports = this.#xid;
    return event;
  }

  #askRole(request: Message): SessionEvent {
    const event = this.#send(request);
    this.#setUpXids.role = this.#xid;
    return event;
  }

  #roleTold(reply: RoleMessage): SessionEvent[] {
    const answer = this.#role.answered(reply);
    if (answer.kind === 'outranked') return this.#outranked(`the switch has made this controller ${reply.role}`);
    const ports = this.#setUpXids.ports === 0 ? [this.#askPorts()] : [];
    if (answer.kind === 'ask') return [this.#askRole(answer.request), ...ports];
    return answer.kind === 'granted' && this.#phase === 'ready' ? [{ kind: 'promoted' }] : ports;
  }

  #outranked(reason: string): SessionEvent[] {
    return [{ kind: 'outranked' }, ...this.#close(reason)];
  }

  #multipart(reply: MultipartReply, xid: number): SessionEvent[] {
    if (reply.part === 'port-desc') return this.#portDesc(reply, xid);
    const operation = this.#operations.get(xid);
    if (reply.part === 'aggregate' && operation?.kind === 'counted') {
      this.#operations.delete(xid);
      return [{ kind: 'counted', operation: xid, count: reply.flowCount }];
    }
    if (reply.part !== 'flow' || operation?.kind !== 'flows') return [];
    for (const flow of reply.flows) operation.flows.push(flow);
    if (operation.flows.length > FLOWS_MAX) return this.#close(`the switch has more than ${FLOWS_MAX} flow entries`);
    if (reply.more) return [];
    this.#operations.delete(xid);
    return [{ kind: 'flows', operation: xid, flows: operation.flows }];
  }

  /** What comes once more, or unasked, is nothing. */
  #portDesc({ ports, more }: PortDesc, xid: number): SessionEvent[] {
    if (this.#phase !== 'handshake' || xid !== this.#setUpXids.ports) return [];
    for (const port of ports) {
      this.#ports.push(port);
      this.#portNumbers.add(port.portNo);
    }
    if (this.#ports.length > PORTS_MAX) return this.#tooManyPorts();
    if (more) return [];
    if (this.#datapathId === undefined) return this.#close('the switch did not say its datapath id');
    this.#phase = 'ready';
    return [{ kind: 'ready', datapathId: this.#datapathId, ports: this.#ports }];
  }

  #portStatus({ reason, port }: PortStatus): SessionEvent[] {
    if (reason === 'delete') this.#portNumbers.delete(port.portNo);
    else this.#portNumbers.add(port.portNo);
    if (this.#portNumbers.size > PORTS_MAX) return this.#tooManyPorts();
    return [{ kind: 'port', reason, port }];
  }

  #tooManyPorts(): SessionEvent[] {
    return this.#close(`the switch has more than ${PORTS_MAX} ports`);
  }

  #barrier(xid: number): SessionEvent[] {
    const operation = this.#operations.get(xid);
    if (operation?.kind !== 'applied') return [];
    this.#operations.delete(xid);
    return [{ kind: 'applied', operation: xid, refusals: operation.refusals }];
  }

  #error({ errorType, errorCode, experimenter }: ErrorMessage, xid: number): SessionEvent[] {
    const name = errorName(errorType, errorCode, experimenter);
    if (xid === this.#setUpXids.role) return this.#roleRefused(name);
    if (name === IS_SLAVE) return this.#outranked(`a change was refused: ${name}`);
    if (this.#phase !== 'ready') return this.#close(`the switch refused the handshake: ${name}`);
    const reading = this.#operations.get(xid);
    if (reading !== undefined && reading.kind !== 'applied') {
      this.#operations.delete(xid);
      return [{ kind: 'failed', operation: xid, reason: name }];
    }
    this.#noteRefusal(xid, name);
    return [];
  }

  #roleRefused(name: string): SessionEvent[] {
    if (this.#role.mustLearnFirst) return this.#close(`the switch refused the role of slave: ${name}`);
    const reason = `the switch refused the role of master: ${name}`;
    return name === STALE ? this.#outranked(reason) : this.#close(reason);
  }

  #noteRefusal(xid: number, name: string): void {
    for (const [barrierXid, operation] of this.#operations) {
      if (operation.kind !== 'applied' || xid < operation.firstXid || xid > barrierXid) continue;
      if (operation.refusals.length < REFUSALS_MAX) operation.refusals.push(`flow-mod ${xid}: ${name}`);
    }
  }

  #rubbish(bad: Bad, nowMs: number): SessionEvent[] {
    const reason = `${bad.code}: ${bad.detail}`;
    if (bad.fatal || this.#phase !== 'ready') return this.#close(reason);
    if (this.#operations.delete(bad.xid)) return [{ kind: 'failed', operation: bad.xid, reason }];
    if (nowMs - this.#garbledAtMs < GARBLED_EVERY_MS) return [];
    this.#garbledAtMs = nowMs;
    const answer = errorAnswer(bad);
    const said = answer === undefined ? [] : [{ kind: 'send', bytes: encode(answer, bad.xid) } as const];
    return [...said, { kind: 'garbled', reason }];
  }

  #close(reason: string): SessionEvent[] {
    this.#phase = 'closed';
    return [{ kind: 'close', reason }];
  }

  #send(message: Message): SessionEvent {
    return { kind: 'send', bytes: encode(message, this.takeXid()) };
  }
}

/** Whether it takes entries away. */
export function isRemoval({ command }: FlowMod): boolean {
  return command === 'delete' || command === 'delete-strict';
}
