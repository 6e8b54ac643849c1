// What a node answers its guests, judged by guests' own software behind a real switch: DHCP clients of both IPs, the kernel's
// address configuration, dig, arping, ndisc6 and rdisc6. Needs root and Debian's packages of these. The tests build on each
// other, in order.

import { ipv4, ipv6 } from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ServiceEvent } from '../../sdnd/guest-services/answers.ts';
import { until } from '../until.ts';
import { GuestClientsStand, PORTS, RESOLVER } from './guest-clients-stand.ts';

const stand = new GuestClientsStand();
const guests = suite("guests' own clients");
const OWN = ipv4('10.88.0.10');
const OWN_IPV6_OF_DB = ipv6('fd00:88::11');
const LEASED = [{ kind: 'leased', portNo: PORTS.web, address: OWN }];

/** Waits until the services have told of one: what a guest sends without waiting for an answer is there when it ends, or soon. */
function told(kind: ServiceEvent['kind']): Promise<void> {
  return until(`an event ${kind}`, async () => stand.events.some((event) => event.kind === kind));
}

guests.before(() => stand.start());
guests.after(() => stand.stop());

guests('udhcpc is leased the bound address with all that goes with it', async () => {
  const script = stand.script('web', 'udhcpc.sh', '#!/bin/sh\n[ "$1" != bound ] || env | sort > udhcpc.lease\n');
  const options = '-O staticroutes -O mtu -O search';
  const { text, code } = await stand.run('web', `udhcpc -i eth0 -f -n -q -t 8 -T 3 ${options} -s ${script}`);
  assert.is(code, 0, text);
  const lease = stand.read('web', 'udhcpc.lease');
  const wanted = [
    `dns=10.88.0.1 ${RESOLVER}`,
    'domain=shop.internal',
    'hostname=web',
    'ip=10.88.0.10',
    'lease=4294967295',
    'mask=24',
    'mtu=1330',
    'router=10.88.0.1',
    'serverid=10.88.0.1',
    'staticroutes=169.254.169.254/32 0.0.0.0 0.0.0.0/0 10.88.0.1',
    'subnet=255.255.255.0',
  ];
  for (const line of wanted) assert.ok(lease.split('\n').includes(line), `${line} in\n${lease}`);
  assert.equal(stand.take('leased'), LEASED);
});

guests('udhcpc that asks for an address that is not its own gets its own', async () => {
  const script = stand.script('web', 'again.sh', '#!/bin/sh\n[ "$1" != bound ] || echo "$ip" > again\n');
  const { text, code } = await stand.run('web', `udhcpc -i eth0 -f -n -q -t 8 -T 3 -r 10.88.0.99 -s ${script}`);
  assert.is(code, 0, text);
  assert.is(stand.read('web', 'again').trim(), '10.88.0.10');
});

const DHCLIENT_CONF = `option rfc3442 code 121 = array of unsigned integer 8;
send dhcp-client-identifier = hardware;
request subnet-mask, routers, domain-name, domain-name-servers, host-name, interface-mtu, rfc3442;
`;
const DHCLIENT_SCRIPT = `#!/bin/sh
env | sort > dhclient.$reason
case $reason in
PREINIT) ip link set "$interface" up ;;
BOUND | REBOOT)
  ip link set "$interface" mtu "$new_interface_mtu"
  ip address add "$new_ip_address/24" dev "$interface"
  ip route add default via "$new_routers"
  ;;
RELEASE) ip address flush dev "$interface" scope global ;;
esac
`;

/** A resolver outside, as far as the guest can tell; the leased name servers are the system's. */
const ASK_BOTH = `ip address add ${RESOLVER}/32 dev lo
dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --pid-file= --user=root --bind-interfaces \\
  --listen-address=${RESOLVER} --address=/example.com/198.51.100.9 --log-facility=- &
trap "kill $!; ip address delete ${RESOLVER}/32 dev lo" EXIT
for server in $(sed -n 's/^dns=//p' udhcpc.lease); do echo "nameserver $server"; done > resolv.conf
mount --bind resolv.conf /etc/resolv.conf
getent ahostsv4 db.shop.internal; getent ahostsv4 www.example.com`;

