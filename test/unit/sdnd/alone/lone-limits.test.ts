// What one switch or one of its ports says to a lone controller, however much it is, harms no other.
import { encode, type FlowMod, type Message, NO_BUFFER, type PacketIn } from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LoneController } from '../../../../sdnd/alone/lone-controller.ts';
import type { LoneEvent } from '../../../../sdnd/alone/lone-events.ts';
import type { Connection, MeshSwitch } from '../../../../sdnd/alone/mesh-switch.ts';
import { portOf } from '../switch-made-of-codec.ts';

const limits = suite('limits of a lone controller');
const TICK_MS = 250;
const SETTLE_MS = 5_000;

/** A switch that obeys at once; every message to it passes the codec. */
class ObedientSwitch implements Connection {
  readonly said: Message[] = [];
  readonly mods: FlowMod[] = [];
  closedFor: string | undefined;

  say(messages: readonly Message[]): void {
    for (const message of messages) encode(message, 1);
    this.said.push(...messages);
  }

  put(): void {
    throw new Error('no pair is known');
  }

  send(): void {
    throw new Error('no pair is known');
  }

  apply(mods: readonly FlowMod[], done: (refusals: readonly string[]) => void): void {
    this.say(mods);
    this.mods.push(...mods);
    done([]);
  }

  readFlows(done: (flows: readonly []) => void): void {
    done([]);
  }

  close(reason: string): void {
    this.closedFor = reason;
  }
}

interface Stand {
  readonly controller: LoneController;
  readonly events: LoneEvent[];
  /** Lets that much time pass. */
  run(ms: number): void;
  join(id: bigint, ports: number): { readonly peer: ObedientSwitch; readonly one: MeshSwitch };
}

function stand(): Stand {
  let nowMs = 0;
  const events: LoneEvent[] = [];
  const controller = new LoneController({
    now: () => nowMs,
    random: Math.random,
    missesPerSecond: 1_000,
    tell: (event) => events.push(event),
  });
  return {
    controller,
    events,
    run(ms) {
      for (const endMs = nowMs + ms; nowMs < endMs; nowMs += TICK_MS) controller.tick(nowMs);
    },
    join(id, ports) {
      const peer = new ObedientSwitch();
      const all = Array.from({ length: ports }, (_, index) => portOf(`p${index + 1}`, index + 1));
      const one = controller.join(id, peer, all, nowMs);
      assert.ok(one);
      return { peer, one };
    },
  };
}

/** From a host at port 1 to one that nobody has seen. */
function frameOf(bytes: number): PacketIn {
  const data = new Uint8Array(bytes);
  data.set([2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 8, 0]);
  const what = { bufferId: NO_BUFFER, totalBytes: bytes, reason: 'no-match', tableId: 0, cookie: 0n } as const;
  return { type: 'packet-in', ...what, match: { inPort: 1 }, data };
}

limits('the longest frame for nobody known goes to every edge, in as many messages as that takes', () => {
  const { controller, run, join } = stand();
  const { peer, one } = join(1n, 40);
  run(SETTLE_MS);
  assert.is(one.ports.get(40)?.role, 'edge');
  for (const bytes of [60, 65_000, 65_493]) {
    peer.said.length = 0;
    controller.packetIn(one, frameOf(bytes), SETTLE_MS);
    const out = peer.said.flatMap((message) =>
      message.type === 'packet-out' && message.data.length === bytes ? message.actions : [],
    );
    const ports = out.map((action) => (action.type === 'output' ? action.port : 0)).sort((a, b) => a - b);
    assert.equal(
      ports,
      Array.from({ length: 39 }, (_, index) => index + 2),
      `${bytes} bytes`,
    );
  }
});

limits('of a switch with more ports than are used the first carry on, and that is told once', () => {
  const { controller, events, run, join } = stand();
  const { one } = join(1n, 1_030);
  const honest = join(2n, 2);
  run(SETTLE_MS);
  controller.port(one, 'add', portOf('more', 5_000), SETTLE_MS);
  assert.is(one.ports.size, 1_024);
  assert.is(one.ports.get(1_024)?.role, 'edge');
  assert.equal(
    events.filter(({ kind }) => kind === 'overfull'),
    [{ kind: 'overfull', at: one.name, ports: 1_024 }],
  );
  assert.is(honest.one.ports.get(2)?.role, 'edge');
  assert.ok(honest.peer.mods.some(({ match }) => match.ethDst !== undefined && match.inPort === 2));
});

limits.run();
