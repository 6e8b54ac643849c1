// The overlay's state: the newer epoch wins, addresses are one guest's, migrations go from prepared to one end, and the
// journal's short form leads to the same state.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../../common/errors.ts';
import { SchemaCheck } from '../../../common/schema-check.ts';
import { Overlay } from '../../../sdnd/controller/overlay.ts';
import { OverlayRecord } from '../../../sdnd/controller/overlay-record.ts';
import { checkNetworks } from '../../../sdnd/controller/overlay-refusals.ts';
import { AGENT_PORT_FIRST } from '../../../sdnd/pipeline.ts';
import type { Binding } from '../../../wire/contracts/sdnd.ts';

const web: Binding = {
  owner: 'web',
  mac: '02:88:00:00:00:10',
  ip: '10.88.0.10',
  node: 'alpha',
  port: 'vm-1',
  epoch: 3,
};
const there: Binding = { ...web, node: 'beta', epoch: 4 };
const MIGRATION = '0000000000000001';

function run(overlay: Overlay, record: OverlayRecord | undefined): boolean {
  if (record !== undefined) overlay.apply(record);
  return record !== undefined;
}

function bound(): Overlay {
  return new Overlay([{ kind: 'bound', binding: web }]);
}

function refusal(command: () => unknown): string | undefined {
  try {
    command();
  } catch (error) {
    return codeOf(error);
  }
  return undefined;
}

test('the newer epoch wins, the same again is nothing, an older one is refused', () => {
  const overlay = new Overlay();
  assert.ok(run(overlay, overlay.bind(web)));
  assert.not.ok(run(overlay, overlay.bind(web)));
  assert.is(
    refusal(() => overlay.bind({ ...there, epoch: 3 })),
    'EPOCH_STALE',
  );
  assert.is(
    refusal(() => overlay.bind({ ...web, epoch: 2 })),
    'EPOCH_STALE',
  );
  assert.ok(run(overlay, overlay.bind(there)));
  assert.is(overlay.bindings.get('web')?.node, 'beta');
});

test('within an epoch a guest may change its port at its node', () => {
  const overlay = bound();
  assert.ok(run(overlay, overlay.bind({ ...web, port: 'vm-2' })));
  assert.is(overlay.bindings.get('web')?.port, 'vm-2');
});

test('no address and no port is bound to two owners, prepared ones included', () => {
  const overlay = bound();
  const other: Binding = {
    owner: 'db',
    mac: '02:88:00:00:00:11',
    ip: '10.88.0.11',
    node: 'beta',
    port: 'vm-1',
    epoch: 1,
  };
  assert.ok(run(overlay, overlay.prepare(MIGRATION, there)));
  for (const clash of [{}, { port: 'vm-9', mac: web.mac }, { port: 'vm-9', ip: web.ip }, { node: 'alpha' }]) {
    assert.is(
      refusal(() => overlay.bind({ ...other, ...clash })),
      'ADDRESS_TAKEN',
    );
  }
  assert.ok(run(overlay, overlay.bind({ ...other, port: 'vm-9' })));
});

test('addresses that are not of one host are refused', () => {
  for (const bad of [
    { mac: '03:88:00:00:00:10' },
    { mac: 'ff:ff:ff:ff:ff:ff' },
    { ip: '10.88.0.256' },
    { ip: '0.0.0.0' },
  ]) {
    assert.is(
      refusal(() => new Overlay().bind({ ...web, ...bad })),
      'ADDRESS_BAD',
    );
  }
});

test('nobody is bound to a tunnel port', () => {
  const { node } = web;
  const feet = [{ underlay: 'home', inner: '10.78.0.1', port: 'vxlan7' }];
  const overlay = new Overlay([{ kind: 'members', members: [{ node, address: '10.78.0.1', feet }] }]);
  assert.is(
    refusal(() => overlay.bind({ ...web, port: 'vxlan7' })),
    'PORT_BAD',
  );
  assert.is(
    refusal(() => new Overlay().bind({ ...web, port: 'vxlan0' })),
    'PORT_BAD',
  );
  assert.is(
    refusal(() => bound().prepare(MIGRATION, { ...there, port: 'vxlan0' })),
    'PORT_BAD',
  );
});

