// Connections of a way out whose address has changed are forgotten, by however many steps it did, and whatever becomes of the
// session meanwhile.
import { encode, type FlowMod, type FlowStats, type Message } from '@openflow/ofp';
import { pino } from 'pino';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { Overlay } from '../../../sdnd/controller/overlay.ts';
import { type SwitchConnection, SwitchReconciler } from '../../../sdnd/controller/switch-reconciler.ts';
import { SwitchWatch } from '../../../sdnd/controller/switch-watch.ts';
import { Scene } from '../../../sdnd/forwarding/scene.ts';
import { egressZone } from '../../../sdnd/pipeline.ts';
import { forgetZone } from '../../../sdnd/security/forget-zone.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { addressOf, bindingOf, NODES, portsOf } from './overlay-maker.ts';
import { CodecSwitch, portOf } from './switch-made-of-codec.ts';

const log = pino({ level: 'silent' });
const [EARLIER, LATER] = ['198.51.100.7', '198.51.100.8'];

class Stand implements SwitchConnection {
  readonly peer = new CodecSwitch();
  readonly clock = new TurnedClock();
  readonly overlay = new Overlay();
  said: Message[] = [];
  /** The connection ends after the switch has carried out the flow-mods and before its barrier's answer comes. */
  cutAfterApply = false;
  readonly reconciler = new SwitchReconciler('n0', (view) => new Scene(this.overlay, view), {
    past: () => () => false,
    watch: new SwitchWatch(this.clock, () => 0),
    clock: this.clock,
    log,
  });

  constructor() {
    this.overlay.apply({ kind: 'members', members: NODES.map((node) => ({ node, address: addressOf(node) })) });
    this.overlay.apply({ kind: 'bound', binding: bindingOf('g0', 'n0') });
    this.egress(EARLIER);
  }

  egress(address: string | undefined): void {
    const subnets = [{ subnet: '10.88.0.0', bits: 24, services: '10.88.0.254' }];
    const way = { node: 'n0', port: 'lab0', nextHop: '02:99:00:00:00:01' };
    const egress = address === undefined ? {} : { egress: { ...way, address } };
    this.overlay.apply({ kind: 'networks', networks: [{ tenant: 1, name: 'main', subnets, ...egress }] });
  }

  get ports() {
    return [...portsOf('n0')].map(([name, portNo]) => portOf(name, portNo));
  }

  async readFlows(): Promise<readonly FlowStats[]> {
    return this.peer.stats();
  }

  async countFlows(): Promise<number> {
    return this.peer.flows.size;
  }

  async apply(mods: readonly FlowMod[]): Promise<void> {
    await Promise.resolve();
    for (const mod of mods) this.peer.receive(encode(mod, 1));
    if (!this.cutAfterApply) return;
    this.cutAfterApply = false;
    throw new OperationError('SWITCH_LOST', 'the connection ended before the barrier was answered');
  }

  say(messages: readonly Message[]): void {
    this.said.push(...messages);
  }
}

const FORGET = [forgetZone(egressZone(1))];

test('another address at once', async () => {
  const one = new Stand();
  await one.reconciler.connect(one, one.ports);
  one.egress(LATER);
  await one.reconciler.update();
  assert.equal(one.said, FORGET);
});

test('no way out for a while, then another address', async () => {
  const one = new Stand();
  await one.reconciler.connect(one, one.ports);
  one.egress(undefined);
  await one.reconciler.update();
  one.egress(LATER);
  await one.reconciler.update();
  assert.equal(one.said, FORGET);
});

test('the session ends after the entries were changed and before that is confirmed', async () => {
  const one = new Stand();
  await one.reconciler.connect(one, one.ports);
  one.egress(LATER);
  one.cutAfterApply = true;
  await one.reconciler.update();
  one.reconciler.disconnect(one);
  await one.reconciler.connect(one, one.ports);
  await one.reconciler.update();
  assert.equal(await one.reconciler.verify().then(({ differences }) => differences), []);
  assert.equal(one.said, FORGET);
});

test.run();
