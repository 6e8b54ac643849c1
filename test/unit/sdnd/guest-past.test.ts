// Which flows may be taken for the past: of known guests, under epochs that are known, and no others.
import { ethAddress } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type PastGuest, PastGuests, pastOf } from '../../../sdnd/controller/guest-past.ts';
import type { Flow } from '../../../sdnd/flow.ts';
import { Mesh } from '../../../sdnd/mesh/mesh.ts';
import { AGENT_COOKIE, controllerCookie, SERVICE_MAC, Table } from '../../../sdnd/pipeline.ts';
import { bindingOf, NODES, tablesOf, viewOf } from './overlay-maker.ts';

/** The flows at all nodes that are of guests: all but those that belong to no VM. */
function guestFlows(view: ReturnType<typeof viewOf>): Flow[] {
  return NODES.flatMap((node) => [...tablesOf(view, node).values()]).filter(({ cookie }) => cookie !== COMMON);
}

const COMMON = controllerCookie(1, 0);
const then = viewOf([bindingOf('g0', 'n0', 3)], [bindingOf('g0', 'n1', 4)]);
const flows = guestFlows(then);

test('every flow of a guest is of its past when the guest is known under that epoch or a newer one', () => {
  assert.ok(flows.length > 14, `${flows.length}`);
  for (const epoch of [3, 9]) assert.ok(flows.every(pastOf(viewOf([bindingOf('g0', 'n2', epoch)]), [])));
  const { mac, ip } = bindingOf('g0', 'n0');
  assert.ok(flows.every(pastOf(viewOf([]), [{ mac, ip, epoch: 3 }])));
});

test('so are those that say in which groups a guest is, as the far end of others', () => {
  const rules = (['IPv4', 'IPv6'] as const).map((ethertype) => {
    return { direction: 'ingress', ethertype, protocol: 'any', remoteGroup: 'db' } as const;
  });
  const groups = [
    { name: 'web', rules, members: ['g1'] },
    { name: 'db', rules: [], members: ['g0'] },
  ];
  const view = { ...viewOf([bindingOf('g0', 'n0', 3), bindingOf('g1', 'n1')]), groups };
  const far = guestFlows(view).filter(({ tableId }) => tableId === Table.farIn);
  assert.is(far.length, 3);
  const { mac, ip } = bindingOf('g0', 'n0');
  assert.ok(far.every(pastOf(viewOf([]), [{ mac, ip, epoch: 3 }])));
  assert.not.ok(far.some(pastOf(viewOf([]), [{ mac, ip, epoch: 2 }])));
});

test("a tenant's flows are not of another's past, where both have the same addresses", () => {
  const mine = viewOf([
    { ...bindingOf('g0', 'n0', 3), tenant: 7 },
    { ...bindingOf('g1', 'n1', 3), tenant: 7 },
  ]);
  const { mac, ip } = bindingOf('g0', 'n0');
  const isPast = pastOf(viewOf([]), [{ mac, ip, epoch: 9 }]);
  const marked = guestFlows(mine).filter(({ match }) => match.reg2 !== undefined || match.tunnelId !== undefined);
  assert.ok(marked.length > 4);
  assert.not.ok(marked.some(isPast));
  const own = pastOf(viewOf([]), [{ mac, ip, epoch: 9, tenant: 7 }]);
  assert.ok(marked.some(own));
});

test("what is no guest's and says its network is past where a guest of that network is known, and nowhere else", () => {
  const wayOut: Flow = { ...(flows[0] as Flow), cookie: COMMON, match: { ethDst: ethAddress(SERVICE_MAC), reg2: 1 } };
  assert.ok(pastOf(viewOf([bindingOf('g9', 'n1')]), [])(wayOut));
  const { mac, ip } = bindingOf('g9', 'n1');
  assert.ok(pastOf(viewOf([]), [{ mac, ip, epoch: 3 }])(wayOut), 'its last guest is gone');
  assert.not.ok(pastOf(viewOf([]), [])(wayOut), 'an empty store explains nothing');
  assert.not.ok(pastOf(viewOf([{ ...bindingOf('g9', 'n1'), tenant: 7 }]), [])(wayOut), 'nor does another network');
  const ofAnother = { ...wayOut, cookie: controllerCookie(2, 0) };
  assert.not.ok(pastOf(viewOf([bindingOf('g9', 'n1')]), [])(ofAnother), 'nor does it of another controller');
});

test('none is when the guest is not known, is known under an older epoch only, or is where nobody knows', () => {
  const views = [viewOf([]), viewOf([bindingOf('g1', 'n0', 9)]), viewOf([bindingOf('g0', 'n0', 2)])];
  const unknownNode = { ...viewOf([bindingOf('g0', 'n0', 9)]), mesh: new Mesh([]) };
  const unknownWay = viewOf([bindingOf('g0', 'n0', 9)], [{ ...bindingOf('g0', 'n0', 10), node: 'elsewhere' }]);
  for (const view of [...views, unknownNode, unknownWay]) assert.not.ok(flows.some(pastOf(view, [])));
});

test("neither is another incarnation's, an agent's, a stranger's, nor one of no guest", () => {
  const isPast = pastOf(viewOf([bindingOf('g0', 'n0', 9)]), []);
  for (const cookie of [controllerCookie(2, 3), AGENT_COOKIE, 0n]) {
    assert.not.ok(flows.some((flow) => isPast({ ...flow, cookie })));
  }
  const common = [...tablesOf(then, 'n0').values()].filter(({ cookie }) => cookie === COMMON);
  assert.ok(common.length > 0);
  assert.not.ok(common.some(isPast));
});

test('guests that are gone are remembered, not without end, and not while their addresses are in use', () => {
  const past = new PastGuests();
  const gone: PastGuest = { mac: '02:88:00:00:00:01', ip: '10.88.0.1', epoch: 3 };
  past.add(gone);
  past.add({ ...gone, epoch: 5 });
  assert.equal(past.all, [{ ...gone, epoch: 5 }]);
  past.remove(gone);
  assert.equal(past.all, []);
  for (let number = 0; number < 1_100; number++) past.add({ ...gone, ip: `10.${number >> 8}.${number & 255}.1` });
  assert.is(past.all.length, 1_024);
  assert.is(past.all[0]?.ip, '10.0.76.1');
});

test.run();
