// One TCP connection that is used all the time: what its user would have felt is the longest wait between two echoes.
import { connect, type Socket } from 'node:net';

/** Each thing sent is a counter of this many bytes. */
const RECORD_BYTES = 8;
const CONNECT_TIMEOUT_MS = 20_000;

/** What the connection felt since the last mark. Times in ms. */
export interface EchoFigures {
  readonly sent: number;
  readonly echoed: number;
  /** The longest time between two echoes, less the interval between two sends. */
  readonly longestGapMs: number;
  /** Echoes whose bytes were not the next expected ones. */
  readonly wrong: number;
  /** Why the connection is gone; empty while it lives. */
  readonly lost: string;
}

export class EchoProbe {
  readonly #host: string;
  readonly #port: number;
  readonly #everyMs: number;
  #socket: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #sent = 0;
  #echoed = 0;
  #wrong = 0;
  #lost = '';
  #lastEchoMs = 0;
  #longestGapMs = 0;
  #rest: Buffer = Buffer.alloc(0);
  #marked = { sent: 0, echoed: 0 };

  /** `everyMs`: how often something is sent. */
  constructor(host: string, port: number, everyMs: number) {
    this.#host = host;
    this.#port = port;
    this.#everyMs = everyMs;
  }

  /** Opens the connection and begins to use it. */
  connect(): Promise<null> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: this.#host, port: this.#port, noDelay: true });
      const timer = setTimeout(() => socket.destroy(new Error('no answer from the echo port')), CONNECT_TIMEOUT_MS);
      socket.once('error', reject);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', reject);
        this.#use(socket);
        resolve(null);
      });
    });
  }

  #use(socket: Socket): void {
    this.#socket = socket;
    this.#lastEchoMs = performance.now();
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (error) => this.#end(error.message));
    socket.on('close', () => this.#end('closed by the guest'));
    this.#timer = setInterval(() => this.#send(), this.#everyMs);
  }

  #send(): void {
    const record = Buffer.alloc(RECORD_BYTES);
    record.writeBigUInt64BE(BigInt(this.#sent));
    this.#sent += 1;
    this.#socket?.write(record);
  }

  #receive(chunk: Buffer): void {
    const nowMs = performance.now();
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastEchoMs - this.#everyMs);
    this.#lastEchoMs = nowMs;
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= RECORD_BYTES) {
      if (this.#rest.readBigUInt64BE(0) !== BigInt(this.#echoed)) this.#wrong += 1;
      this.#echoed += 1;
      this.#rest = this.#rest.subarray(RECORD_BYTES);
    }
  }

  #end(reason: string): void {
    clearInterval(this.#timer);
    if (this.#lost === '') this.#lost = reason;
  }

  /** The figures since the last mark; counting begins anew. */
  mark(): EchoFigures {
    // A wait that has not ended yet counts as far as it has lasted.
    const waitingMs = performance.now() - this.#lastEchoMs - this.#everyMs;
    const figures = {
      sent: this.#sent - this.#marked.sent,
      echoed: this.#echoed - this.#marked.echoed,
      longestGapMs: Math.max(this.#longestGapMs, waitingMs, 0),
      wrong: this.#wrong,
      lost: this.#lost,
    };
    this.#marked = { sent: this.#sent, echoed: this.#echoed };
    this.#longestGapMs = 0;
    return figures;
  }
}
