// The keeper against a server in this process: what it tells, what it does with a server that is away, odd or contested, and
// when it says that the switch has obeyed. Real servers are in `interop/switch-config`.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { realClock } from '../../../common/clock.ts';
import { isRow, update } from '../../../sdnd/ovsdb/operations.ts';
import { BridgeTable, OpenVswitchTable } from '../../../sdnd/ovsdb/tables.ts';
import { describeChange } from '../../../sdnd/switch-config/config-changes.ts';
import { type ConfigEvent, ConfigKeeper } from '../../../sdnd/switch-config/config-keeper.ts';
import { FoundConfig } from '../../../sdnd/switch-config/found-config.ts';
import { RepairAllowance } from '../../../sdnd/switch-config/repair-allowance.ts';
import type { WantedBridge, WantedConfig } from '../../../sdnd/switch-config/wanted-config.ts';
import { failure, within } from '../common/members.ts';
import { ModelServer, without } from './model-server.ts';

const BRIDGE: WantedBridge = {
  ...{ name: 'br-int', datapathType: 'netdev', protocols: ['OpenFlow13'], controllers: [] },
  failMode: 'secure',
  ports: [{ name: 'p0', type: '', ofport: 4096 }],
};
const WANTED: WantedConfig = { owner: 'agent', bridges: [BRIDGE] };

/** A keeper, its server, and what it has told. */
class Stand {
  readonly folder = mkdtempSync(join(tmpdir(), 'config-keeper-'));
  readonly server = new ModelServer(join(this.folder, 'db.sock'));
  readonly told: ConfigEvent[] = [];
  #news = Promise.withResolvers<void>();
  #keeper: ConfigKeeper | undefined;

  start(): ConfigKeeper {
    this.#keeper = new ConfigKeeper({
      address: `unix:${join(this.folder, 'db.sock')}`,
      wanted: WANTED,
      clock: realClock,
      tell: (event) => {
        this.told.push(event);
        this.#news.resolve();
        this.#news = Promise.withResolvers();
      },
    });
    return this.#keeper;
  }

  /** The first event of the kind among those not yet taken; earlier ones are gone then. */
  next<K extends ConfigEvent['kind']>(kind: K): Promise<Extract<ConfigEvent, { kind: K }>> {
    return within(this.#next(kind), 60_000, `no ${kind}`);
  }

  async #next<K extends ConfigEvent['kind']>(kind: K): Promise<Extract<ConfigEvent, { kind: K }>> {
    for (;;) {
      for (let event = this.told.shift(); event !== undefined; event = this.told.shift()) {
        if (event.kind === kind) return event as Extract<ConfigEvent, { kind: K }>;
      }
      await this.#news.promise;
    }
  }

  /** Waits for the kind, and takes nothing. */
  async heard(kind: ConfigEvent['kind']): Promise<void> {
    while (!this.told.some((event) => event.kind === kind)) await within(this.#news.promise, 60_000, `no ${kind}`);
  }

  async end(): Promise<void> {
    this.#keeper?.stop();
    await this.server.stop();
    rmSync(this.folder, { recursive: true });
  }
}

function onStand(name: string, body: (stand: Stand) => Promise<void>): void {
  test(name, async () => {
    const stand = new Stand();
    try {
      await body(stand);
    } finally {
      await stand.end();
    }
  });
}

onStand(
  'sets up from nothing, mends what is changed, and a wish is answered when the switch has obeyed',
  async (stand) => {
    await stand.server.start();
    const keeper = stand.start();
    const first = await stand.next('changed');
    assert.not.ok(first.repair);
    assert.is(first.changes.length, 4);
    assert.equal(await keeper.want(WANTED, 60_000), []);
    stand.server.change([update(OpenVswitchTable, [], { bridges: [] })]);
    const repair = await stand.next('changed');
    assert.ok(repair.repair);
    assert.equal(repair.changes.map(describeChange).at(-1), 'add bridge br-int');
    assert.equal(await keeper.want({ ...WANTED, bridges: [{ ...BRIDGE, ports: [] }] }, 60_000), []);
    assert.not.ok(new FoundConfig(stand.server.database).ports.has('p0'));
    const [root] = stand.server.database.rows(OpenVswitchTable).values();
    assert.is(root?.cur_cfg, root?.next_cfg);
    const before = stand.server.transactions;
    await keeper.want({ ...WANTED, bridges: [{ ...BRIDGE, ports: [] }] }, 60_000);
    assert.is(stand.server.transactions, before + 1, 'the switch is asked to look again');
  },
);

onStand('a server that is away, or speaks rubbish, or has another schema, is told and tried again', async (stand) => {
  const keeper = stand.start();
  assert.match((await stand.next('lost')).reason, /ENOENT/);
  assert.is((await failure(keeper.want(WANTED, 50))).code, 'SWITCH_LOST');
  stand.server.rubbish = '{"id":1,"result":{}}]';
  await stand.server.start();
  assert.match((await stand.next('lost')).reason, /there is no table|not-an-object/);
  stand.server.schema = without(stand.server.schema, 'Interface', 'ofport');
  assert.is((await stand.next('lost')).reason, 'there is no column Interface.ofport');
  stand.server.schema = new ModelServer('').schema;
  await stand.next('changed');
  assert.equal(await keeper.want(WANTED, 60_000), []);
});

onStand('what the server refuses is told once, and tried again', async (stand) => {
  stand.server.refusals = 2;
  await stand.server.start();
  stand.start();
  const { reason } = await stand.next('refused');
  assert.match(reason, /^a transaction failed at operation 0 \(insert Open_vSwitch\): constraint violation/);
  await stand.heard('changed');
  assert.equal(
    stand.told.filter(({ kind }) => kind === 'refused'),
    [],
  );
});

onStand('two that undo each other are slowed, and that is told once', async (stand) => {
  const undone = () =>
    [...stand.server.database.rows(BridgeTable).keys()].map((uuid) =>
      update(BridgeTable, [isRow(uuid)], { fail_mode: undefined }),
    );
  await stand.server.start();
  const keeper = stand.start();
  assert.equal(await keeper.want(WANTED, 60_000), []);
  stand.server.afterwards = undone;
  stand.server.change(undone());
  await stand.next('contested');
  const { transactions } = stand.server;
  assert.ok(transactions < 30, `${transactions} transactions`);
  stand.server.afterwards = () => [];
  await stand.next('changed');
  assert.equal(
    stand.told.filter(({ kind }) => kind === 'contested'),
    [],
  );
});

onStand('a bridge of others is told as a conflict, once, and to who wants it', async (stand) => {
  await stand.server.start();
  const keeper = stand.start();
  await keeper.want(WANTED, 60_000);
  const other = { ...WANTED, owner: 'other' };
  const conflicts = await keeper.want(other, 60_000);
  assert.equal(
    conflicts.map(({ name }) => name),
    ['br-int'],
  );
  assert.equal((await stand.next('conflict')).conflicts, conflicts);
  assert.equal(await keeper.want(other, 60_000), conflicts);
  assert.equal(
    stand.told.filter(({ kind }) => kind === 'conflict'),
    [],
  );
});

test('an allowance gives a burst, then one a second, and fills again in rest', () => {
  const allowance = new RepairAllowance(0);
  for (let count = 0; count < 20; count++) assert.is(allowance.take(100), 0);
  assert.is(allowance.take(100), 1_000);
  assert.is(allowance.take(600), 500);
  assert.is(allowance.take(1_100), 0);
  assert.is(allowance.take(1_100), 1_000);
  assert.not.ok(allowance.isFull(20_000));
  assert.ok(allowance.isFull(21_100));
});

test.run();
