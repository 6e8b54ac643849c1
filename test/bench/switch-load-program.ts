// The load of `bench controller`, a process of its own: so many emulated switches at a controller's ports. Waits until every one
// of them gets an entry for a frame, then measures. Prints one line of JSON.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { EmulatedSwitch } from './emulated-switch.ts';

/** A controller that learns needs some seconds for its first look around. */
const READY_MS = 60_000;
const TRY_EVERY_MS = 200;
/** Hosts are announced every three seconds, so that a slow controller is not kept busy by that alone. */
const ANNOUNCE_TURNS = 15;
/** What is under way has come by then. */
const SETTLED_MS = 500;
/** Before what counts, so that code is compiled and caches are full. */
const WARM_MS = 1_000;
/** Frames that are under way in all, for throughput. */
const WINDOW = 4_096;
const WINDOW_MIN = 16;

interface Load {
  readonly switches: number;
  readonly isBuffered: boolean;
  readonly isLatency: boolean;
}

class Driver {
  readonly #emulated: EmulatedSwitch;
  readonly #socket: Socket;
  readonly #window: number;
  /** us from a frame to its answer, where one is under way at a time. */
  latencies: number[] = [];
  responses = 0;
  #isMeasured = false;
  #isTrying = true;
  #sentUs = 0;

  constructor(port: number, number: number, { isBuffered, isLatency, switches }: Load) {
    this.#emulated = new EmulatedSwitch(number, isBuffered);
    this.#window = isLatency ? 1 : Math.max(WINDOW_MIN, Math.floor(WINDOW / switches));
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#socket.on('error', fail).on('end', () => fail(new Error('the controller ended a connection')));
    this.#socket.write(this.#emulated.hello());
  }

  get flowMods(): number {
    return this.#emulated.flowMods;
  }

  /** Resolves when the controller has said something: some take few connections at once. */
  async greeted(): Promise<this> {
    await once(this.#socket, 'data');
    return this;
  }

  async ready(): Promise<void> {
    const endMs = performance.now() + READY_MS;
    for (let turn = 0; this.responses === 0; turn += 1) {
      if (performance.now() > endMs) throw new Error('the controller answers no frame');
      if (turn % ANNOUNCE_TURNS === 0) this.#socket.write(this.#emulated.announcements());
      await sleep(TRY_EVERY_MS);
      if (this.responses === 0) this.#socket.write(this.#emulated.frames(1));
    }
  }

  start(): void {
    this.#isTrying = false;
    this.#send(this.#window);
  }

  measure(isMeasured: boolean): void {
    this.#isMeasured = isMeasured;
  }

  end(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    const { out, responses } = this.#emulated.take(chunk);
    for (const answer of out) this.#socket.write(answer);
    if (responses === 0) return;
    if (this.#isTrying) this.responses += responses;
    else this.#goOn(responses);
  }

  #goOn(responses: number): void {
    if (this.#isMeasured) {
      this.responses += responses;
      if (this.#window === 1) this.latencies.push(nowUs() - this.#sentUs);
    }
    this.#send(responses);
  }

  #send(count: number): void {
    this.#socket.write(this.#emulated.frames(count));
    this.#sentUs = nowUs();
  }
}

/** What a load comes to without all of its switches is no figure. */
function fail(error: Error): void {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}

function nowUs(): number {
  return performance.now() * 1_000;
}

/** Announced hosts bring floods back, which are no answers to a frame: what is under way ends before it counts. */
async function prepare(ports: readonly number[], load: Load): Promise<Driver[]> {
  const drivers: Driver[] = [];
  while (drivers.length < load.switches) {
    const driver = new Driver(ports[drivers.length % ports.length] ?? 0, drivers.length, load);
    drivers.push(await driver.greeted());
  }
  await Promise.all(drivers.map((driver) => driver.ready()));
  const answers = (): number => drivers.reduce((sum, { responses }) => sum + responses, 0);
  for (let last = -1; last !== answers(); await sleep(SETTLED_MS)) last = answers();
  for (const driver of drivers) driver.start();
  await sleep(WARM_MS);
  return drivers;
}

const { values } = parseArgs({
  options: {
    ...{ ports: { type: 'string' }, switches: { type: 'string' }, seconds: { type: 'string' } },
    ...{ buffered: { type: 'boolean' }, latency: { type: 'boolean' } },
  },
});
const load = {
  switches: Number(values.switches),
  isBuffered: values.buffered === true,
  isLatency: values.latency === true,
};
const drivers = await prepare((values.ports ?? '').split(',').map(Number), load);
for (const driver of drivers) driver.responses = 0;
const [modsBefore, startedMs] = [drivers.reduce((sum, one) => sum + one.flowMods, 0), performance.now()];
const ownBefore = process.cpuUsage();
process.stdout.write('MEASURING\n');
for (const driver of drivers) driver.measure(true);
await sleep(Number(values.seconds) * 1_000);
for (const driver of drivers) driver.measure(false);
const seconds = (performance.now() - startedMs) / 1_000;
process.stdout.write('MEASURED\n');
const own = process.cpuUsage(ownBefore);
const latencies = drivers.flatMap((driver) => driver.latencies).sort((a, b) => a - b);
const at = (share: number): number | null => latencies[Math.floor(latencies.length * share)] ?? null;
for (const driver of drivers) driver.end();
process.stdout.write(
  `${JSON.stringify({
    seconds,
    responses: drivers.reduce((sum, { responses }) => sum + responses, 0),
    flowMods: drivers.reduce((sum, { flowMods }) => sum + flowMods, 0) - modsBefore,
    clientSeconds: (own.user + own.system) / 1e6,
    p50Us: at(0.5),
    p99Us: at(0.99),
  })}\n`,
);