guests(
  'the system’s resolver finds VMs by the first name server that is leased, and names outside by the other one',
  async () => {
    const script = stand.script('web', 'ask-both.sh', `#!/bin/sh\n${ASK_BOTH}\n`);
    const { text } = await stand.run('web', `ip address add 10.88.0.10/24 dev eth0; unshare --mount ${script}`);
    const found = [...text.matchAll(/^(\S+) +STREAM (\S+)/gm)].map(([, address, name]) => `${name} ${address}`);
    assert.equal(found, ['db.shop.internal 10.88.0.11', 'www.example.com 198.51.100.9'], text);
    await stand.run('web', 'ip address flush dev eth0 scope global');
  },
);

/** Its lease file stays, so the next one knows its address. */
function dhclient(words: string): Promise<{ text: string; code: number }> {
  const files = '-cf dhclient.conf -lf dhclient.leases -pf dhclient.pid -sf ./dhclient.sh';
  return stand.run('web', `dhclient -4 -v -1 ${files} ${words} eth0`);
}

guests('dhclient is leased the address for ever, and again after a reboot', async () => {
  stand.script('web', 'dhclient.conf', DHCLIENT_CONF);
  stand.script('web', 'dhclient.sh', DHCLIENT_SCRIPT);
  stand.script('web', 'dhclient.leases', '');
  stand.take('leased');
  const first = await dhclient('');
  assert.is(first.code, 0, first.text);
  const lease = stand.read('web', 'dhclient.BOUND');
  const wanted = [
    'new_dhcp_lease_time=4294967295',
    'new_interface_mtu=1330',
    'new_ip_address=10.88.0.10',
    'new_rfc3442=32 169 254 169 254 0 0 0 0 0 10 88 0 1',
    'new_routers=10.88.0.1',
  ];
  for (const line of wanted) assert.ok(lease.split('\n').includes(line), `${line} in\n${lease}`);
  assert.equal(stand.take('leased'), LEASED);
  await stand.run('web', 'kill "$(cat dhclient.pid)"; ip address flush dev eth0 scope global');
  const second = await dhclient('');
  assert.is(second.code, 0, second.text);
  assert.match(stand.read('web', 'dhclient.REBOOT'), /new_ip_address=10.88.0.10/);
  assert.equal(stand.take('leased'), LEASED);
});

guests('dig finds the VMs of its network, and hears what there is not', async () => {
  const dig = async (words: string): Promise<string> =>
    (await stand.run('web', `dig +tries=5 +time=3 ${words}`)).text.trim();
  assert.is(await dig('@10.88.0.1 +short db.shop.internal A'), '10.88.0.11');
  assert.is(await dig('@10.88.0.1 +short DB.Shop.Internal AAAA'), 'fd00:88::11');
  assert.is(await dig('@10.88.0.1 +short -x 10.88.0.11'), 'db.shop.internal.');
  assert.is(await dig('@10.88.0.1 +short -x fd00:88::11'), 'db.shop.internal.');
  const status = async (words: string): Promise<string> =>
    /status: (\w+)[^;]*;; flags: ([\w ]+);/
      .exec(await dig(`@10.88.0.1 ${words}`))
      ?.slice(1)
      .join(', ') ?? 'none';
  assert.is(await status('nobody.shop.internal A'), 'NXDOMAIN, qr aa rd');
  assert.is(await status('db.shop.internal MX'), 'NOERROR, qr aa rd');
  assert.is(await status('db.shop.internal TYPE65534'), 'NOERROR, qr aa rd');
  assert.is(await status('+noedns db.shop.internal'), 'NOERROR, qr aa rd');
  assert.is(await status('+edns=1 +noednsnegotiation db.shop.internal'), 'BADVERS, qr rd');
  stand.take('name-beyond');
  assert.is(await status('example.org'), 'REFUSED, qr rd');
  assert.equal(stand.take('name-beyond'), [{ kind: 'name-beyond', portNo: PORTS.web, name: 'example.org', type: 'A' }]);
  const malformed = await dig('@10.88.0.1 db.shop.internal');
  assert.not.match(malformed, /malformed|extra bytes|bad packet|mismatch/i);
});

guests('arping finds neighbours and services; its own address is free, others are not', async () => {
  const arping = async (words: string): Promise<string> => {
    const { text, code } = await stand.run('web', `arping -c 1 -w 20 -I eth0 ${words}`);
    return `${code} ${/\[([0-9A-F:]+)\]/.exec(text)?.[1] ?? ''}`;
  };
  assert.is(await arping('10.88.0.11'), '0 02:88:00:00:00:0B');
  assert.is(await arping('10.88.0.1'), '0 02:53:43:00:00:01');
  assert.is(await arping('169.254.169.254'), '0 02:53:43:00:00:01');
  assert.is(await arping('-D 10.88.0.11'), '1 02:88:00:00:00:0B');
  assert.is(await arping('-w 2 -D 10.88.0.10'), '0 ');
  assert.is(await arping('-w 2 10.88.0.99'), '1 ');
});

