// The WAN emulator's process, started inside the WAN's namespace: `main.ts <seed> <device>...`. Orders come as JSON
// lines on standard input and answers go to standard output; when the input ends (the lab died) so does the emulator.
import { readSync, writeSync } from 'node:fs';
import { FrameMemory, PacketSocket, takeRealTimePriority } from './af-packet.ts';
import { Emulator } from './emulator.ts';
import { Fabric, FrameReferences } from './fabric.ts';
import { decodeOrder, type Order, type WanReport } from './order.ts';

/**
 * Buffers for what is on the way: 128 MB of address space, of which only what is used becomes memory. Six directions at
 * 200 Mbit/s, each with 75 ms under way and a full queue of 3.75 MB, need 22,500.
 */
const FRAMES = 65_536;
/** Above all ordinary work and below the kernel's own threads. */
const REAL_TIME_PRIORITY = 5;
const ORDER_BYTES_MAX = 65_536;
const INPUT = 0;
const OUTPUT = 1;

function start(seed: number, devices: readonly string[]): void {
  const memory = new FrameMemory(FRAMES);
  const references = new FrameReferences(FRAMES);
  const settings = { delayMs: 0, rateMbit: 1, queueBytes: 0, lossPercent: 0, up: false };
  const fabric = new Fabric({ ports: devices.length, references, settings, seed });
  const sockets = devices.map((device) => new PacketSocket(device, memory));
  const now = () => performance.now();
  const control = { descriptor: INPUT, obey: (): boolean => lines.read() };
  const emulator = new Emulator({ sockets, memory, references, fabric, control, now });
  const realTime = takeRealTimePriority(REAL_TIME_PRIORITY);
  const lines = new OrderLines((order) => answer(order, { fabric, emulator, realTime, now }));
  say({ id: 0, ready: true });
  emulator.run();
}

interface Obeying {
  readonly fabric: Fabric;
  readonly emulator: Emulator;
  readonly realTime: boolean;
  readonly now: () => number;
}

function answer(order: Order, parts: Obeying): void {
  const { fabric } = parts;
  if (order.order === 'set') fabric.configure(order.from, order.to, order.change, parts.now());
  if (order.order === 'reset-lateness') fabric.resetLateness();
  say(order.order === 'report' ? { id: order.id, report: report(parts) } : { id: order.id });
}

function report({ fabric, emulator, realTime }: Obeying): WanReport {
  const { user, system } = process.cpuUsage();
  const cpuMs = (user + system) / 1000;
  return { links: fabric.statistics(), ...fabric.lateness, overruns: emulator.overruns, cpuMs, realTime };
}

/** Cuts what comes on standard input into orders; a partial line waits for its rest. */
class OrderLines {
  readonly #buffer = Buffer.alloc(ORDER_BYTES_MAX);
  readonly #obey: (order: Order) => void;
  #partial = '';

  constructor(obey: (order: Order) => void) {
    this.#obey = obey;
  }

  /** Reads what is there; false when the input has ended. */
  read(): boolean {
    const count = readSync(INPUT, this.#buffer);
    const lines = (this.#partial + this.#buffer.toString('utf8', 0, count)).split('\n');
    this.#partial = lines.pop() ?? '';
    for (const line of lines) this.#obey(decodeOrder(JSON.parse(line)));
    return count > 0;
  }
}

function say(message: object): void {
  writeSync(OUTPUT, `${JSON.stringify(message)}\n`);
}

const [seed = '1', ...devices] = process.argv.slice(2);
start(Number(seed), devices);
