// The guest's user, a process inside a namespace of its own: keeps one TCP connection open for its whole life and
// sends something over it every few ms, and fetches what it is told to. It reports; it judges nothing.
import { createInterface } from 'node:readline';
import { askGuest, GUEST_PORTS } from '../guest/control.ts';
import { EchoProbe } from './echo-probe.ts';

const [host = '', everyMs = ''] = process.argv.slice(2);
const ASK_TIMEOUT_MS = 20_000;

/** One order a line: an id, what to do, with what. */
interface Order {
  readonly id: number;
  readonly what: 'connect' | 'mark' | 'ask' | 'page';
  readonly text: string;
}

const probe = new EchoProbe(host, GUEST_PORTS.echo, Number(everyMs));

async function obey(order: Order): Promise<unknown> {
  switch (order.what) {
    case 'connect':
      return probe.connect();
    case 'mark':
      return probe.mark();
    case 'ask':
      return askGuest({ host, timeoutMs: ASK_TIMEOUT_MS }, order.text);
    case 'page':
      return (await fetch(`http://${host}/`, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) })).status;
  }
}

function answer(id: number, value: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify({ id, ...value })}\n`);
}

const orders = createInterface({ input: process.stdin });
orders.on('line', (line) => {
  const order = JSON.parse(line) as Order;
  obey(order).then(
    (value) => answer(order.id, { value }),
    (error: unknown) => answer(order.id, { error: error instanceof Error ? error.message : String(error) }),
  );
});
orders.on('close', () => process.exit(0));