guests('curl reads from the metadata address what its guest is, and each guest its own', async () => {
  const curl = async (name: 'web' | 'db', words: string): Promise<string> => {
    const { text } = await stand.run(name, `ip route replace 169.254.169.254 dev eth0; curl -s -m 20 ${words}`);
    return text;
  };
  const at = 'http://169.254.169.254';
  await stand.run('db', 'ip address add 10.88.0.11/24 dev eth0');
  assert.is(await curl('web', `${at}/latest/meta-data/local-ipv4`), '10.88.0.10');
  assert.match(await curl('web', `${at}/openstack/latest/meta_data.json`), /"hostname":"web\.shop\.internal"/);
  assert.is(await curl('db', `${at}/2009-04-04/meta-data/hostname`), 'db.shop.internal');
  await stand.run('db', 'ip address del 10.88.0.11/24 dev eth0');
  assert.match(await curl('web', `-X PUT ${at}/latest/api/token`), /^[0-9a-f]{32}$/);
  assert.match(await curl('web', `-i ${at}/latest/user-data`), /^HTTP\/1\.1 404 /);
  assert.match(await curl('web', `-S ${at}:81/ 2>&1`), /connect to .* port 81/);
});

guests('the kernel configures its own IPv6 address, router and MTU', async () => {
  await stand.run('web', 'sysctl -q -w net.ipv6.conf.eth0.accept_ra=2 net.ipv6.conf.eth0.disable_ipv6=0');
  const waiting =
    'for try in $(seq 150); do ip -6 address show dev eth0 scope global -tentative | grep -q inet6 && break; sleep 0.2; done';
  const { text } = await stand.run('web', `${waiting}; ip -6 address show dev eth0 scope global`);
  assert.match(text, /inet6 fd00:88::88:ff:fe00:a\/64 scope global dynamic mngtmpaddr/);
  assert.match(text, /valid_lft forever preferred_lft forever/);
  const { text: routes } = await stand.run('web', 'ip -6 route show dev eth0; cat /proc/sys/net/ipv6/conf/eth0/mtu');
  assert.match(routes, /default via fe80::53:43ff:fe00:1 proto ra .*expires 6\d{4}sec/);
  assert.match(routes, /\n1330\n$/);
});

guests('rdisc6 reads the whole advertisement, and ndisc6 finds neighbours', async () => {
  const { text: router } = await stand.run('web', 'rdisc6 -1 -r 5 -w 3000 eth0');
  const wanted = [
    /Hop limit +: +64/,
    /Stateful address conf\. +: +No/,
    /Router lifetime +: +65535/,
    /Prefix +: fd00:88::\/64\n.*On-link +: +Yes\n.*Autonomous address conf\.: +Yes/,
    /MTU +: +1330/,
    /Source link-layer address: 02:53:43:00:00:01/,
    /Recursive DNS server +: fe80::53:43ff:fe00:1/,
    /DNS search list +: shop\.internal/,
  ];
  for (const words of wanted) assert.match(router, words);
  const find = async (address: string): Promise<string> =>
    (await stand.run('web', `ndisc6 -q -r 5 -w 3000 ${address} eth0`)).text.trim();
  assert.is(await find('fd00:88::11'), '02:88:00:00:00:0B');
  assert.is(await find('fe80::53:43ff:fe00:1'), '02:53:43:00:00:01');
  const dig = 'dig +tries=5 +time=3 +short @fe80::53:43ff:fe00:1%eth0 db.shop.internal AAAA';
  assert.is((await stand.run('web', dig)).text.trim(), 'fd00:88::11');
});

const DHCLIENT6_SCRIPT = `#!/bin/sh
env | sort > dhclient6.$reason
`;

/** Its lease file stays. */
function dhclient6(words: string): Promise<{ text: string; code: number }> {
  const files = '-cf /dev/null -lf dhclient6.leases -pf dhclient6.pid -sf ./dhclient6.sh';
  return stand.run('db', `dhclient -6 -v ${files} ${words} eth0`);
}

