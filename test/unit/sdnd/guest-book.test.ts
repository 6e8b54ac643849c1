// What an agent was told of its guests: kept before it counts, never gone back from, and served at the ports that are theirs.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ethAddress, ipv4, ipv6 } from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { realDisk } from '../../../common/disk/disk.ts';
import { codeOf } from '../../../common/errors.ts';
import { createLog } from '../../../common/log.ts';
import { GuestBook } from '../../../sdnd/agent/guest-book.ts';
import { ServedGuests } from '../../../sdnd/agent/served-guests.ts';
import { isServiceFlow, metersAfter, metersBefore, serviceFlows } from '../../../sdnd/agent/service-flows.ts';
import { flowsByKey } from '../../../sdnd/flow.ts';
import { diffFlows, flowMods } from '../../../sdnd/flow-diff.ts';
import { NetworkDirectory } from '../../../sdnd/guest-services/guest-network.ts';
import { GuestServices } from '../../../sdnd/guest-services/guest-services.ts';
import { AGENT_PORT_FIRST, isAgentCookie, SERVICE_MAC, Table } from '../../../sdnd/pipeline.ts';
import type { GuestNews } from '../../../wire/contracts/guest-network.ts';
import { TurnedClock } from '../common/turned-clock.ts';

const books = suite('guest book');
const folder = mkdtempSync(join(tmpdir(), 'book-'));
const WEB = { owner: 'web', mac: '02:88:00:00:00:0a', ip: '10.88.0.10' };
const DB = { owner: 'db', mac: '02:88:00:00:00:0b', ip: '10.88.0.11' };
const SHOP = { tenant: 1, name: 'shop', subnets: [{ subnet: '10.88.0.0', bits: 24, services: '10.88.0.1' }] };
const PORT = { name: 'vm-web', portNo: AGENT_PORT_FIRST, owner: WEB.owner, mac: WEB.mac };

function news(term: number, revision: number, guests: readonly (typeof WEB)[] = [WEB, DB]): GuestNews {
  return { term, revision, networks: [{ ...SHOP, guests: [...guests] }] };
}

function openBook(name: string): Promise<GuestBook> {
  return GuestBook.open(realDisk, join(folder, name), 'alpha');
}

books.after(() => rmSync(folder, { recursive: true }));

books('after a restart it serves what it was told before', async () => {
  const book = await openBook('kept');
  assert.equal(book.served([PORT]), { networks: [], ports: [] });
  await book.keep(news(7, 1));
  const { networks, ports } = (await openBook('kept')).served([PORT]);
  const host = { name: 'web', mac: ethAddress(WEB.mac), ipv4: [ipv4(WEB.ip)], ipv6: [] };
  assert.equal(ports, [{ portNo: AGENT_PORT_FIRST, tenant: 1, host }]);
  const [network] = networks;
  assert.equal([network?.domain, network?.mtuBytes, network?.hosts.length], ['shop.internal', 1330, 2]);
  const services = ipv4('10.88.0.1');
  assert.equal(network?.subnets, [{ subnet: ipv4('10.88.0.0'), bits: 24, services, router: services }]);
});

books('of a subnet with an IPv6 prefix each guest has the address that follows from its MAC address', async () => {
  const book = await openBook('ipv6');
  const [subnet] = SHOP.subnets;
  const subnets = subnet === undefined ? [] : [{ ...subnet, ipv6: 'fd00:88::' }];
  await book.keep({ term: 1, revision: 1, networks: [{ ...SHOP, subnets, guests: [WEB] }] });
  const { networks, ports } = book.served([PORT]);
  assert.equal(networks[0]?.prefixes, [{ prefix: ipv6('fd00:88::'), router: ipv6('fd00:88::1') }]);
  assert.equal(ports[0]?.host.ipv6, [ipv6('fd00:88::88:ff:fe00:a')]);
});

