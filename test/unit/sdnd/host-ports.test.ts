// A node's switch as the agent wants it, and what the agent says of a port that the switch did not make as it should be. The
// device is this machine's own `lo`, so that none is made.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HostPorts } from '../../../sdnd/agent/host-ports.ts';
import { type NodeSwitch, tunnelNumbers, wantedSwitch } from '../../../sdnd/agent/node-switch.ts';
import { uuidOf } from '../../../sdnd/ovsdb/values.ts';
import type { ConfigConflict } from '../../../sdnd/switch-config/config-changes.ts';
import type { InterfaceRow } from '../../../sdnd/switch-config/found-config.ts';
import type { WantedConfig } from '../../../sdnd/switch-config/wanted-config.ts';
import { failure } from '../common/members.ts';

const NODE: NodeSwitch = { datapathType: 'netdev', controller: { addresses: ['10.77.0.1'], identity: '/identity' } };
const PORT = { name: 'lo', portNo: 4096, owner: 'web', mac: '02:88:00:00:00:10' };
const ROW: InterfaceRow = {
  ...{ _uuid: uuidOf('0a000000-0000-4000-8000-00000000000a'), name: 'lo', type: '', options: new Map() },
  ...{ ofport_request: 4096, ofport: 4096, error: undefined, external_ids: new Map() },
};

/** A kernel that does as it is told, and a device that is there. */
const KERNEL = { setKernel: async () => undefined, ip: async () => undefined };

/** What is said of a port of which the switch says this. */
async function refusal(found: Partial<InterfaceRow> | undefined, conflicts: ConfigConflict[] = []): Promise<string> {
  const keeper = {
    want: async () => conflicts,
    interfaceOf: () => (found === undefined ? undefined : { ...ROW, ...found }),
  };
  const added = new HostPorts({ node: NODE, ports: [], keeper, ...KERNEL }).add(PORT);
  const { code, message } = await failure(added);
  assert.is(code, 'PORT_REFUSED');
  return message.replace('the switch has no port lo as it should be: ', '');
}

test('the integration bridge drops all until told otherwise, and the tunnel takes its remote end from the flow', () => {
  const [bridge, ...more] = wantedSwitch(NODE, [PORT]).bridges;
  assert.equal(more, []);
  assert.is(bridge?.name, 'br-int');
  assert.is(bridge?.failMode, 'secure');
  assert.equal(bridge?.protocols, ['OpenFlow13']);
  const [tunnel, guest] = bridge?.ports ?? [];
  assert.equal(tunnel?.options, { remote_ip: 'flow', key: 'flow', dst_port: '4789', df_default: 'false' });
  assert.is(tunnel?.ofport, 1);
  assert.equal(guest, {
    ...{ name: 'lo', type: '', ofport: 4096 },
    externalIds: { 'supercloud-owner': 'web', 'attached-mac': PORT.mac },
  });
});

test("the node's own IP takes nothing from a guest's device, whatever made it, and says nothing there", async () => {
  const settings: string[] = [];
  const keeper = { want: async () => [], interfaceOf: () => ROW };
  const setKernel = async (path: string, value: string) => void settings.push(`${path}=${value}`);
  await new HostPorts({ node: NODE, ports: [], keeper, ...KERNEL, setKernel }).add(PORT);
  assert.equal(settings, [
    'ipv6/conf/lo/disable_ipv6=1',
    'ipv4/conf/lo/forwarding=0',
    'ipv4/conf/lo/rp_filter=1',
    'ipv4/conf/lo/drop_unicast_in_l2_multicast=1',
    'ipv4/conf/lo/arp_ignore=8',
  ]);
});

test('a device that is there is made as a new one is: whoever made it may have been killed before that', async () => {
  const said: string[] = [];
  const keeper = { want: async () => [], interfaceOf: () => ROW };
  const ip = async (...words: string[]) => void said.push(words.join(' '));
  await new HostPorts({ node: NODE, ports: [], keeper, ...KERNEL, ip }).add(PORT);
  assert.equal(said, ['link set lo mtu 1330 up']);
});

test('a node that leads outside has the port to it, of whatever number', () => {
  const [bridge] = wantedSwitch({ ...NODE, outside: 'eth1' }, [PORT]).bridges;
  assert.equal(
    bridge?.ports.map(({ name, ofport }) => `${name} ${ofport}`),
    ['vxlan0 1', 'eth1 undefined', 'lo 4096'],
  );
});

test('a gateway has a tunnel port for each of its networks, known by its own address there', () => {
  const feet = [
    { underlay: 'wan', inner: '10.77.0.3', outer: '192.0.2.3' },
    { underlay: 'home', inner: '10.78.0.1', port: 'vxlan1' },
  ];
  const [bridge] = wantedSwitch({ ...NODE, feet }, []).bridges;
  const ports = bridge?.ports.map(({ name, type, ofport, options }) => [name, type, ofport, options?.local_ip]);
  assert.equal(ports, [
    ['vxlan0', 'vxlan', 1, '10.77.0.3'],
    ['vxlan1', 'vxlan', 2, '10.78.0.1'],
  ]);
  const [alone] = wantedSwitch({ ...NODE, feet: feet.slice(1) }, []).bridges[0]?.ports ?? [];
  assert.equal([alone?.name, alone?.ofport, alone?.options?.local_ip], ['vxlan1', 1, undefined]);
  assert.throws(() => tunnelNumbers([...feet, { underlay: 'third', inner: '10.79.0.1' }]), /one tunnel port: vxlan0/);
});

test('a controller comes with the files that TLS needs, and neither without the other', () => {
  const wanted = wantedSwitch(NODE, []);
  assert.is(wanted.bridges[0]?.controllers[0]?.target, 'ssl:10.77.0.1:6653');
  const files = { privateKey: '/identity/key.pem', certificate: '/identity/cert.pem', authority: '/identity/ca.pem' };
  assert.equal(wanted.tls, files);
  const alone = wantedSwitch({ datapathType: 'system' }, []);
  assert.equal(alone.bridges[0]?.controllers, []);
  assert.is(alone.tls, undefined);
});

test('ports that are known, come and go are all that is wanted', async () => {
  const names: string[][] = [];
  const want = async ({ bridges }: WantedConfig): Promise<readonly ConfigConflict[]> => {
    names.push(bridges.flatMap(({ ports }) => ports.map(({ name }) => name)));
    return [];
  };
  const known = { ...PORT, name: 'vm-1', portNo: 4097 };
  const keeper = { want, interfaceOf: () => ROW };
  const host = new HostPorts({ node: NODE, ports: [known], keeper, ...KERNEL });
  await host.add(PORT);
  await host.remove('vm-1');
  assert.equal(names, [
    ['vxlan0', 'vm-1', 'lo'],
    ['vxlan0', 'lo'],
  ]);
});

test("a port that was not made is refused with the switch's own word for it, or with who stands in the way", async () => {
  assert.is(await refusal({ ofport: 7 }), 'its number is 7, not 4096');
  assert.is(await refusal(undefined), 'its number is none, not 4096');
  const error = 'could not open network device lo (No such device)';
  assert.is(await refusal({ ofport: -1, error }), error);
  const port = { part: 'port', name: 'lo', reason: 'somebody else has it as lo of br-x' } as const;
  assert.is(await refusal({ ofport: 3 }, [port]), 'port lo: somebody else has it as lo of br-x');
  const bridge = { part: 'bridge', name: 'br-int', reason: 'there is one' } as const;
  assert.is(await refusal(undefined, [{ ...port, name: 'vm-2' }, bridge]), 'bridge br-int: there is one');
});

test.run();