guests(
  'dhclient is leased the address that its kernel would not form, is told it again, and gives it back',
  async () => {
    stand.script('db', 'dhclient6.sh', DHCLIENT6_SCRIPT);
    stand.script('db', 'dhclient6.leases', '');
    const waiting =
      'for try in $(seq 150); do ip -6 address show dev eth0 scope link -tentative | grep -q inet6 && break; sleep 0.2; done';
    await stand.run('db', `sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=0; ${waiting}`);
    stand.take('leased');
    const first = await dhclient6('-1');
    assert.is(first.code, 0, first.text);
    const lease = stand.read('db', 'dhclient6.BOUND6');
    const wanted = [
      'new_dhcp6_domain_search=shop.internal.',
      'new_dhcp6_name_servers=fe80::53:43ff:fe00:1',
      'new_ip6_address=fd00:88::11',
      'new_max_life=4294967295',
      'new_preferred_life=4294967295',
      'new_renew=3600',
    ];
    for (const line of wanted) assert.ok(lease.split('\n').includes(line), `${line} in\n${lease}`);
    assert.equal(stand.take('leased'), [{ kind: 'leased', portNo: PORTS.db, address: OWN_IPV6_OF_DB }]);
    await stand.run('db', 'kill "$(cat dhclient6.pid)"; rm dhclient6.BOUND6');
    const second = await dhclient6('-1');
    assert.match(second.text, /XMT: Confirm.*RCV: Reply/s);
    stand.take('released');
    const released = await dhclient6('-r');
    assert.is(released.code, 0, released.text);
    await told('released');
    assert.equal(stand.take('released'), [{ kind: 'released', portNo: PORTS.db, address: OWN_IPV6_OF_DB }]);
    const asked = await dhclient6('-1 -S');
    assert.match(asked.text, /XMT: Info-Request.*RCV: Reply/s);
    assert.match(stand.read('db', 'dhclient6.BOUND6'), /new_dhcp6_name_servers=fe80::53:43ff:fe00:1/);
  },
);

guests("an address that another has stays unusable: the kernel's own detection hears of it", async () => {
  const waiting =
    'for try in $(seq 100); do ip -6 address show dev eth0 dadfailed | grep -q inet6 && break; sleep 0.2; done';
  const { text } = await stand.run(
    'web',
    `ip address add fd00:88::11/64 dev eth0; ${waiting}; ip -6 address show dev eth0 dadfailed`,
  );
  assert.match(text, /inet6 fd00:88::11\/64 scope global dadfailed tentative/);
  await stand.run('web', 'ip address del fd00:88::11/64 dev eth0');
});

guests('one guest floods and speaks in the name of another, which is answered all the same', async () => {
  stand.events.length = 0;
  const words = [
    'ip address add 10.88.0.11/24 dev eth0',
    'ping -q -f -l 1000 -c 1000 -w 3 169.254.169.254 -I eth0',
    'ip address add 10.88.0.10/32 dev eth0',
    'arping -c 2 -w 3 -I eth0 -s 10.88.0.10 10.88.0.1',
  ];
  const flood = stand.run('db', `ip route add 169.254.169.254 dev eth0; ${words.join('; ')}`);
  const dig = 'dig +tries=5 +time=3 +short @10.88.0.1 db.shop.internal';
  const { text } = await stand.run('web', `for n in 1 2 3 4 5; do ${dig}; done`);
  assert.is(text.trim(), Array(5).fill('10.88.0.11').join('\n'));
  const { text: felt } = await flood;
  assert.match(felt, /Received 0 response/);
  const portsOf = (kind: string): number[] => [
    ...new Set(stand.events.flatMap((event) => (event.kind === kind ? [event.portNo] : []))),
  ];
  assert.not.ok(portsOf('limited').includes(PORTS.web));
  const answered = Number(/ transmitted, (\d+) received/.exec(felt)?.[1]);
  assert.ok(answered > 0 && answered < 1000, felt);
  await told('refused');
  assert.equal(portsOf('refused'), [PORTS.db]);
});

guests('a client that gives its address back is heard', async () => {
  stand.take('released');
  const { text, code } = await dhclient('-r');
  assert.is(code, 0, text);
  await told('released');
  assert.equal(stand.take('released'), [{ kind: 'released', portNo: PORTS.web, address: OWN }]);
});

guests.run();
