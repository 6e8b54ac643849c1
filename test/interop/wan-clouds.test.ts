// Three clouds on one machine: namespaces, an Open vSwitch each, the WAN between them, a VXLAN tunnel by hand-made flows;
// and after a kill -9 of the process that made it all, nothing of it remains. Needs root.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  createNamespaces,
  createVethPairs,
  listNamespaces,
  namespaceName,
  namespacePids,
  runIn,
} from '../../lab/namespace.ts';
import { addVethPort, type OpenVswitch, startOpenVswitch } from '../../lab/open-vswitch.ts';
import { startReaper } from '../../lab/reaper.ts';
import { identify, isSameProcess, listRuns, RunDirectory } from '../../lab/run-directory.ts';
import { openTunnelDoor, TUNNEL_UPLINK } from '../../lab/tunnel-door.ts';
import { labLinks, startWan } from '../../lab/wan/wan.ts';
import { TUNNEL_OFPORT } from '../../sdnd/agent/node-switch.ts';
import { until } from '../until.ts';
import { makeIntegrationBridge } from './integration-bridge.ts';
import { killed } from './killed.ts';

const LIMIT_MS = 180_000;
const CLOUDS = ['alpha', 'beta', 'gamma'];
const VM_OFPORT = 10;
const TUNNEL_KEY = 42;

interface Clouds {
  readonly run: RunDirectory;
  readonly switches: readonly OpenVswitch[];
  name(role: string): string;
}

async function raiseClouds(): Promise<Clouds> {
  const run = new RunDirectory();
  const name = (role: string): string => namespaceName(run.runId, role);
  const all = [...CLOUDS, ...CLOUDS.map((cloud) => `vm-${cloud}`), 'wan'].map(name);
  run.addNamespaces(all);
  await createNamespaces(all);
  await createVethPairs(
    CLOUDS.map((cloud, index) => [
      { namespace: name(cloud), device: 'uplink', mac: underlayMac(index), address: `${underlay(index)}/24` },
      { namespace: name('wan'), device: cloud },
    ]),
  );
  const ports = CLOUDS.map((cloud) => ({ name: cloud, device: cloud }));
  const [switches] = await Promise.all([
    Promise.all(CLOUDS.map((cloud, index) => startSwitch(run, name(cloud), index))),
    startWan({ namespace: name('wan'), ports, links: labLinks() }),
  ]);
  return { run, switches, name };
}

async function startSwitch(run: RunDirectory, namespace: string, index: number): Promise<OpenVswitch> {
  await openTunnelDoor(namespace, 'uplink');
  const runDirectory = `${run.path}/${index}`;
  const openVswitch = await startOpenVswitch({
    namespace,
    runDirectory,
    underlayAddress: `${underlay(index)}/24`,
    uplink: TUNNEL_UPLINK,
    isForTunnels: true,
    underlayMac: underlayMac(index),
  });
  await makeIntegrationBridge(openVswitch.databaseSocket);
  return openVswitch;
}

async function addHost({ switches, name }: Clouds, index: number, peer: number): Promise<void> {
  const [openVswitch, cloud] = [switches[index], CLOUDS[index]];
  if (openVswitch === undefined || cloud === undefined) throw new Error(`no cloud ${index}`);
  const port = { namespace: name(cloud), port: 'vm0', ofport: VM_OFPORT };
  const mac = `02:55:00:00:00:0${index}`;
  await addVethPort(openVswitch, port, {
    namespace: name(`vm-${cloud}`),
    device: 'eth0',
    address: `${host(index)}/24`,
    mac,
    mtuBytes: 1450,
  });
  const out = `in_port=${VM_OFPORT},actions=set_field:${TUNNEL_KEY}->tun_id,set_field:${underlay(peer)}->tun_dst,output:${TUNNEL_OFPORT}`;
  const back = `in_port=${TUNNEL_OFPORT},tun_id=${TUNNEL_KEY},actions=output:${VM_OFPORT}`;
  await openVswitch.ofctl('add-flows', ['-'], `${out}\n${back}\n`);
}

