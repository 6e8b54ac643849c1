// The agent's rules: closed before there is a port, numbers not used again soon, repeated calls are nothing, and what the
// journal holds after a restart.
import { pino } from 'pino';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { codeOf } from '../../../common/errors.ts';
import { SchemaCheck } from '../../../common/schema-check.ts';
import { GuestPorts, PortRecord, portName } from '../../../sdnd/agent/guest-ports.ts';
import type { HostPort } from '../../../sdnd/agent/host-ports.ts';
import { SwitchAgent } from '../../../sdnd/agent/switch-agent.ts';
import { AGENT_PORT_FIRST, AGENT_PORT_LAST } from '../../../sdnd/pipeline.ts';

const MAC = '02:88:00:00:00:10';
const context = {
  peer: { node: 'alpha', role: 'node' },
  progress: () => undefined,
  signal: new AbortController().signal,
} as const;

class Fixture {
  readonly did: string[] = [];
  readonly devices = new Set<string>();
  /** Ports of which the switch remembers so many connections and no more. */
  readonly limited: number[] = [];
  records: PortRecord[] = [];
  isSwitchLost = false;
  isJournalStuck = false;
  readonly ports: GuestPorts;
  readonly handlers: ReturnType<SwitchAgent['handlers']>;

  constructor(records: readonly PortRecord[] = []) {
    this.ports = new GuestPorts(records);
    this.records.push(...records);
    this.handlers = new SwitchAgent({
      ports: this.ports,
      journal: {
        sizeBytes: 0,
        append: async (...kept) => {
          if (this.isJournalStuck) await new Promise(() => undefined);
          this.records.push(...kept);
          this.did.push(...kept.map(({ kind }) => `journal ${kind}`));
        },
        rewrite: async () => undefined,
      },
      page: {
        note: (portNo, open) => void this.did.push(`note ${portNo} ${open ? 'open' : 'closed'}`),
      },
      host: {
        add: async ({ name, portNo }: HostPort) => {
          this.devices.add(name);
          this.did.push(`add ${portNo}`);
        },
        remove: async (name) => {
          this.devices.delete(name);
          this.did.push('remove');
        },
        hasDevice: async (name) => this.devices.has(name),
      },
      gates: {
        open: async (portNo) => this.#gate(`open ${portNo}`),
        close: async (portNo) => this.#gate(`close ${portNo}`),
        forget: (portNo) => void this.did.push(`forget ${portNo}`),
      },
      guests: {
        set: async ({ revision }) => void this.did.push(`guests ${revision}`),
        look: () => void this.did.push('look'),
      },
      limitConnections: (portNos) => void this.limited.push(...portNos),
      connections: {
        list: async (portNo) => ({ connections: [], left: portNo }),
      },
      controllers: ['gamma'],
      log: pino({ level: 'silent' }),
    }).handlers();
  }

  #gate(what: string): void {
    if (this.isSwitchLost) throw new Error('the switch is gone');
    this.did.push(what);
  }

  attach(owner: string, mac = MAC): Promise<unknown> {
    return Promise.resolve(this.handlers['port.attach']({ owner, mac }, context));
  }
  detach(owner: string): Promise<unknown> {
    return Promise.resolve(this.handlers['port.detach']({ owner }, context));
  }
  open(owner: string): Promise<unknown> {
    return Promise.resolve(this.handlers['port.open']({ owner }, context));
  }
  close(owner: string): Promise<unknown> {
    return Promise.resolve(this.handlers['port.close']({ owner }, context));
  }
  take(): string[] {
    return this.did.splice(0);
  }
}

test('a port is in the journal and closed before it exists', async () => {
  const fixture = new Fixture();
  assert.equal(await fixture.attach('web'), { port: portName('web') });
  assert.equal(fixture.take(), [
    'note 4096 closed',
    'journal numbered',
    'journal port',
    'close 4096',
    'forget 4096',
    'add 4096',
    'look',
  ]);
  assert.equal(fixture.ports.openNumbers(), []);
});

test('attaching again keeps number and gate; after a reboot the gate is closed', async () => {
  const fixture = new Fixture();
  await fixture.attach('web');
  await fixture.open('web');
  fixture.take();
  await fixture.attach('web');
  assert.equal(fixture.take(), ['add 4096', 'look']);
  assert.equal(fixture.ports.openNumbers(), [4096]);
  fixture.devices.clear();
  await fixture.attach('web');
  assert.equal(fixture.take(), [
    'note 4096 closed',
    'journal numbered',
    'journal port',
    'close 4096',
    'forget 4096',
    'add 4096',
    'look',
  ]);
  assert.equal(fixture.ports.openNumbers(), []);
});

