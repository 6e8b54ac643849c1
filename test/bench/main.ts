// `supercloud bench NAME`: benchmarks beside the named peers, in one run.
import { Command } from 'commander';
import { OperationError } from '../../common/errors.ts';
import { exitCodeOf } from '../../common/terminal/error-report.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { labPackages } from '../../lab/guests.ts';
import { checkHost } from '../../lab/host-check.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { isInRoom, runInRoom } from '../own-room.ts';
import { benchController, type ControllerBenchOptions } from './controller.ts';
import { CONTROLLER_BENCH_PACKAGES } from './controller-peers.ts';
import { benchDbench, DBENCH_PACKAGES, type DbenchBenchOptions } from './dbench.ts';
import { benchFuse, FUSE_BENCH_PACKAGES, type FuseBenchOptions } from './fuse.ts';
import { benchMigration, type MigrationBenchOptions } from './migration.ts';
import { benchNbd, NBD_BENCH_PACKAGES, type NbdBenchOptions } from './nbd.ts';
import { OVERLAY_BENCH_PACKAGES } from './overlay/overlay-ways.ts';
import { benchOverlay, type OverlayBenchOptions } from './overlay.ts';
import { benchOverlayScale, type OverlayScaleOptions } from './overlay-scale.ts';
import { benchPeers, PEERS_BENCH_PACKAGES, type PeersBenchOptions } from './peers.ts';
import { benchPropagation, type PropagationBenchOptions } from './propagation.ts';
import { benchTable, type TableBenchOptions } from './table.ts';

function count(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new OperationError('USAGE', `'${text}' is no number from 1`);
}

/** Installs what it needs and runs it where neither a process nor a mount of it outlives the run, however that ends. */
async function inOwnNamespaces(packages: string[], bench: (line: ProgressLine) => Promise<boolean>): Promise<void> {
  const line = new ProgressLine();
  checkHost();
  if (!isInRoom) {
    await ensurePackages(packages, line);
    await runInRoom(import.meta.url, process.argv.slice(2));
  } else if (!(await bench(line))) process.exitCode = 1;
}

const EXAMPLES = `
Examples:
  supercloud bench migration                   six alternations beside plain QEMU, some 36 minutes
  supercloud bench migration --alternations 1  a first impression, some six minutes
  supercloud bench migration --rounds 10       the same VM thirty times, without the peers
  supercloud bench migration --json=FILE       the figures into a file`;

const NBD_EXAMPLES = `
Examples:
  supercloud bench nbd                         all cases, some 35 minutes
  supercloud bench nbd --quick                 a first impression, some seven minutes
  supercloud bench nbd --only read-qd32        that load by fio, by qemu-img, and cold
  supercloud bench nbd --json FILE             the figures into a file

It exits 0 when everything that is required was reached.`;

const PROPAGATION_EXAMPLES = `
Examples:
  supercloud bench propagation                 two workloads, six moves each, some minutes
  supercloud bench propagation --pull          with the background pull after each arrival
  supercloud bench propagation --json FILE     the figures into a file

Nothing is installed or sent: the link is simulated. It exits 0 when the tuned S costs less than S = 1 and at most a fifth
more than the best fixed S.`;

const DBENCH_EXAMPLES = `
Examples:
  supercloud bench dbench                          all, three runs each, some hour
  supercloud bench dbench --quick                  one shorter run each, some fifteen minutes
  supercloud bench dbench --only nfs               only what has that word in its name
  supercloud bench dbench --plot FILE --json FILE  the picture (SVG) and the figures into files

The round trip is 75 ms: the paper's figure is a ping's. It exits 0 when the load reads enough and proactive propagation is done first of all that moved.`;

const CONTROLLER_EXAMPLES = `
Examples:
  supercloud bench controller                  all cases, four alternations, some twenty minutes
  supercloud bench controller --quick          a first impression, some eight minutes
  supercloud bench controller --only 16        the cases with 16 switches
  supercloud bench controller --json FILE      the figures into a file

Each switch has 64 hosts at 8 ports, so a pair comes again after 3,584 frames. ovs-testcontroller
takes 16 switches; for more there are more of it, and their processor time is added up. Ours has links, paths and the limit of a port on. It exits 0 when everything that is required was reached.`;

