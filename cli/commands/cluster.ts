// `supercloud init`, `token create`, `join`: how a cluster begins and how a node becomes a member. Certificates are loaded by
// `init` and `join` alone: what they need takes longer to load than all other commands.
import { join as joinPath } from 'node:path';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import { saveIdentity } from '../../common/membership/identity.ts';
import { type CommonOptions, command, print, withOrchestrator } from '../command.ts';
import { wholeNumber } from './numbers.ts';

interface InitOptions extends CommonOptions {
  readonly state: string;
  readonly node: string;
}

/** Makes the authority, the controller's identity and the first operator's, in three directories under the state. */
export const initCommand = command('init', 'make a new cluster: its authority, its controller, its first operator', [
  'init --state /var/lib/supercloud --node alpha',
])
  .requiredOption('--state <directory>', 'where the controller keeps its state')
  .requiredOption('--node <name>', "the controller node's name")
  .action(async (options: InitOptions) => {
    const { createAuthority, issueIdentity, saveAuthority } = await import('../../common/membership/authority.ts');
    const authority = await createAuthority();
    await saveAuthority(joinPath(options.state, 'authority'), authority);
    const controller = await issueIdentity(authority, { node: options.node, role: 'controller' });
    await saveIdentity(joinPath(options.state, 'identity'), controller);
    const operator = await issueIdentity(authority, { node: 'operator', role: 'operator' });
    await saveIdentity(joinPath(options.state, 'operator'), operator);
    await print(options, { state: options.state, node: options.node }, `cluster made in ${options.state}`);
  });

const create = command('create', 'a join string for one node; it is shown once', ['token create --ttl 3600'])
  .option('--ttl <seconds>', 'how long it may be used', wholeNumber, 3600)
  .action((options: CommonOptions & { ttl: number }) =>
    withOrchestrator(options, async (client) => {
      const made = await client.call('token.create', { ttlSeconds: options.ttl });
      await print(options, made, made.token);
    }),
  );

export const tokenCommand = new Command('token').description('join tokens').addCommand(create);

/** The join string comes by standard input: an argument would stand in the list of processes (PROMISES X5). */
export const joinCommand = command('join', 'become a member with a join string from standard input', [
  'supercloud token create | supercloud join --node beta --identity /var/lib/supercloud/identity',
])
  .requiredOption('--node <name>', "this node's name")
  .requiredOption('--identity <directory>', 'where its key and certificate go')
  .action(async (options: CommonOptions & { node: string; identity: string }) => {
    const token = (await text(process.stdin)).trim();
    const { joinCluster } = await import('../../common/membership/join.ts');
    const joined = await joinCluster({ token, node: options.node, directory: options.identity });
    await print(options, { node: joined.node, role: joined.role }, `node ${joined.node} is a member`);
  });