test('detaching closes first, and a detached number is not the next one', async () => {
  const fixture = new Fixture();
  await fixture.attach('web');
  await fixture.open('web');
  fixture.take();
  await fixture.detach('web');
  assert.equal(fixture.take(), ['note 4096 closed', 'close 4096', 'remove', 'journal detached', 'look']);
  await fixture.detach('web');
  assert.equal(fixture.take(), []);
  await fixture.attach('db');
  assert.ok(fixture.take().includes('add 4097'));
});

test('what the switch remembers of a port is bounded when the port is made, and not again for each call', async () => {
  const fixture = new Fixture();
  await fixture.attach('web');
  await fixture.attach('web');
  await fixture.attach('db');
  assert.equal(fixture.limited, [4096, 4097]);
});

test('connections are told of a port, and of one that has just gone', async () => {
  const fixture = new Fixture();
  const list = (owner: string) =>
    fixture.handlers['connections.list']({ owner }, { ...context, peer: { node: 'gamma', role: 'node' } });
  await fixture.attach('web');
  assert.equal(await list('web'), { connections: [], left: 4096 });
  await fixture.detach('web');
  assert.equal(await list('web'), { connections: [], left: 4096 });
  await fixture.attach('web');
  assert.equal(await list('web'), { connections: [], left: 4097 });
  assert.equal(await list('db'), { connections: [], left: 0 });
});

test('a gate that is turned stands in the journal; of a port that is not there it is refused', async () => {
  const fixture = new Fixture();
  await fixture.attach('web');
  await fixture.open('web');
  assert.equal(new GuestPorts(fixture.records).openNumbers(), [4096]);
  await fixture.close('web');
  assert.equal(new GuestPorts(fixture.records).openNumbers(), []);
  const code = await fixture.open('nobody').catch((error: unknown) => codeOf(error));
  assert.is(code, 'PORT_UNKNOWN');
});

test('a gate is noted before it is turned, whatever the journal waits for', async () => {
  const fixture = new Fixture();
  await fixture.attach('web');
  fixture.take();
  fixture.isJournalStuck = true;
  await fixture.open('web');
  assert.equal(fixture.take(), ['note 4096 open', 'open 4096']);
  await fixture.close('web');
  assert.equal(fixture.take(), ['note 4096 closed', 'close 4096']);
});

test('a close that the switch cannot hear fails, but is not forgotten', async () => {
  const fixture = new Fixture();
  await fixture.attach('web');
  await fixture.open('web');
  fixture.isSwitchLost = true;
  const failed = await fixture.close('web').catch(() => 'failed');
  assert.is(failed, 'failed');
  assert.equal(fixture.ports.openNumbers(), []);
});

test('of guests it hears from the control plane and from nodes that may have a controller, and from nobody else', async () => {
  const { handlers, did } = new Fixture();
  const tell = async (node: string, role: 'node' | 'controller', revision: number): Promise<string | undefined> => {
    try {
      await handlers['guests.set']({ term: 1, revision, networks: [] }, { ...context, peer: { node, role } });
    } catch (error) {
      return codeOf(error);
    }
    return undefined;
  };
  assert.is(await tell('alpha', 'controller', 1), undefined);
  assert.is(await tell('gamma', 'node', 2), undefined);
  assert.is(await tell('beta', 'node', 3), 'NOT_ALLOWED');
  assert.equal(did, ['guests 1', 'guests 2']);
});

test('the short form of the journal leads to the same ports, and its records pass the schema', async () => {
  const fixture = new Fixture();
  for (const owner of ['web', 'db', 'app']) await fixture.attach(owner);
  await fixture.open('db');
  await fixture.detach('app');
  const again = new GuestPorts(fixture.ports.records());
  assert.equal(again.records(), fixture.ports.records());
  assert.is(again.freeNumber(), 4099);
  const check = new SchemaCheck(PortRecord);
  for (const record of again.records()) assert.ok(check.accepts(record));
});

test('numbers go round and skip those in use', () => {
  const ports = new GuestPorts([
    { kind: 'port', port: { owner: 'web', mac: MAC, portNo: AGENT_PORT_FIRST, open: false } },
    { kind: 'numbered', portNo: AGENT_PORT_LAST },
  ]);
  assert.is(ports.freeNumber(), AGENT_PORT_FIRST + 1);
});

test('names are devices names: short, equal for equal owners, different for others', () => {
  const names = Array.from({ length: 1000 }, (_, number) => portName(`guest-${number}`));
  assert.is(new Set(names).size, names.length);
  assert.ok(names.every((name) => /^[a-zA-Z0-9_-]{1,15}$/.test(name)));
  assert.is(portName('guest-0'), names[0]);
});

test.run();