const OVERLAY_EXAMPLES = `
Examples:
  supercloud bench overlay                     all, six alternations, some fifteen minutes
  supercloud bench overlay --quick             a first impression, some three minutes
  supercloud bench overlay --only VXLAN        only what has that word in its name
  supercloud bench overlay --json FILE         the figures into a file

All traffic stays in namespaces of the run. It exits 0 when our encrypted way is ahead of OpenVPN's and tinc's.`;

const OVERLAY_SCALE_EXAMPLES = `
Examples:
  supercloud bench overlay-scale                              1,000 switches, 200 networks of 500 VMs
  supercloud bench overlay-scale --quick                      100 switches, 20 networks of 100 VMs, some three minutes
  supercloud bench overlay-scale --nodes 500 --networks 100   half of it
  supercloud bench overlay-scale --json FILE                  the figures into a file

Nothing is installed; all traffic is in unix sockets of the run. The controller is sdnd's own, with its journal on the disk;
the switches are a program that speaks OpenFlow and keeps flow tables. It exits 0 when what must hold at any size held.`;

const program = new Command('supercloud bench').description('benchmarks beside the named peers').exitOverride();
program
  .command('migration')
  .description('a live migration beside plain QEMU: disk mirror and memory, and memory alone')
  .option('--alternations <count>', 'how often each is measured; medians are quoted', count, 6)
  .option('--disk-mb <MB>', 'random data on the disk', count, 1024)
  .option('--memory-mb <MB>', "the guest's memory", count, 256)
  .option('--rounds <count>', 'move one VM so often round the three clouds instead, without the peers', count)
  .option('--json [file]', 'print the figures as JSON, or write them to a file')
  .addHelpText('after', EXAMPLES)
  .action(async (options: MigrationBenchOptions) => {
    const line = new ProgressLine();
    checkHost();
    await ensurePackages(labPackages('tiny'), line);
    if (!(await benchMigration(options, line))) process.exitCode = 1;
  });

program
  .command('nbd')
  .description('the block device over NBD beside nbdkit and qemu-nbd')
  .option('--alternations <count>', 'how often each is measured; medians are quoted', count, 6)
  .option('--quick', 'two alternations of 3 s')
  .option('--only <word>', 'the cases with that word in their name, for example read-qd32')
  .option('--json [file]', 'print the figures as JSON, or write them to a file')
  .addHelpText('after', NBD_EXAMPLES)
  .action((options: NbdBenchOptions) => inOwnNamespaces(NBD_BENCH_PACKAGES, (line) => benchNbd(options, line)));

program
  .command('controller')
  .description('the OpenFlow controller alone beside ovs-testcontroller and os-ken, under emulated switches')
  .option('--alternations <count>', 'how often each is measured; medians are quoted', count, 4)
  .option('--quick', 'two alternations of 2 s')
  .option('--only <word>', 'the cases with that word in their name, for example throughput-16')
  .option('--json [file]', 'print the figures as JSON, or write them to a file')
  .addHelpText('after', CONTROLLER_EXAMPLES)
  .action((options: ControllerBenchOptions) =>
    inOwnNamespaces(CONTROLLER_BENCH_PACKAGES, (line) => benchController(options, line)),
  );

program
  .command('table')
  .description('the version table of a large image: opening, checkpoints, memory; some half a minute')
  .option('--gib <GiB>', "the image's size, all of it written", count, 100)
  .option('--json [file]', 'print the figures as JSON, or write them to a file')
  .action(async (options: TableBenchOptions) => {
    if (!(await benchTable(options, new ProgressLine()))) process.exitCode = 1;
  });

