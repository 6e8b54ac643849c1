// The daemon of the encrypted underlay (on every node that has one): keeps the peers of the node's WireGuard device, which is
// there already, and takes tunnels from members alone. Killing it changes nothing of the device.
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Type } from '#typebox';
import { realClock } from '../common/clock.ts';
import { runDaemon } from '../common/daemon.ts';
import { realDisk } from '../common/disk/disk.ts';
import { lockState } from '../common/disk/state-lock.ts';
import { OperationError } from '../common/errors.ts';
import { loadIdentity } from '../common/membership/identity.ts';
import { rpcClient } from '../common/rpc/client.ts';
import { UdpEndpoint, underlayContract } from '../wire/contracts/underlay.ts';
import { Endpoint, Ipv4, Name, PortName } from '../wire/names.ts';
import { UNDERLAY_PORT } from '../wire/ports.ts';
import { FilterKeeper } from './underlay/filter-keeper.ts';
import { KEY_TIMES } from './underlay/key-rotation.ts';
import { tunnelRules } from './underlay/tunnel-filter.ts';
import { UnderlayAgent } from './underlay/underlay-agent.ts';
import { UnderlayBook } from './underlay/underlay-book.ts';
import { WireGuardDevice } from './underlay/wireguard-device.ts';

/** Each takes some 10 ms; a loaded machine may need seconds. */
const COMMAND_TIMEOUT_MS = 10_000;

const Seconds = Type.Number({ minimum: 1 });

const Config = Type.Object({
  /** Where the key and the known members lie. */
  state: Type.String(),
  identity: Type.String(),
  cloud: Name,
  /** The WireGuard device, made by the system (the kernel's, or wireguard-go), with the node's address in the underlay. */
  device: PortName,
  address: Ipv4,
  /** Where the device listens, as its own cloud sees it, and as all others do; without the latter nobody can send to it. */
  inner: UdpEndpoint,
  outer: Type.Optional(UdpEndpoint),
  /** The controller's node, and its address outside of the underlay. */
  controller: Endpoint,
  /** Devices by which a switch in user space sends its tunnels into the kernel. */
  switchDevices: Type.Optional(Type.Array(PortName)),
  /** How old a key gets, and how long the others have to hear of the next one and then to use it; a day and a minute. */
  keys: Type.Optional(Type.Object({ lifeSeconds: Seconds, settleSeconds: Seconds })),
});

await runDaemon('underlay', Config, async (config, { log }) => {
  const { cloud, device: name, address, inner, outer, switchDevices = [], keys } = config;
  const identity = await loadIdentity(config.identity);
  await realDisk.makeDirectory(config.state);
  lockState(config.state, 'underlay');
  const book = await UnderlayBook.open(realDisk, config.state, realClock.wallMs());
  const device = new WireGuardDevice({
    name,
    run: runCommand,
    sockets: () => readFileSync('/proc/self/net/unix', 'utf8'),
    nowSeconds: () => realClock.wallMs() / 1_000,
  });
  const filter = new FilterKeeper((words, input) => runCommand('nft', words, input));
  const controller = rpcClient(underlayContract, { ...config.controller, port: UNDERLAY_PORT }, identity);
  const greeter = createSocket('udp4').unref();
  // Nobody listens: what may come back is that nobody does.
  greeter.on('error', () => undefined);
  const agent = new UnderlayAgent({
    ...{ node: identity.node, device, book, controller, clock: realClock, log },
    place: { cloud, address, inner, ...(outer !== undefined && { outer }) },
    keyTimes:
      keys === undefined ? KEY_TIMES : { lifeMs: keys.lifeSeconds * 1_000, settleMs: keys.settleSeconds * 1_000 },
    filter: (members) => filter.keep(tunnelRules({ device: name, members, switchDevices })),
    relay: () => writeFile(`/proc/sys/net/ipv4/conf/${name}/forwarding`, '1'),
    greet: (members) => {
      for (const member of members) greeter.send('', UNDERLAY_PORT, member, () => undefined);
    },
  });
  await agent.start();
  return {
    async close() {
      agent.stop();
      greeter.close();
      controller.close();
    },
  };
});

function runCommand(command: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, [...args], { timeout: COMMAND_TIMEOUT_MS }, (cause, stdout, stderr) => {
      if (cause === null) resolve(stdout);
      else {
        const message = `a command of the underlay failed: ${command} ${args[0] ?? ''}: ${stderr.trim() || cause.message}`;
        reject(new OperationError('COMMAND_FAILED', message, { cause }));
      }
    });
    // A command that ends before it has read its input is judged by its exit status alone.
    child.stdin?.on('error', () => child.stdin?.destroy());
    child.stdin?.end(input);
  });
}