test('a migration is prepared, completed once, and remembered', () => {
  const overlay = bound();
  assert.ok(run(overlay, overlay.prepare(MIGRATION, there)));
  assert.not.ok(run(overlay, overlay.prepare(MIGRATION, there)));
  assert.is(overlay.bindings.get('web')?.node, 'alpha');
  assert.is(overlay.preparations.get('web')?.node, 'beta');
  assert.ok(run(overlay, overlay.complete(MIGRATION)));
  assert.equal(overlay.bindings.get('web'), there);
  assert.is(overlay.preparations.size, 0);
  assert.not.ok(run(overlay, overlay.complete(MIGRATION)));
  assert.is(
    refusal(() => overlay.cancel(MIGRATION)),
    'MIGRATION_OVER',
  );
  assert.is(
    refusal(() => overlay.prepare(MIGRATION, { ...web, epoch: 5 })),
    'MIGRATION_OVER',
  );
});

test('a cancelled migration leaves the binding, and can no longer complete', () => {
  const overlay = bound();
  run(overlay, overlay.prepare(MIGRATION, there));
  assert.ok(run(overlay, overlay.cancel(MIGRATION)));
  assert.not.ok(run(overlay, overlay.cancel(MIGRATION)));
  assert.is(overlay.preparations.size, 0);
  assert.equal(overlay.bindings.get('web'), web);
  assert.is(
    refusal(() => overlay.complete(MIGRATION)),
    'MIGRATION_UNKNOWN',
  );
});

test('a cancel that overtakes its preparation is the end of it, also after a restart', () => {
  const overlay = bound();
  assert.ok(run(overlay, overlay.cancel(MIGRATION)));
  for (const one of [overlay, new Overlay(overlay.records())]) {
    assert.is(
      refusal(() => one.prepare(MIGRATION, there)),
      'MIGRATION_OVER',
    );
  }
  assert.ok(run(overlay, overlay.prepare('0000000000000002', there)));
});

test('what cannot be a migration is refused', () => {
  const codeFor = (to: Binding): string | undefined => refusal(() => bound().prepare(MIGRATION, to));
  assert.is(codeFor({ ...there, owner: 'nobody' }), 'NOT_BOUND');
  assert.is(codeFor({ ...there, epoch: 3 }), 'EPOCH_STALE');
  assert.is(codeFor({ ...there, node: 'alpha' }), 'EPOCH_STALE');
  assert.is(codeFor({ ...there, ip: '10.88.0.77' }), 'ADDRESS_BAD');
  const busy = bound();
  run(busy, busy.prepare(MIGRATION, there));
  assert.is(
    refusal(() => busy.prepare('0000000000000002', there)),
    'MIGRATION_BUSY',
  );
});

test('a newer binding or none ends what was prepared', () => {
  const restarted = bound();
  run(restarted, restarted.prepare(MIGRATION, there));
  run(restarted, restarted.bind({ ...web, node: 'gamma', epoch: 4 }));
  assert.is(restarted.preparations.size, 0);
  assert.is(restarted.destinationOf(MIGRATION), undefined);
  const removed = bound();
  run(removed, removed.prepare(MIGRATION, there));
  run(removed, removed.unbind('web'));
  assert.is(removed.preparations.size + removed.bindings.size, 0);
  assert.not.ok(run(removed, removed.unbind('web')));
});