program
  .command('fuse')
  .description('images as files beside nbdfuse and qemu-storage-daemon, over one blockd')
  .option('--quick', 'two alternations of 2 s; otherwise six of 5 s, some ten minutes')
  .option('--json [file]', 'print the figures as JSON, or write them to a file')
  .action((options: FuseBenchOptions) => inOwnNamespaces(FUSE_BENCH_PACKAGES, (line) => benchFuse(options, line)));

program
  .command('dbench')
  .description('DBENCH in a guest that moves at once after the start, its disk in ours, on NFS or mirrored')
  .option('--runs <count>', 'how often each is measured; mean and deviation are quoted', count, 3)
  .option('--quick', 'one run of 1 GB')
  .option('--only <word>', 'those with that word in their name, for example proactive')
  .option('--plot <file>', 'throughput per second and totals as SVG')
  .option('--json [file]', 'print the figures as JSON, or write them to a file')
  .addHelpText('after', DBENCH_EXAMPLES)
  .action(async (options: DbenchBenchOptions) => {
    const line = new ProgressLine();
    checkHost();
    await ensurePackages([...labPackages('tiny'), ...DBENCH_PACKAGES], line);
    if (!(await benchDbench(options, line))) process.exitCode = 1;
  });

program
  .command('overlay')
  .description('host to host by our switches, beside a wire, the kernel, wireguard-go, OpenVPN and tinc')
  .option('--alternations <count>', 'how often each is measured; medians are quoted', count, 6)
  .option('--quick', 'two alternations of 2 s')
  .option('--only <word>', 'those with that word in their name, for example WireGuard')
  .option('--json [file]', 'print the figures as JSON, or write them to a file')
  .addHelpText('after', OVERLAY_EXAMPLES)
  .action(async (options: OverlayBenchOptions) => {
    const line = new ProgressLine();
    checkHost();
    await ensurePackages(OVERLAY_BENCH_PACKAGES, line);
    if (!(await benchOverlay(options, line))) process.exitCode = 1;
  });

program
  .command('overlay-scale')
  .description("the overlay's controller with a thousand switches: restart, migrations, memory, messages")
  .option('--nodes <count>', 'switches', count, 1000)
  .option('--networks <count>', 'each over 20 to 40 of them', count, 200)
  .option('--vms <count>', 'of each network', count, 500)
  .option('--quick', '100 switches, 20 networks of 100 VMs')
  .option('--json [file]', 'print the figures as JSON, or write them to a file')
  .addHelpText('after', OVERLAY_SCALE_EXAMPLES)
  .action(async (options: OverlayScaleOptions) => {
    if (!(await benchOverlayScale(options, new ProgressLine()))) process.exitCode = 1;
  });

program
  .command('peers')
  .description('blocks from one block daemon to another, beside nbdcopy from nbdkit: processor time and system calls')
  .option('--alternations <count>', 'how often each is measured; medians are quoted', count, 6)
  .option('--mib <MiB>', 'how much is moved; a quarter of it over a round trip of 150 ms', count, 1024)
  .option('--json [file]', 'print the figures as JSON, or write them to a file')
  .action((options: PeersBenchOptions) => inOwnNamespaces(PEERS_BENCH_PACKAGES, (line) => benchPeers(options, line)));

program
  .command('propagation')
  .description('what pushing blocks ahead costs and saves, for fixed and tuned S, in a simulation')
  .option('--moves <count>', 'how often the VM moves, after stays of 20 to 40 minutes', count, 6)
  .option('--seed <number>', 'what workloads and stays are drawn from', count, 1)
  .option('--pull', 'with the background pull, the hottest blocks first')
  .option('--json [file]', 'print the figures as JSON, or write them to a file')
  .addHelpText('after', PROPAGATION_EXAMPLES)
  .action((options: PropagationBenchOptions) => {
    if (!benchPropagation(options, new ProgressLine())) process.exitCode = 1;
  });

try {
  await program.parseAsync(process.argv.slice(2), { from: 'user' });
} catch (error) {
  process.exitCode = exitCodeOf(error);
}
