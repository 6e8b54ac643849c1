// The lab's Internet: a namespace with a router on the WAN and, behind it, a host with an address outside of all clouds. It
// knows no way to a private address, and drops what comes from one.
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { runIn, spawnIn, type VethEnd } from '../namespace.ts';

/** Where it is. */
export interface InternetPlan {
  /** The next hop of whoever is on the WAN, in CIDR. */
  readonly router: string;
  readonly routerMac: string;
  /** The host's address. */
  readonly host: string;
}

/** Its port of the WAN, and its namespace's role. */
export const INTERNET = 'internet';
const UPLINK = 'up0';
const PROGRAM = fileURLToPath(new URL('internet-main.ts', import.meta.url));
const READY_TIMEOUT_MS = 60_000;

/** Its end of the wire to the WAN. */
export function internetEnd(namespace: string, { router, routerMac }: InternetPlan): VethEnd {
  return { namespace, device: UPLINK, address: router, mac: routerMac };
}

/** Sets it up on a wired namespace, with its host's HTTP server, which ends with the namespace. */
export async function startInternet(namespace: string, { host }: InternetPlan): Promise<void> {
  const script = `ip address add ${host}/32 dev lo\nsysctl -q -w net.ipv4.ip_forward=1\n`;
  await runIn(namespace, 'sh', ['-e'], { input: script });
  await runIn(namespace, 'nft', ['-f', '-'], { input: NO_PRIVATE_SOURCES });
  const args = ['--disable-warning=ExperimentalWarning', PROGRAM, host];
  const server = spawnIn(namespace, process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(server, 'exit').then(() => {
    throw new Error("the Internet's server ended before it was ready");
  });
  if (server.stdout === null) throw new TypeError('the server is started with its standard output piped');
  await Promise.race([once(server.stdout, 'data', { signal: AbortSignal.timeout(READY_TIMEOUT_MS) }), ended]);
  ended.catch(() => undefined);
  server.stdout.destroy();
  server.unref();
}

// Of the private ranges (RFC 1918) only the WAN's own network, which stands for public addresses here, is heard.
const NO_PRIVATE_SOURCES = `
table ip internet {
  chain input {
    type filter hook input priority 0; policy accept;
    ip saddr 10.77.0.0/24 accept
    ip saddr { 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 } counter drop
  }
}
`;