test('the short form of the journal leads to the same state', () => {
  const overlay = bound();
  const db: Binding = { ...web, owner: 'db', mac: '02:88:00:00:00:11', ip: '10.88.0.11', port: 'vm-2' };
  overlay.apply({ kind: 'term', term: 7 });
  overlay.apply({ kind: 'members', members: [{ node: 'alpha', address: '10.77.0.1' }] });
  const subnets = [{ subnet: '10.88.0.0', bits: 24, services: '10.88.0.1' }];
  overlay.apply({ kind: 'networks', networks: [{ tenant: 1, name: 'main', subnets }] });
  run(overlay, overlay.prepare(MIGRATION, there));
  run(overlay, overlay.complete(MIGRATION));
  run(overlay, overlay.bind(db));
  run(overlay, overlay.prepare('0000000000000002', { ...db, node: 'beta', epoch: 5 }));
  const again = new Overlay(overlay.records());
  assert.equal(again.records(), overlay.records());
  assert.is(again.term, 7);
  assert.equal(again.networks, overlay.networks);
  assert.is(again.networks.length, 1);
  assert.not.ok(run(again, again.complete(MIGRATION)));
  const check = new SchemaCheck(OverlayRecord);
  for (const record of overlay.records())
    assert.ok(check.accepts(record), check.accepts(record) ? '' : check.fault(record));
});

test('networks that could be taken for each other are refused', () => {
  const subnets = [{ subnet: '10.88.0.0', bits: 24, services: '10.88.0.1' }];
  const network = (tenant: number, address: string, node = 'alpha') => {
    const egress = { node, port: 'out0', address, nextHop: '02:99:00:00:00:01' };
    return { tenant, name: `t${tenant}`, subnets, egress };
  };
  const first = network(1, '198.51.100.1');
  const zones = AGENT_PORT_FIRST / 2 - 1;
  const { egress: _, ...bare } = network(2, '198.51.100.2');
  checkNetworks([{ ...first, stubExits: [first.egress] }]);
  checkNetworks([first, network(2, '198.51.100.2'), network(1 + zones, '198.51.100.3', 'beta')]);
  for (const second of [
    network(1, '198.51.100.2'),
    network(2, '198.51.100.1', 'beta'),
    network(1 + zones, '198.51.100.2'),
    { ...bare, stubExits: [first.egress] },
  ])
    assert.is(
      refusal(() => checkNetworks([first, second])),
      'NETWORK_BAD',
    );
});

test('subnets with what is no unique local prefix of 64 bits, or with one prefix, are refused', () => {
  const check = (...prefixes: string[]): void => {
    const subnets = prefixes.map((ipv6, at) => ({
      subnet: `10.88.${at}.0`,
      bits: 24,
      services: `10.88.${at}.1`,
      ipv6,
    }));
    checkNetworks([{ tenant: 1, name: 'main', subnets }]);
  };
  check('fd00:88::', 'fd00:88:0:1::');
  for (const prefixes of [['2001:db8::'], ['fe80::'], ['fd00:88::1'], ['fd00'], ['fd00:88::', 'fd00:88:0::']])
    assert.is(
      refusal(() => check(...prefixes)),
      'NETWORK_BAD',
      prefixes.join(),
    );
});

test('tenants may have the same addresses, but no tenant twice', () => {
  const overlay = new Overlay();
  overlay.apply({ kind: 'bound', binding: web });
  const other = { ...web, owner: 'other', port: 'vm-2' };
  assert.ok(overlay.bind({ ...other, tenant: 2 }));
  assert.throws(() => overlay.bind({ ...other, tenant: 1 }));
  assert.throws(() => overlay.prepare(MIGRATION, { ...there, tenant: 2 }));
});

test('the place that a guest has left is known until it is forgotten, and not after a restart', () => {
  const records = [
    { kind: 'bound', binding: web },
    { kind: 'bound', binding: there },
  ] as const;
  const overlay = new Overlay();
  for (const record of records) overlay.apply(record);
  const left = overlay.departures.get('web');
  assert.is(left?.node, 'alpha');
  assert.is(new Overlay(records).departures.size, 0);
  overlay.apply({ kind: 'bound', binding: { ...web, node: 'gamma', epoch: 5 } });
  assert.not.ok(left !== undefined && overlay.forgetDeparture(left));
  assert.is(overlay.departures.get('web')?.node, 'beta');
});

test.run();
