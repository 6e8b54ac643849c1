// A switch made of the codec at a unix socket, one connection after the other. Not a test itself.
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { encode, type Message } from '@openflow/ofp';
import type { Flow } from '../../../sdnd/flow.ts';
import { within } from '../common/members.ts';
import { CodecSwitch } from './switch-made-of-codec.ts';

type Habits = Partial<Pick<CodecSwitch, 'room' | 'wrong' | 'hears'>>;

export class SocketSwitch {
  readonly path: string;
  readonly #server: Server;
  #peer = new CodecSwitch();
  readonly #habits: Habits = {};
  #connection: Socket | undefined;
  #accepts = 0;
  /** What it has not answered yet, while it is slow. */
  #held: Uint8Array[] | undefined;
  #news = Promise.withResolvers<void>();

  constructor(folder: string, name: string) {
    this.path = join(folder, name);
    this.#server = createServer((socket) => this.#accept(socket)).listen(this.path);
  }

  get flows(): Map<string, Flow> {
    return this.#peer.flows;
  }

  #accept(socket: Socket): void {
    this.#connection = socket;
    this.#accepts++;
    this.#peer = this.#switch(this.flows);
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Uint8Array) => {
      for (const answer of this.#peer.receive(bytes)) this.#answer(answer);
      this.#news.resolve();
      this.#news = Promise.withResolvers();
    });
    socket.write(this.#peer.hello());
  }

  #answer(bytes: Uint8Array): void {
    if (this.#held === undefined) this.#connection?.write(bytes);
    else this.#held.push(bytes);
  }

  /** How many connections there were. */
  get accepts(): number {
    return this.#accepts;
  }

  /** Carries out what it is asked, and answers nothing before `goOn`. */
  hold(): void {
    this.#held = [];
  }

  /** Whether somebody waits for its answer. */
  get isHolding(): boolean {
    return this.#held !== undefined && this.#held.length > 0;
  }

  goOn(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const bytes of held) this.#answer(bytes);
  }

  send(message: Message): void {
    this.#connection?.write(encode(message, 9));
  }

  /** It is restarted: the next connection finds it empty. */
  drop(): void {
    this.#connection?.destroy();
    this.#peer = this.#switch();
  }

  /** So it takes what it is sent, in this connection and in all later ones. */
  set(habits: Habits): void {
    Object.assign(this.#habits, habits);
    Object.assign(this.#peer, habits);
  }

  /** Whether it hears nothing any more. */
  get isDeaf(): boolean {
    return this.#peer.hears === 0;
  }

  #switch(flows?: Map<string, Flow>): CodecSwitch {
    return Object.assign(new CodecSwitch([], flows), this.#habits);
  }

  /** All that this connection was told, in order. */
  get got(): Message[] {
    return this.#peer.got.map(({ message }) => message);
  }

  /** Resolves with the messages of this connection once there are so many of the type. */
  async messages(type: Message['type'], count: number): Promise<Message[]> {
    for (;;) {
      const found = this.got.filter((message) => message.type === type);
      if (found.length >= count) return found;
      await within(this.#news.promise, 60_000, `no ${type}`);
    }
  }

  async close(): Promise<void> {
    this.#server.close();
    this.#connection?.destroy();
    await once(this.#server, 'close');
  }
}
