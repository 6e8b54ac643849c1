// The command line's entry: names the commands, runs one, says in one sentence why it failed. Commands that are
// programs of their own (the lab, the tests) are started as such, since no package imports another.
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { exitCodeOf } from '../common/terminal/error-report.ts';
import '../common/terminal/terminal.ts';
import { runChecks } from './check.ts';
import { swallowed } from './command.ts';
import { catalogueCommand } from './commands/catalogue.ts';
import { initCommand, joinCommand, tokenCommand } from './commands/cluster.ts';
import { doctorCommand } from './commands/doctor.ts';
import { imageCommand } from './commands/image.ts';
import { metricsCommand } from './commands/metrics.ts';
import { migrateCommand } from './commands/migrate.ts';
import { netCommand } from './commands/net.ts';
import { nodeCommand } from './commands/node.ts';
import { propagationCommand } from './commands/propagation.ts';
import { snapshotCommand } from './commands/snapshot.ts';
import { vmCommand } from './commands/vm.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Programs of other packages, by the command that starts them. */
const PROGRAMS: Readonly<Record<string, { readonly script: string; readonly summary: string }>> = {
  lab: { script: 'lab/main.ts', summary: 'three clouds on this machine, and a VM that migrates round' },
  blockd: { script: 'blockd/alone-main.ts', summary: 'the block device alone: --alone serves images over NBD' },
  sdnd: {
    script: 'sdnd/alone-main.ts',
    summary: 'an OpenFlow controller alone: --alone, for whatever switches connect',
  },
  fuse: {
    script: 'blockd/fuse-main.ts',
    summary: "blockd's images as files under one mount: --sockets DIR --at MOUNTPOINT",
  },
  test: { script: 'test/run.ts', summary: 'set up and run all tests' },
  bench: { script: 'test/bench/main.ts', summary: 'benchmarks beside the named peers' },
  crash: {
    script: 'test/real-crash/main.ts',
    summary: 'real block daemons killed at their system calls, and power cuts',
  },
  fuzz: { script: 'test/fuzz.ts', summary: 'changed sessions and messages of every protocol: --seeds N' },
  sim: { script: 'test/sim/run.ts', summary: 'the simulation: --seeds N, or --seed S to replay one' },
};

/** Becomes another package's program: every signal is its own, and nothing is left beside it that could end without it. */
function become(script: string, args: readonly string[]): void {
  const { execPath, execArgv, env } = process;
  if (process.execve === undefined) throw new TypeError('Node has no execve on this platform');
  const terminal = ['--import', `${ROOT}common/terminal/terminal.ts`];
  process.execve(execPath, [execPath, ...execArgv, ...terminal, `${ROOT}${script}`, ...args], env);
}

/** What is wrong with words, and how it ends, is said of every command below one as of that one. */
function inherit(parent: Command): Command {
  for (const child of parent.commands) inherit(child.copyInheritedSettings(parent));
  return parent;
}

function build(): Command {
  const program = new Command('supercloud')
    .description('One virtual cloud over rented machines: a running VM moves live from one provider to another.')
    .exitOverride()
    .showHelpAfterError('(add --help for what can be typed)')
    .addCommand(nodeCommand)
    .addCommand(vmCommand)
    .addCommand(migrateCommand)
    .addCommand(imageCommand)
    .addCommand(snapshotCommand)
    .addCommand(propagationCommand)
    .addCommand(catalogueCommand)
    .addCommand(netCommand)
    .addCommand(doctorCommand)
    .addCommand(metricsCommand)
    .addCommand(initCommand)
    .addCommand(tokenCommand)
    .addCommand(joinCommand);
  program
    .command('check')
    .description('types, formatting and lint, import direction, dead exports')
    .action(async () => {
      if ((await runChecks(ROOT)).length > 0) process.exitCode = 1;
    });
  for (const [name, { summary }] of Object.entries(PROGRAMS)) program.command(name).description(summary);
  return inherit(program);
}

async function main(args: readonly string[]): Promise<void> {
  // Another program has its own options and its own help: its words are not looked at here.
  const other = PROGRAMS[args[0] ?? ''];
  if (other !== undefined) become(other.script, args.slice(1));
  else {
    await build()
      .parseAsync([...args], { from: 'user' })
      .catch((error: unknown) => {
        process.stderr.write(swallowed(error, args));
        throw error;
      });
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = exitCodeOf(error);
}
