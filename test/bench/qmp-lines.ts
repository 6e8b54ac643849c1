// Plain QEMU spoken to by plain QMP: the peer in a benchmark uses commands that our driver has no use for. One command
// at a time, events kept.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const ANSWER_TIMEOUT_MS = 60_000;
const CONNECT_ATTEMPTS = 100;
const CONNECT_RETRY_MS = 50;

interface Message {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly event?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** A QMP connection that remembers every event it saw, with the time it was seen at. */
export class QmpLines {
  readonly #socket: Socket;
  readonly #answers: Message[] = [];
  readonly #waiting: ((message: Message) => void)[] = [];
  readonly #events: Message[] = [];
  readonly #watchers = new Set<(message: Message) => void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => this.#receive(JSON.parse(line) as Message));
  }

  /** Connects to a QEMU that may still be starting. */
  static async open(path: string): Promise<QmpLines> {
    for (let attempt = 1; ; attempt += 1) {
      const socket = connect(path);
      try {
        await once(socket, 'connect');
        const qmp = new QmpLines(socket);
        await qmp.run('qmp_capabilities');
        return qmp;
      } catch (error) {
        if (attempt === CONNECT_ATTEMPTS) throw error;
        await new Promise((resolve) => setTimeout(resolve, CONNECT_RETRY_MS));
      }
    }
  }

  #receive(message: Message): void {
    if (message.event !== undefined) {
      this.#events.push(message);
      for (const watcher of this.#watchers) watcher(message);
      return;
    }
    if (message.return === undefined && message.error === undefined) return;
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#answers.push(message);
    else waiting(message);
  }

  /** Runs one command and answers what it returns. */
  async run(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    const answer = await new Promise<Message>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`QEMU did not answer ${command}`)), ANSWER_TIMEOUT_MS);
      this.#waiting.push((message) => {
        clearTimeout(timer);
        resolve(message);
      });
    });
    if (answer.error !== undefined) throw new Error(`${command}: ${answer.error.desc}`);
    return answer.return;
  }

  /** Resolves at an event of that name, seen already or yet to come, whose data has the given word. */
  event(name: string, word: string, timeoutMs: number): Promise<void> {
    const fits = (message: Message): boolean =>
      message.event === name && JSON.stringify(message.data ?? {}).includes(word);
    if (this.#events.some(fits)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${name} ${word} within ${timeoutMs} ms`)), timeoutMs);
      const watcher = (message: Message): void => {
        if (!fits(message)) return;
        clearTimeout(timer);
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