books('it does not go back, neither to an earlier revision nor to an earlier controller', async () => {
  const book = await openBook('order');
  await book.keep(news(7, 2));
  await book.keep(news(7, 2, []));
  for (const [term, revision] of [
    [7, 1],
    [6, 9],
  ] as const) {
    assert.is(await book.keep(news(term, revision, [])).catch(codeOf), 'TERM_STALE');
  }
  assert.is(book.served([PORT]).ports.length, 1);
  await book.keep(news(8, 0, [DB]));
  assert.equal(book.served([PORT]).ports, []);
});

books('what cannot be kept does not count', async () => {
  const full = { readWhole: realDisk.readWhole, replace: () => Promise.reject(new Error('ENOSPC')) };
  const book = await GuestBook.open(full, join(folder, 'full'), 'alpha');
  await book.keep(news(1, 1)).catch(() => undefined);
  assert.equal(book.served([PORT]).ports, []);
});

books('a damaged file is nothing', async () => {
  for (const text of ['{"term":', '{"term":1}']) {
    writeFileSync(join(folder, 'damaged'), text);
    assert.equal((await openBook('damaged')).served([PORT]).networks, []);
  }
});

books('a port whose MAC address is another than the guest has is not served', async () => {
  const book = await openBook('mac');
  await book.keep(news(1, 1));
  assert.equal(
    book.served([
      { ...PORT, mac: DB.mac },
      { ...PORT, owner: 'nobody' },
    ]).ports,
    [],
  );
});

async function servedGuests(name: string) {
  const ports = [PORT];
  const seen = { changes: 0, asked: [] as string[] };
  const services = new GuestServices();
  const guests = new ServedGuests({
    book: await openBook(name),
    services,
    ports: () => ports,
    asked: (guest, stub) => void seen.asked.push(`${guest} ${stub}`),
    changed: () => void seen.changes++,
    clock: new TurnedClock(),
    log: createLog('book', 'silent'),
  });
  return { guests, services, ports, seen };
}

books('news and ports change what is served, and the switch hears of it', async () => {
  const { guests, services, ports, seen } = await servedGuests('served');
  assert.equal(guests.served, []);
  await guests.set(news(1, 1));
  assert.equal(services.portNumbers, [AGENT_PORT_FIRST]);
  assert.is(seen.changes, 1);
  ports.push({ name: 'vm-db', portNo: AGENT_PORT_FIRST + 1, owner: DB.owner, mac: DB.mac });
  guests.look();
  assert.equal(
    guests.served.map(({ portNo, mac }) => `${portNo} ${mac}`),
    [`${AGENT_PORT_FIRST} ${WEB.mac}`, `${AGENT_PORT_FIRST + 1} ${DB.mac}`],
  );
  assert.is(seen.changes, 2);
  assert.is(await guests.set(news(0, 1)).catch(codeOf), 'TERM_STALE');
  await guests.set(news(1, 2, []));
  assert.equal(services.portNumbers, []);
});

books(
  "a port's ways to the services are its guest's alone, behind its meter, which comes before and goes after them",
  async () => {
    const { guests } = await servedGuests('flows');
    await guests.set(news(1, 1));
    const { served } = guests;
    const flows = served.flatMap(serviceFlows);
    assert.ok(flows.length > 5);
    for (const { match, cookie, tableId, instructions } of flows) {
      assert.equal([match.inPort, match.ethSrc], [AGENT_PORT_FIRST, WEB.mac]);
      assert.ok(isAgentCookie(cookie) && tableId === Table.ingress);
      assert.equal(instructions[0], { type: 'meter', meterId: AGENT_PORT_FIRST });
    }
    assert.ok(flows.every(isServiceFlow));
    // The switch answers for guests by itself.
    const asked = flows.flatMap(({ match }) => (match.ethType === 0x0806 ? [match.arpTpa] : []));
    assert.equal(asked, [ipv4('169.254.169.254'), ipv4('10.88.0.1')]);
    const missing = diffFlows(flowsByKey(flows), new Map());
    const words = metersBefore(missing).map((one) => one.type === 'meter-mod' && `${one.command} ${one.meterId}`);
    assert.equal(words, [`add ${AGENT_PORT_FIRST}`, `modify ${AGENT_PORT_FIRST}`]);
    assert.equal(metersAfter(missing, served), []);
    const tooMuch = diffFlows(new Map(), flowsByKey(flows));
    assert.is(flowMods(tooMuch).length, flows.length);
    assert.equal(metersAfter(tooMuch, served), []);
    const [gone] = metersAfter(tooMuch, []);
    assert.is(gone?.type === 'meter-mod' && gone.command, 'delete');
  },
);

