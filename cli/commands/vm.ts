// `supercloud vm`: virtual machines.
import { Command } from 'commander';
import { formatMs } from '../../common/terminal/progress.ts';
import { formatTable } from '../../common/terminal/table.ts';
import type { MigrationState, VmState } from '../../wire/contracts/cluster-state.ts';
import type { StubEvent } from '../../wire/contracts/events.ts';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';
import { describeDependence, describeMigration, describeSteps } from './migrate.ts';
import { wholeNumber } from './numbers.ts';

/** What a VM waits for, and what to do. */
export function describeWait(event: StubEvent): string {
  const { place } = event;
  const since = `since ${new Date(event.atMs).toISOString()}`;
  if ('image' in event)
    return `image ${event.image} is pinned to ${place}: ${event.waiting} requests ${since}; migrate it there`;
  const asks = `asks for stub ${event.stub} (${event.address}), whose resource is in ${place}, ${since}`;
  return event.trouble === '' ? `${asks}: it is being moved there` : `${asks}: ${event.trouble}`;
}

function describeVm(vm: VmState, events: readonly StubEvent[], ipv6: string | undefined): string {
  const { spec } = vm;
  const facts: [string, string][] = [
    ['name', vm.vm],
    ['state', vm.state],
    ['cloud', `${vm.cloud} (node ${vm.node})`],
    ['address', [spec.ip, ...(ipv6 === undefined ? [] : [ipv6]), spec.mac].join('  ')],
    ['size', `${spec.cpus} vCPU, ${spec.memoryMB} MB, ${spec.machine}, ${spec.cpuModel}`],
    ['disks', spec.disks.map(({ image }) => image).join(', ')],
    ['epoch', `${vm.epoch}`],
  ];
  facts.push(...events.map((event): [string, string] => ['waits', describeWait(event)]));
  if (vm.migration !== null) {
    facts.push(['last migration', describeMigration(vm.migration)], ['its steps', describeSteps(vm.migration)]);
    facts.push(['depends on', describeDependence(vm.migration)]);
  }
  const said = facts.filter(([, fact]) => fact !== '');
  return said.map(([name, value]) => `${name.padEnd(15)} ${value}`).join('\n');
}

/** In a few words; the hold's time only of one that had its hold. */
export function lastMigration({ step, to, holdMs }: Pick<MigrationState, 'step' | 'to' | 'holdMs'>): string {
  return step === 'moved' ? `moved, hold ${formatMs(holdMs)}` : `to ${to}: ${step}`;
}

const list = command('list', 'the VMs and where they run', ['vm list']).action((options: CommonOptions) =>
  withOrchestrator(options, async (client) => {
    const { vms } = await client.call('vm.list', {});
    const columns = ['VM', 'CLOUD', 'STATE', 'ADDRESS', 'SIZE', 'LAST MIGRATION'].map((title) => ({ title }));
    const rows = vms.map((vm) => [
      ...[vm.vm, vm.cloud, vm.state, vm.spec.ip, `${vm.spec.cpus} vCPU ${vm.spec.memoryMB} MB`],
      vm.migration === null ? '' : lastMigration(vm.migration),
    ]);
    await print(options, vms, formatTable(columns, rows));
  }),
);

const show = command('show', 'one VM', ['vm show web'])
  .argument('<vm>', 'its name')
  .option('--console', 'the last lines of its serial console instead')
  .action((vm: string, options: CommonOptions & { console?: true }) =>
    withOrchestrator(options, async (client) => {
      if (options.console === true) {
        const { text } = await client.call('vm.console', { vm });
        return print(options, text.split('\n'), text);
      }
      const state = await client.call('vm.show', { vm });
      const { events } = await client.call('event.list', {});
      const waits = events.filter((event) => event.vm === vm && event.endedMs === null);
      const { addresses } = await client.call('ipv6.show', {});
      const ipv6 = addresses.find(({ owner }) => owner === vm)?.ipv6;
      return print(options, { ...state, waits, ipv6: ipv6 ?? null }, describeVm(state, waits, ipv6));
    }),
  );

interface CreateOptions extends CommonOptions {
  readonly image: string;
  readonly cloud: string;
  readonly memory: number;
  readonly cpus: number;
  readonly ip: string;
  readonly mac?: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
}

const create = command('create', 'boot a VM on an image', [
  'vm create web --image web --cloud alpha --ip 10.88.0.10 --kernel /boot/vmlinuz --initrd /boot/initrd.img --append root=/dev/vda',
])
  .argument('<vm>', 'its name')
  .requiredOption('--image <image>', 'the image that becomes its disk')
  .requiredOption('--cloud <cloud>', 'where it starts')
  .requiredOption('--ip <address>', 'its address in the overlay')
  .requiredOption('--kernel <file>', 'kernel, a file of the node')
  .requiredOption('--initrd <file>', 'initial RAM disk, a file of the node')
  .option('--append <text>', "the kernel's command line", '')
  .option('--memory <MB>', 'memory', wholeNumber, 256)
  .option('--cpus <count>', 'vCPUs', wholeNumber, 1)
  .option('--mac <address>', 'its MAC address (default: made from its name)')
  .action((vm: string, options: CreateOptions) =>
    withOrchestrator(options, async (client) => {
      const { image, cloud, ip, memory: memoryMB, cpus, kernel, initrd, append } = options;
      const boot = { kernel, initrd, commandLine: append };
      const mac = options.mac === undefined ? {} : { mac: options.mac };
      const state = await client.call('vm.create', { vm, image, cloud, ip, memoryMB, cpus, boot, ...mac });
      await print(options, state, `VM ${vm} starts at ${state.cloud}; its console: supercloud vm show ${vm} --console`);
    }),
  );

const remove = command('delete', 'stop a VM for good; its image stays', ['vm delete web'])
  .argument('<vm>', 'its name')
  .action((vm: string, options: CommonOptions) =>
    withOrchestrator(options, async (client) => {
      await client.call('vm.delete', { vm });
      await print(options, { vm, deleted: true }, `VM ${vm} is deleted; its image is closed and stays`);
    }),
  );

export const vmCommand = new Command('vm')
  .description('virtual machines')
  .addCommand(list)
  .addCommand(show)
  .addCommand(create)
  .addCommand(remove);
