// What is wrong between two nodes of a lab, made and mended again: for a doctor to find. Not a test itself.
import { HYPERVISOR } from '../../lab/daemons.ts';
import { UPLINK } from '../../lab/ground.ts';
import type { Lab } from '../../lab/lab.ts';
import { runIn } from '../../lab/namespace.ts';
import type { Finding } from '../../wire/contracts/doctor.ts';
import { VXLAN_PORT } from '../../wire/ports.ts';

const CHAIN = ['netdev', `tunnels-${UPLINK}`, 'from-wan'];

/** As `subject from>to`. */
export function wrongOf(findings: readonly Finding[]): string[] {
  return findings
    .filter(({ verdict }) => verdict === 'wrong')
    .map(({ subject, from, to }) => `${subject} ${from}>${to}`);
}

/** VXLAN from one node is dropped before the other's switch; answers what ends that. */
export async function blockTunnel(lab: Lab, from: string, at: string): Promise<() => Promise<void>> {
  const { namespace } = lab.cloud(at);
  const rule = ['ip', 'saddr', lab.cloud(from).plan.address, 'udp', 'dport', `${VXLAN_PORT}`, 'drop'];
  const said = await runIn(namespace, 'nft', ['--echo', '--handle', 'insert', 'rule', ...CHAIN, ...rule]);
  const handle = /# handle (\d+)/.exec(said)?.[1] ?? '';
  return () => runIn(namespace, 'nft', ['delete', 'rule', ...CHAIN, 'handle', handle]).then(() => undefined);
}

/** Nothing longer comes into the node. */
export async function narrow(lab: Lab, at: string, mtuBytes: number): Promise<void> {
  await runIn(lab.cloud(at).namespace, 'ip', ['link', 'set', UPLINK, 'mtu', `${mtuBytes}`]);
}

/** The node's hypervisor agent starts anew with a wall clock that is ahead. */
export async function setClockAhead(lab: Lab, at: string, ms: number): Promise<void> {
  const node = lab.cloud(at);
  await node.daemon(HYPERVISOR).kill();
  const before = process.env.NODE_OPTIONS;
  const program = `const now=Date.now;Date.now=()=>now()+${ms}`;
  process.env.NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(program)}`;
  try {
    await node.startDaemon(HYPERVISOR);
  } finally {
    if (before === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = before;
  }
}

/** Nothing passes between the two, either way. */
export async function cutOff(lab: Lab, one: string, other: string, isCut: boolean): Promise<void> {
  const up = !isCut;
  await Promise.all([lab.wan.set(one, other, { up }), lab.wan.set(other, one, { up })]);
}