books('a stub leads to the agent where its resource is elsewhere, and is found by its name everywhere', async () => {
  const { guests, seen } = await servedGuests('stubs');
  const service = { protocol: 'tcp' as const, port: 5432, toPort: 5433 };
  const stub = { address: '10.88.0.200', to: '203.0.113.10' };
  const stubs = [
    { ...stub, name: 'there', service, nodes: ['beta'] },
    { ...stub, name: 'here', service: { ...service, port: 80 }, nodes: ['beta', 'alpha'] },
    { ...stub, name: 'web', address: '10.88.0.201', nodes: ['beta'] },
  ];
  const told = news(1, 1);
  await guests.set({ ...told, networks: told.networks.map((network) => ({ ...network, stubs })) });
  const flows = guests.served.flatMap(serviceFlows).filter(({ tableId }) => tableId === Table.route);
  const router = { inPort: AGENT_PORT_FIRST, ethSrc: ethAddress(WEB.mac), ethDst: SERVICE_MAC, ethType: 0x0800 };
  assert.equal(
    flows.map(({ match }) => match),
    [
      { ...router, ipv4Dst: ipv4(stub.address), ipProto: 6, tcpDst: 5432 },
      { ...router, ipv4Dst: ipv4('10.88.0.201') },
    ],
  );
  assert.ok(flows.every(isServiceFlow));
  assert.ok(flows.every(({ instructions }) => instructions[0]?.type === 'meter'));
  const [network] = guests.served.map((one) => new NetworkDirectory(one.network));
  assert.is(network?.hostNamed('here')?.ipv4[0], ipv4(stub.address));
  assert.is(network?.macOf(ipv4(stub.address)), SERVICE_MAC);
  assert.equal(network?.hostNamed('web')?.ipv4, [ipv4(WEB.ip)], 'a guest comes before a stub of its name');
  guests.tell({ kind: 'stub-asked', portNo: AGENT_PORT_FIRST, guest: 'web', stub: 'there' });
  assert.equal(seen.asked, ['web there']);
});

books("a stub leads to nobody from another tenant's guest, though that has the same addresses", async () => {
  const { guests, ports, seen } = await servedGuests('tenants');
  const stub = { name: 'there', address: '10.88.0.200', to: '203.0.113.10', nodes: ['beta'] };
  const other = { owner: 'mill', mac: '02:88:00:00:00:0c', ip: WEB.ip };
  ports.push({ name: 'vm-mill', portNo: AGENT_PORT_FIRST + 1, owner: other.owner, mac: other.mac });
  const [shop, mill] = [
    { ...SHOP, guests: [WEB], stubs: [stub] },
    { ...SHOP, tenant: 2, name: 'mill', guests: [other] },
  ];
  const orders = [
    [shop, mill],
    [mill, shop],
  ];
  for (const [revision, networks] of orders.entries()) {
    await guests.set({ term: 1, revision, networks });
    const flows = guests.served.flatMap(serviceFlows).filter(({ tableId }) => tableId === Table.route);
    assert.equal(
      flows.map(({ match }) => [match.inPort, match.ethSrc]),
      [[AGENT_PORT_FIRST, ethAddress(WEB.mac)]],
    );
  }
  const millsOwn = guests.served.find(({ mac }) => mac === ethAddress(other.mac));
  assert.is(millsOwn && new NetworkDirectory(millsOwn.network).hostNamed('there'), undefined);
  assert.equal(seen.asked, []);
});

books.run();
