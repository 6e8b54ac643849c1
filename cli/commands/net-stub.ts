// `supercloud net stub`: addresses of the guests' network that stand for a resource in one place.
import { Command, InvalidArgumentError } from 'commander';
import { OperationError } from '../../common/errors.ts';
import { formatTable } from '../../common/terminal/table.ts';
import type { StubTarget } from '../../wire/contracts/guest-network.ts';
import type { StubOrder, StubView } from '../../wire/contracts/network-stubs.ts';
import { PATTERNS } from '../../wire/names.ts';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';

type Service = NonNullable<StubTarget['service']>;

/** What of the address leads to the resource: `tcp:5432`, the protocol, else tcp. */
type Port = Pick<Service, 'protocol' | 'port'>;

/** The resource's own address, and port if that is another one: `203.0.113.10:5432`. */
interface Target {
  readonly to: string;
  readonly toPort?: number;
}

const PORT = /^(?:(tcp|udp):)?(\d{1,5})$/;
const TARGET = /^(.+?)(?::(\d{1,5}))?$/;
const PORT_MAX = 0xffff;
const ADDRESS = new RegExp(PATTERNS.ipv4);
const POLICIES = ['move', 'tell'] as const;

export function portOf(text: string): Port {
  const [, protocol, number = ''] = PORT.exec(text) ?? [];
  const port = Number(number);
  if (!isPort(port)) throw new InvalidArgumentError(`'${text}' is no port; write tcp:5432, udp:53 or 5432.`);
  return { protocol: protocol === 'udp' ? 'udp' : 'tcp', port };
}

export function targetOf(text: string): Target {
  const [, to = '', port] = TARGET.exec(text) ?? [];
  if (!ADDRESS.test(to) || (port !== undefined && !isPort(Number(port)))) {
    throw new InvalidArgumentError(`'${text}' is no address of a resource; write 203.0.113.10 or 203.0.113.10:5432.`);
  }
  return port === undefined ? { to } : { to, toPort: Number(port) };
}

function isPort(port: number): boolean {
  return port >= 1 && port <= PORT_MAX;
}

/** @throws OperationError USAGE of a port there without one here */
export function stubTarget(address: string, port: Port | undefined, { to, toPort }: Target): StubTarget {
  if (port !== undefined) return { address, service: { ...port, toPort: toPort ?? port.port }, to };
  if (toPort === undefined) return { address, to };
  throw new OperationError('USAGE', `--to ${to}:${toPort} leads from no port of ${address}`, {
    remedy: `say --port ${toPort} too, or no port at all`,
  });
}

/** A line for each, and one more for what is wrong with it. */
export function describeStubs(stubs: readonly StubView[]): string {
  if (stubs.length === 0) return 'no address stands for a resource';
  const columns = ['STUB', 'ADDRESS', 'RESOURCE', 'PLACE', 'WHO ASKS ELSEWHERE'].map((title) => ({ title }));
  const rows = stubs.map(({ name, address, service, to, place, nodes, policy }) => [
    name,
    service === undefined ? address : `${service.protocol} ${address}:${service.port}`,
    service === undefined ? to : `${to}:${service.toPort}`,
    nodes.length === 1 && nodes[0] === place ? place : `${place} (${nodes.join(', ')})`,
    policy === 'move' ? 'is moved there' : 'is told of',
  ]);
  const troubles = stubs.flatMap(({ name, trouble }) => (trouble === '' ? [] : [`${name}: ${trouble}`]));
  return [formatTable(columns, rows), ...troubles].join('\n');
}

const list = command('list', 'the stubs, and where their resources are', [
  'net stub list',
  "supercloud net stub list --json | jq -r '.[].address'",
]).action((options: CommonOptions) =>
  withOrchestrator(options, async (client) => {
    const { stubs } = await client.call('stub.list', {});
    await print(options, stubs, describeStubs(stubs));
  }),
);

function policyOf(text: string): StubOrder['policy'] {
  const found = POLICIES.find((policy) => policy === text);
  if (found === undefined) throw new InvalidArgumentError(`'${text}' is no policy; write move or tell.`);
  return found;
}

interface CreateOptions extends CommonOptions {
  readonly address: string;
  readonly port?: Port;
  readonly to: Target;
  readonly at: string;
  readonly policy: StubOrder['policy'];
}

const create = command(
  'create',
  "let an address of the guests' network stand for a resource in one place: a VM that sends to it from elsewhere is moved there, and then speaks with the resource",
  [
    'net stub create orders --address 10.88.0.150 --port tcp:5432 --to 203.0.113.10 --at gamma',
    'net stub create store --address 10.88.0.151 --to 198.51.100.50 --at gamma --policy tell',
    'net stub create resolver --address 10.88.0.152 --port udp:53 --to 203.0.113.53:5353 --at home',
  ],
)
  .argument('<stub>', 'its name, by which guests find it too: STUB.NETWORK.internal')
  .requiredOption('--address <address>', "of the guests' network, and no VM's")
  .option('--port <port>', 'the port of that address that leads there, as tcp:5432; else all of it does', portOf)
  .requiredOption('--to <address>', "the resource's address where it is, with :PORT if that is another one", targetOf)
  .requiredOption('--at <place>', 'where it is: a cloud, or one node, that leads outside')
  .option('--policy <policy>', 'move: who asks elsewhere is migrated there; tell: an event says so', policyOf, 'move')
  .action((name: string, options: CreateOptions) =>
    withOrchestrator(options, async (client) => {
      const { address, port, to, at: place, policy } = options;
      const order = { name, ...stubTarget(address, port, to), place, policy };
      const stub = await client.call('stub.create', order);
      await print(options, stub, describeStubs([stub]));
    }),
  );

const remove = command('delete', 'let the address lead nowhere any more; open connections to the resource end', [
  'net stub delete orders',
])
  .argument('<stub>', 'its name')
  .action((name: string, options: CommonOptions) =>
    withOrchestrator(options, async (client) => {
      await client.call('stub.delete', { name });
      await print(options, { stub: name, deleted: true }, `stub ${name} is deleted`);
    }),
  );

export const stubCommand = new Command('stub')
  .description("addresses of the guests' network that stand for a resource in one place")
  .addCommand(list)
  .addCommand(create)
  .addCommand(remove);
