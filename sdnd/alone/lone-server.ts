// Where switches connect to a lone controller: one connection of each datapath id, with garbage and silence ending their own
// connection and nothing else. Wires sockets to the core and tells what happens.
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock, Timer } from '../../common/clock.ts';
import type { Log } from '../../common/log.ts';
import { type Listen, listenOn } from '../../common/rpc/listen.ts';
import { LoneConnection } from './lone-connection.ts';
import { LoneController } from './lone-controller.ts';
import { sentenceOf } from './lone-events.ts';
import { LoneSocket } from './lone-socket.ts';
import type { MeshSwitch } from './mesh-switch.ts';

export interface LoneServerParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly missesPerSecond: number;
}

const TICK_MS = 250;
const TICKS_PER_SECOND = 4;
const CONNECTIONS_MAX = 4_096;
/** A switch answers a barrier every second; one that has been silent for so long gives way to a newcomer of its id. */
const GIVES_WAY_MS = 2_500;

export class LoneServer {
  readonly controller: LoneController;
  readonly #parts: LoneServerParts;
  readonly #server: Server;
  readonly #connections = new Set<LoneConnection>();
  readonly #byId = new Map<bigint, LoneConnection>();
  #ticks = 0;
  #timer: Timer | undefined;

  constructor(parts: LoneServerParts) {
    this.#parts = parts;
    const { clock, random, missesPerSecond, log } = parts;
    this.controller = new LoneController({
      now: clock.nowMs,
      random,
      missesPerSecond,
      tell: (event) => {
        const { text, isWarning } = sentenceOf(event);
        if (isWarning) log.warn(text);
        else log.info(text);
      },
    });
    this.#server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => this.#accept(socket));
  }

  /** Starts to listen; answers the TCP port. @throws Error with the operating system's code */
  async listen(listen: Listen): Promise<number> {
    const port = await listenOn(this.#server, listen);
    this.#tickLater();
    return port;
  }

  /** Switches keep their flows. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of [...this.#connections]) connection.close('the controller stops');
    await closed;
  }

  #accept(socket: Socket): void {
    const { clock, log } = this.#parts;
    // The server itself counts none: their handles go on without the sockets that it made.
    if (this.#connections.size >= CONNECTIONS_MAX) {
      socket.destroy();
      return;
    }
    const { controller } = this;
    let member: MeshSwitch | undefined;
    const from = socket.remoteAddress ?? 'a unix socket';
    const own = (receive: (bytes: Buffer) => void): LoneSocket => new LoneSocket(socket, receive);
    const connection: LoneConnection = new LoneConnection(own, clock.nowMs, {
      ready: (id, ports) => {
        this.#makeWay(id);
        member = controller.join(id, connection, ports, clock.nowMs());
        if (member === undefined) connection.close("its datapath id is another connected switch's");
        else this.#byId.set(id, connection);
      },
      port: (reason, port) => member && controller.port(member, reason, port, clock.nowMs()),
      packet: (packet) => member && controller.packetIn(member, packet, clock.nowMs()),
      removed: (flow) => member && controller.flowRemoved(member, flow),
      garbled: (reason) => log.warn({ from, switch: member?.name, reason }, 'a switch sends messages that are none'),
      closed: (reason) => {
        this.#connections.delete(connection);
        if (member === undefined) log.warn({ from, reason }, 'a connection was let go');
        else {
          this.#byId.delete(member.id);
          controller.leave(member, reason, clock.nowMs());
        }
      },
    });
    this.#connections.add(connection);
  }

  #makeWay(id: bigint): void {
    const older = this.#byId.get(id);
    if (older === undefined || this.#parts.clock.nowMs() - older.heardAtMs < GIVES_WAY_MS) return;
    older.close('it is silent, and connects anew');
  }

  #tickLater(): void {
    this.#timer = this.#parts.clock.setTimer(TICK_MS, () => {
      this.#tickLater();
      this.controller.tick(this.#parts.clock.nowMs());
      this.#ticks += 1;
      if (this.#ticks % TICKS_PER_SECOND === 0) for (const connection of [...this.#connections]) connection.tick();
    });
  }
}
