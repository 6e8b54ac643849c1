// Ways between two hosts that encrypt: wireguard-go, OpenVPN and tinc, each as its manual sets it up with a cipher that the
// processor has instructions for.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { runCommand, runIn } from '../../../lab/namespace.ts';
import { startWireGuard, WIREGUARD_PORT, wireGuardDevice } from '../../../lab/wireguard.ts';
import { newKeyPair } from '../../../sdnd/underlay/wireguard-keys.ts';
import { BenchNet, type LaidWay, type Side } from './bench-net.ts';

const OPENVPN_PORT = 1194;
const TAP = 'tap0';
const CERTIFICATE_DAYS = 2;

/** wireguard-go between the nodes, which route their hosts' networks into it. */
export function layWireGuard(): Promise<LaidWay> {
  return BenchNet.lay(async (net) => {
    await net.wireNodes();
    const endOf = (side: Side, number: 1 | 2) => ({
      side,
      keys: newKeyPair(),
      device: wireGuardDevice(net.run.runId, String(number)),
      tunnel: `10.99.0.${number}`,
      network: `10.88.${number}`,
    });
    const [a, b] = [endOf(net.sides[0], 1), endOf(net.sides[1], 2)];
    for (const { side, keys, device, tunnel, network } of [a, b]) {
      const log = `${net.run.path}/${side.node}.wireguard-go.log`;
      await startWireGuard(side.node, { device, address: tunnel, log }, () => undefined);
      await net.wireHost(side, { host: `${network}.2/24`, node: `${network}.1/24` });
      const key = `cat | wg set ${device} listen-port ${WIREGUARD_PORT} private-key /dev/stdin`;
      await runIn(side.node, 'sh', ['-c', key], { input: keys.privateKey });
      await net.sh(side.node, 'sysctl -q -w net.ipv4.ip_forward=1');
      await net.sh(side.host, `ip route add default via ${network}.1`);
    }
    for (const [own, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const place = `endpoint ${other.side.underlay}:${WIREGUARD_PORT} allowed-ips ${other.network}.0/24`;
      const script = `wg set ${own.device} peer ${other.keys.publicKey} ${place}
ip route add ${other.network}.0/24 dev ${own.device}\n`;
      await net.sh(own.side.node, script);
    }
    return `${b.network}.2`;
  });
}

/** OpenVPN by UDP with a tap device in a bridge of each node; AES-256-GCM. */
export function layOpenVpn(): Promise<LaidWay> {
  return BenchNet.lay(async (net) => {
    await net.wireNodes();
    const [a, b] = await Promise.all([certified(net, net.sides[0]), certified(net, net.sides[1])]);
    const common = ['--proto', 'udp', '--port', `${OPENVPN_PORT}`, '--dev', TAP, '--dev-type', 'tap', '--verb', '1'];
    const cipher = ['--data-ciphers', 'AES-256-GCM'];
    const role = { a: ['--tls-server', '--dh', 'none'], b: ['--tls-client'] };
    const words = (own: Certified, other: Certified, as: readonly string[]): string[] => [
      ...[...common, ...cipher, ...as, '--remote', other.side.underlay],
      ...['--cert', own.certificate, '--key', own.key, '--peer-fingerprint', other.fingerprint],
    ];
    await net.daemon(a.side.node, 'openvpn', words(a, b, role.a), TAP);
    await net.daemon(b.side.node, 'openvpn', words(b, a, role.b), TAP);
    await net.bridgeHosts(TAP);
    return b.side.address;
  });
}

/** tinc in switch mode with a tap device in a bridge of each node; AES-256-CBC and SHA-256. */
export function layTinc(): Promise<LaidWay> {
  return BenchNet.lay(async (net) => {
    await net.wireNodes();
    const ends = net.sides.map((side, index) => {
      return { side, name: `node${index + 1}`, directory: `${net.run.path}/tinc${index + 1}` };
    });
    for (const { side, name, directory } of ends) {
      const other = ends.find((one) => one.name !== name);
      await mkdir(`${directory}/hosts`, { recursive: true });
      const main = [
        `Name = ${name}`,
        `ConnectTo = ${other?.name}`,
        'Mode = switch',
        'DeviceType = tap',
        `Interface = ${TAP}`,
      ];
      await writeFile(`${directory}/tinc.conf`, `${main.join('\n')}\n`);
      const host = [`Address = ${side.underlay}`, 'Cipher = aes-256-cbc', 'Digest = sha256'];
      await writeFile(`${directory}/hosts/${name}`, `${host.join('\n')}\n`);
      // It appends the public key to the host's file.
      await runCommand('tincd', ['-c', directory, '-K', '2048']);
    }
    for (const { side, name, directory } of ends) {
      for (const other of ends.filter((one) => one.name !== name))
        await writeFile(`${directory}/hosts/${other.name}`, await readFile(`${other.directory}/hosts/${other.name}`));
      const words = ['-c', directory, '-D', '--pidfile', `${directory}/pid`];
      await net.daemon(side.node, 'tincd', words, TAP);
    }
    await net.bridgeHosts(TAP);
    return net.sides[1].address;
  });
}

interface Certified {
  readonly side: Side;
  readonly key: string;
  readonly certificate: string;
  readonly fingerprint: string;
}

/** A certificate that a node has made for itself, known to the other by its fingerprint. */
async function certified({ run }: BenchNet, side: Side): Promise<Certified> {
  const key = `${run.path}/${side.node}.key.pem`;
  const certificate = `${run.path}/${side.node}.cert.pem`;
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', key, '-out', certificate, '-days', `${CERTIFICATE_DAYS}`];
  await runCommand('openssl', ['req', '-x509', ...kind, ...files, '-subj', `/CN=${side.node}`]);
  const said = await runCommand('openssl', ['x509', '-in', certificate, '-noout', '-fingerprint', '-sha256']);
  return { side, key, certificate, fingerprint: said.trim().split('=')[1] ?? '' };
}
