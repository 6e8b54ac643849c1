// The keeper of gates and ways to the services at a switch made of the codec: in which order it puts them right.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Message } from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { realClock } from '../../../common/clock.ts';
import { gateFlows } from '../../../sdnd/agent/gate.ts';
import { GateKeeper } from '../../../sdnd/agent/gate-keeper.ts';
import { type ServedPort, serviceFlows } from '../../../sdnd/agent/service-flows.ts';
import { flowKey } from '../../../sdnd/flow.ts';
import { Table } from '../../../sdnd/pipeline.ts';
import { quiet } from '../common/members.ts';
import { NETWORK, WEB } from '../guest-services/small-network.ts';
import { SocketSwitch } from './socket-switch.ts';

const PORT = 0x1007;
const TABLES = Object.keys(Table);
const SERVED: ServedPort = { portNo: PORT, mac: WEB.mac, network: NETWORK };

const keepers = suite('gate keeper');
const folder = mkdtempSync(join(tmpdir(), 'gates-'));
keepers.after(() => rmSync(folder, { recursive: true }));

/** A change in a word. */
function word(message: Message): string {
  if (message.type === 'meter-mod') return `meter ${message.command}`;
  return message.type === 'flow-mod' ? `${TABLES[message.tableId]} ${message.command}` : '';
}

function changes(at: SocketSwitch): string[] {
  const words = at.got.map(word).filter((text) => text !== '');
  return words.filter((text, place) => text !== words[place - 1]);
}

keepers('gates first, then meters, then the ways behind them; a meter goes after its last way', async () => {
  const at = new SocketSwitch(folder, 'order');
  const served = [SERVED];
  const gates = new GateKeeper({
    ...{ socket: at.path, clock: realClock, log: quiet },
    open: () => [PORT],
    served: () => served,
  });
  await at.messages('barrier-request', 2);
  const wanted = [...gateFlows(PORT), ...serviceFlows(SERVED)].map(flowKey);
  assert.equal([...at.flows.keys()].sort(), wanted.sort());
  const begun = ['gateOut add', 'gateIn add', 'meter add', 'meter modify', 'ingress add'];
  assert.equal(changes(at), begun);
  served.pop();
  gates.look();
  await at.messages('meter-mod', 3);
  assert.equal(changes(at), [...begun, 'ingress delete-strict', 'meter delete']);
  assert.equal([...at.flows.keys()].sort(), gateFlows(PORT).map(flowKey).sort());
  gates.stop();
  await at.close();
});

keepers('a gate is turned at the barrier, and the next look agrees', async () => {
  const at = new SocketSwitch(folder, 'turned');
  const open = new Set<number>();
  const gates = new GateKeeper({
    ...{ socket: at.path, clock: realClock, log: quiet },
    open: () => [...open],
    served: () => [],
  });
  open.add(PORT);
  await gates.open(PORT);
  assert.equal([...at.flows.keys()].sort(), gateFlows(PORT).map(flowKey).sort());
  open.delete(PORT);
  await gates.close(PORT);
  assert.is(at.flows.size, 0);
  gates.stop();
  await at.close();
});

keepers.run();
