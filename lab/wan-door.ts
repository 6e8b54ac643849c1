// The running lab's door to its WAN: a unix socket of its user alone, one JSON line in, one out. It must let nothing
// through that its schema does not name, and holds no figure of its own.
import { chmodSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { Type } from '#typebox';
import { codeOf, messageOf, OperationError } from '../common/errors.ts';
import { SchemaCheck } from '../common/schema-check.ts';
import type { Wan } from './wan/wan.ts';

/** An order is a line of some 150 bytes; whoever sends more without a line's end is cut off. */
const ORDER_BYTES_MAX = 4_096;
/** An order comes with the connection; one that says nothing holds no socket for longer. */
const SILENCE_MS_MAX = 10_000;

const settings = {
  delayMs: Type.Number(),
  rateMbit: Type.Number(),
  queueBytes: Type.Number(),
  lossPercent: Type.Number(),
  up: Type.Boolean(),
};
const Directions = Type.Array(Type.Object({ from: Type.String(), to: Type.String() }), { maxItems: 64 });

/** What may be asked of the WAN; `reset` without directions is for all of them. */
const WanOrder = Type.Union([
  Type.Object({ order: Type.Literal('show') }),
  Type.Object({ order: Type.Literal('change'), links: Directions, change: Type.Partial(Type.Object(settings)) }),
  Type.Object({ order: Type.Literal('reset'), links: Type.Optional(Directions) }),
]);
export type WanOrder = Type.Static<typeof WanOrder>;

const count = Type.Number();
/** The WAN after the order. */
const WanView = Type.Object({
  perLink: Type.Array(
    Type.Object({
      ...{ from: Type.String(), to: Type.String(), ...settings },
      ...{ frames: count, bytes: count, drops: count, lost: count },
    }),
  ),
  ...{ worstLatenessMs: count, meanLatenessMs: count, departures: count, overruns: count, cpuMs: count },
  realTime: Type.Boolean(),
});
export type WanView = Type.Static<typeof WanView>;

/** The one line that answers an order. */
export const WanAnswer = Type.Union([
  Type.Object({ wan: WanView }),
  Type.Object({ error: Type.Object({ code: Type.String(), message: Type.String(), remedy: Type.String() }) }),
]);
type WanAnswer = Type.Static<typeof WanAnswer>;

export interface WanDoor {
  close(): Promise<void>;
}

/** What of the WAN the door needs. */
export type DoorWan = Pick<Wan, 'ports' | 'set' | 'reset' | 'resetAll' | 'stats'>;

const orders = new SchemaCheck(WanOrder);

/** Listens at the path, for its owner only. */
export async function openWanDoor(path: string, wan: DoorWan): Promise<WanDoor> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    serve(socket, wan);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  return {
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function serve(socket: Socket, wan: DoorWan): void {
  socket.on('error', () => socket.destroy());
  socket.setTimeout(SILENCE_MS_MAX, () => socket.destroy());
  socket.on('data', () => socket.bytesRead > ORDER_BYTES_MAX && socket.destroy());
  // readline passes the socket's errors on as its own; they are heard above.
  const lines = createInterface({ input: socket }).on('error', () => socket.destroy());
  lines.once('line', (line) => {
    void answer(line, wan).then((said) => socket.end(`${JSON.stringify(said)}\n`));
  });
}

async function answer(line: string, wan: DoorWan): Promise<WanAnswer> {
  try {
    await obey(read(line), wan);
    const { perLink, ...rest } = await wan.stats();
    return { wan: { perLink: [...perLink], ...rest } };
  } catch (error) {
    const remedy = error instanceof OperationError ? error.remedy : '';
    return { error: { code: codeOf(error) ?? 'WAN_REFUSED', message: messageOf(error), remedy } };
  }
}

function read(line: string): WanOrder {
  let order: unknown;
  try {
    order = JSON.parse(line);
  } catch (cause) {
    throw new OperationError('BAD_ORDER', 'the order to the WAN is no JSON', { cause });
  }
  if (orders.accepts(order)) return order;
  throw new OperationError('BAD_ORDER', `the order to the WAN: ${orders.fault(order)}`);
}

/** All directions are looked at before one is changed. */
async function obey(order: WanOrder, wan: DoorWan): Promise<void> {
  if (order.order === 'show') return;
  if (order.links === undefined) return wan.resetAll();
  for (const { from, to } of order.links) refuseUnknown(from, to, wan.ports);
  const obeyed = order.links.map(({ from, to }) =>
    order.order === 'reset' ? wan.reset(from, to) : wan.set(from, to, order.change),
  );
  await Promise.all(obeyed);
}

function refuseUnknown(from: string, to: string, ports: readonly string[]): void {
  const unknown = [from, to].find((name) => !ports.includes(name));
  const remedy = `the clouds are ${ports.join(', ')}`;
  if (unknown !== undefined) throw new OperationError('CLOUD_UNKNOWN', `there is no cloud ${unknown}`, { remedy });
  if (from === to)
    throw new OperationError('USAGE', `a link lies between two clouds, not ${from} and ${to}`, { remedy });
}