function underlay(index: number): string {
  return `10.77.0.${index + 1}`;
}

function underlayMac(index: number): string {
  return `02:77:00:00:00:0${index + 1}`;
}

function host(index: number): string {
  return `192.168.77.${index + 1}`;
}

async function leastPingMs(namespace: string, address: string): Promise<number> {
  const said = await runIn(namespace, 'ping', ['-q', '-n', '-c', '4', '-i', '0.2', '-W', '5', address]);
  return Number(/= ([\d.]+)\//.exec(said)?.[1]);
}

/** The part that the test kills: raises the clouds under a reaper, says its run id and waits to be killed. */
async function raiseAndWait(): Promise<void> {
  const { run, name } = await raiseClouds();
  const reaper = await startReaper(run.runId);
  const pids = [...CLOUDS, 'wan'].flatMap((role) => namespacePids(name(role)));
  console.log(JSON.stringify({ runId: run.runId, reaper: reaper.pid, pids }));
  await sleep(LIMIT_MS);
}

test('without its switch a cloud reaches the others as before; with it again the tunnel is back', async () => {
  const clouds = await raiseClouds();
  try {
    const [openVswitch] = clouds.switches;
    if (openVswitch === undefined) throw new Error('no switch');
    await addHost(clouds, 2, 0);
    await killed(await openVswitch.switchPid());
    await leastPingMs(clouds.name('alpha'), underlay(1));
    await openVswitch.startSwitch();
    await addHost(clouds, 0, 2);
    await leastPingMs(clouds.name('vm-alpha'), host(2));
  } finally {
    await clouds.run.remove();
  }
});

test("the underlay has the lab's round trips, and a tunnel between the clouds carries frames", async () => {
  const clouds = await raiseClouds();
  try {
    const trips = [
      ['alpha', 1, 75],
      ['beta', 2, 75],
      ['alpha', 2, 150],
    ] as const;
    for (const [from, to, roundTripMs] of trips) {
      const leastMs = await leastPingMs(clouds.name(from), underlay(to));
      assert.ok(leastMs >= roundTripMs, `${from} to ${underlay(to)}: ${leastMs} ms`);
    }
    await addHost(clouds, 0, 2);
    await addHost(clouds, 2, 0);
    const leastMs = await leastPingMs(clouds.name('vm-alpha'), host(2));
    assert.ok(leastMs >= 150, `${leastMs} ms`);
  } finally {
    await clouds.run.remove();
  }
  assert.equal(
    listNamespaces().filter((name) => name.startsWith(`sc-${clouds.run.runId}-`)),
    [],
  );
});

test('after kill -9 of the starter nothing remains', async () => {
  const starter = spawn(process.execPath, [fileURLToPath(import.meta.url), 'raise'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await once(starter.stdout, 'data');
  const { runId, reaper, pids } = JSON.parse(String(line));
  assert.ok(pids.length >= 7, `${pids.length} processes`);
  const [known, others] = [identify(reaper), pids.map(identify)];
  starter.kill('SIGKILL');
  await until('the reaper has ended', async () => !isSameProcess(known));
  assert.equal(
    listNamespaces().filter((name) => name.startsWith(`sc-${runId}-`)),
    [],
  );
  // Out of its namespace a process that was killed may take a moment yet to end.
  await until('the others have ended', async () => !others.some(isSameProcess));
  assert.not.ok(listRuns().includes(runId));
  assert.equal([`/run/supercloud-lab/${runId}`, `/var/tmp/supercloud-lab/${runId}`].map(existsSync), [false, false]);
});

test('a reaper that is dismissed leaves all as it is', async () => {
  const run = new RunDirectory();
  const reaper = await startReaper(run.runId);
  await reaper.dismiss();
  assert.ok(existsSync(run.path));
  await run.remove();
});

if (process.argv[2] === 'raise') {
  await raiseAndWait();
} else {
  // One bound for all: uvu has none of its own. What is left then is cleaned by `./supercloud lab --clean`.
  setTimeout(() => process.exit(1), LIMIT_MS).unref();
  test.run();
}
