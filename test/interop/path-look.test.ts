// How long a packet goes in one piece, by the real ping and the kernel's routers: a path whose narrow link is behind a router, that
// takes longer packets in fragments too. Needs root and Debian's iputils-ping.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { lookAtPath, type RunPing } from '../../hypervisor/pair/path-look.ts';
import { createNamespaces, createVethPair, destroyNamespaces, namespaceName, runIn } from '../../lab/namespace.ts';

const RUN_ID = `path${process.pid}`;
const [near, router, far] = ['near', 'router', 'far'].map((role) => namespaceName(RUN_ID, role)) as [
  string,
  string,
  string,
];
const NARROW_BYTES = 1_430;
const FAR = '10.9.1.2';

const path = suite('path');
const ping: RunPing = (words) => runIn(near, 'ping', words);

path.before(async () => {
  await createNamespaces([near, router, far]);
  await createVethPair({ namespace: near, device: 'eth0' }, { namespace: router, device: 'near0' });
  await createVethPair({ namespace: router, device: 'far0' }, { namespace: far, device: 'eth0' }, NARROW_BYTES);
  const set = (namespace: string, script: string) => runIn(namespace, 'sh', ['-ec', script]);
  await set(near, 'ip address add 10.9.0.1/24 dev eth0; ip route add default via 10.9.0.2');
  await set(
    router,
    'ip address add 10.9.0.2/24 dev near0; ip address add 10.9.1.1/24 dev far0; sysctl -qw net.ipv4.ip_forward=1',
  );
  await set(far, `ip address add ${FAR}/24 dev eth0; ip route add default via 10.9.1.1`);
});
path.after(() => destroyNamespaces([near, router, far]));

path('a path takes in one piece what its narrowest link takes, also where it takes more in fragments', async () => {
  assert.match(
    String(await runIn(near, 'ping', ['-n', '-M', 'dont', '-c', '1', '-w', '20', '-s', '1472', FAR])),
    / 1 received/,
  );
  assert.equal(await lookAtPath(ping, FAR), { longestBytes: 1_420 });
  assert.equal(await lookAtPath(ping, '10.9.0.2'), { longestBytes: 1_500 });
});

path.run();
