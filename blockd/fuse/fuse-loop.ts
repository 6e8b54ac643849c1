// The thread that serves a mount: one poll for the kernel's requests and the servers' replies, and nothing that blocks
// beside it. It must never touch a path below its own mount.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { NbdLink } from '../nbd-client/nbd-link.ts';
import { FuseSession } from './fuse-session.ts';
import { ImageDirectory } from './image-directory.ts';
import { ERRNO, POLLIN, POLLOUT, PollSet, readNow, writeNow } from './kernel-calls.ts';
import { LinkSocket } from './link-socket.ts';
import { MessagePool } from './message-pool.ts';

const SOCKET_SUFFIX = '.sock';
/** sockaddr_un has 108 bytes, the last a zero (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;
/** Requests taken before the servers' replies are looked at again. */
const BURST_MAX = 64;
/** How often it is looked for connections that nobody needs: not at each request. */
const REST_LOOK_MS = 1_000;
/** What is under way when the mount is to end may take so long yet. */
const DRAIN_MS = 3_000;

/** What the thread is given. */
export interface LoopOptions {
  /** An open /dev/fuse, non-blocking and mounted. */
  readonly device: number;
  /** Readable when the loop is to end. */
  readonly waker: number;
  /** The directory of the images' sockets. */
  readonly sockets: string;
  /** How long a request waits for a server that is away. */
  readonly waitMs: number;
}

export class FuseLoop {
  readonly #options: LoopOptions;
  readonly #say: (image: string, trouble: string) => void;
  readonly #poll = new PollSet();
  readonly #pool = new MessagePool();
  readonly #links: NbdLink[] = [];
  readonly #sockets = new Set<LinkSocket>();
  readonly #session: FuseSession;
  #isMounted = true;
  #restLookMs = 0;
  /** Set once the loop was asked to end. */
  #endMs: number | undefined;

  /** `say`: what is wrong with the server of an image. */
  constructor(options: LoopOptions, say: (image: string, trouble: string) => void) {
    this.#options = options;
    this.#say = say;
    const source = {
      list: () => this.#list(),
      has: (name: string) => isSocketPath(this.#pathOf(name)) && existsSync(this.#pathOf(name)),
      link: (name: string) => this.#newLink(name),
      statusLink: (name: string) => this.#newLink(name, true),
    };
    const nowSeconds = (): number => Math.floor(Date.now() / 1_000);
    const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    this.#session = new FuseSession(new ImageDirectory(source, nowSeconds()), owner, {
      // An answer to a request that was given up meanwhile is refused (ENOENT), and so it is at the mount's end (ENODEV).
      answer: (bytes) => void writeNow(options.device, bytes),
      release: (message) => this.#pool.release(message),
      abandon: (message) => this.#pool.abandon(message),
      nowSeconds,
    });
  }

  /** Serves until it is unmounted, or woken and done with what is under way. */
  run(): void {
    while (this.#isMounted && !this.#isDone()) this.#turn();
    for (const socket of this.#sockets) socket.close();
  }

  #isDone(): boolean {
    if (this.#endMs === undefined) return false;
    return this.#session.underWay === 0 || performance.now() >= this.#endMs;
  }

  #turn(): void {
    const poll = this.#poll;
    poll.clear();
    const waker = poll.add(this.#options.waker, this.#endMs === undefined ? POLLIN : 0);
    const device = poll.add(this.#options.device, this.#mayTake ? POLLIN : 0);
    const sockets = [...this.#sockets].map((socket) => ({
      socket,
      place: poll.add(socket.descriptor, socket.hasUnsent ? POLLIN | POLLOUT : POLLIN),
    }));
    poll.wait(this.#timeoutMs());
    if ((poll.readyAt(waker) & POLLIN) !== 0) this.#endMs = performance.now() + DRAIN_MS;
    for (const { socket, place } of sockets) if ((poll.readyAt(place) & ~POLLOUT) !== 0) socket.receive();
    if (poll.readyAt(device) !== 0) this.#take();
    for (const link of this.#links) if (link.timerMs !== undefined && link.timerMs <= performance.now()) link.tick();
    this.#rest(performance.now());
    for (const socket of this.#sockets) if (socket.hasUnsent) socket.flush();
  }

  #rest(nowMs: number): void {
    if (nowMs < this.#restLookMs) return;
    this.#restLookMs = nowMs + REST_LOOK_MS;
    this.#session.rest(nowMs);
  }

  get #mayTake(): boolean {
    return this.#endMs === undefined && !this.#pool.isEmpty;
  }

  #timeoutMs(): number | undefined {
    const timers = this.#links.flatMap(({ timerMs }) => timerMs ?? []);
    if (this.#sockets.size > 0) timers.push(this.#restLookMs);
    if (this.#endMs !== undefined) timers.push(this.#endMs);
    return timers.length === 0 ? undefined : Math.min(...timers) - performance.now();
  }

  /** Takes requests; looks for more than one only when others are under way, since a look in vain costs a call. */
  #take(): void {
    for (let count = 0; count < BURST_MAX; count++) {
      const buffer = this.#pool.take();
      if (buffer === undefined) return;
      const bytes = readNow(this.#options.device, buffer);
      if (bytes <= 0) {
        this.#pool.release(buffer);
        if (bytes === -ERRNO.ENODEV || bytes === -ERRNO.ECONNABORTED) this.#isMounted = false;
        // ENOENT: the request was given up while it was handed over.
        if (bytes !== -ERRNO.EINTR && bytes !== -ERRNO.ENOENT) return;
        continue;
      }
      const hadOthers = this.#session.underWay > 0;
      if (!this.#session.handle(buffer.subarray(0, bytes))) this.#pool.release(buffer);
      if (!hadOthers) return;
    }
  }

  #list(): string[] {
    const { sockets } = this.#options;
    // A blockd that was taken away whole has no images.
    const names = existsSync(sockets) ? readdirSync(sockets).filter((name) => name.endsWith(SOCKET_SUFFIX)) : [];
    return names.map((name) => name.slice(0, -SOCKET_SUFFIX.length)).sort();
  }

  #pathOf(name: string): string {
    return join(this.#options.sockets, `${name}${SOCKET_SUFFIX}`);
  }

  #newLink(name: string, withStatus = false): NbdLink {
    const link = new NbdLink(
      name,
      (events) => {
        const socket = LinkSocket.connect(this.#pathOf(name), events, (closed) => void this.#sockets.delete(closed));
        if (socket !== undefined) this.#sockets.add(socket);
        return socket;
      },
      this.#options.waitMs,
      () => performance.now(),
      (trouble) => this.#say(name, trouble),
      withStatus,
    );
    this.#links.push(link);
    return link;
  }
}

function isSocketPath(path: string): boolean {
  return Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX;
}
