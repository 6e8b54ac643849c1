// Nicira's actions as Open vSwitch reads them: each is written by the codec, printed by `ovs-ofctl ofp-parse` and compared
// with the text a person expects. Needs Debian's openvswitch-common.
import {
  type Action,
  applyActions,
  CtFlag,
  flowMod,
  ipv4,
  ipv6,
  type Match,
  NatFlag,
  NX_CT_NO_TABLE,
  NX_RESUBMIT_IN_PORT,
  type NxCt,
  output,
} from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MAKERS_OF_NICIRA } from '../unit/openflow/random-actions.ts';
import { ovsPrint } from './ovs-print.ts';

const ip = { ethType: 0x0800 } as const;
const ip6 = { ethType: 0x86dd } as const;
const tcp = { ...ip, ipProto: 6 } as const;

function ct(parts: Partial<NxCt>): NxCt {
  return { type: 'nx-ct', flags: 0, zone: 0, recircTable: NX_CT_NO_TABLE, alg: 0, actions: [], ...parts };
}

const ACTIONS: readonly (readonly [match: Match, action: Action, text: string])[] = [
  [
    tcp,
    { type: 'nx-reg-move', from: 'tcpFlags', fromBit: 0, to: 'reg0', toBit: 4, bits: 12 },
    'move:NXM_NX_TCP_FLAGS[]->NXM_NX_REG0[4..15]',
  ],
  [
    {},
    { type: 'nx-reg-move', from: 'xxreg0', fromBit: 3, to: 'xreg1', toBit: 4, bits: 60 },
    'move:NXM_NX_XXREG0[3..62]->OXM_OF_PKT_REG1[4..63]',
  ],
  [{}, { type: 'nx-reg-load', to: 'xreg7', toBit: 0, bits: 64, value: 5n }, 'load:0x5->OXM_OF_PKT_REG7[]'],
  [{}, { type: 'nx-reg-load', to: 'nxInPort', toBit: 0, bits: 16, value: 0n }, 'load:0->NXM_OF_IN_PORT[]'],
  [{}, { type: 'nx-reg-load2', field: 'reg5', value: { value: 4, mask: 12 } }, 'set_field:0x4/0xc->reg5'],
  [{}, { type: 'nx-reg-load2', field: 'xxreg2', value: 7n }, 'set_field:0x7->xxreg2'],
  [{}, { type: 'nx-resubmit', inPort: 5 }, 'resubmit:5'],
  [{}, { type: 'nx-resubmit-table', inPort: NX_RESUBMIT_IN_PORT, tableId: 9 }, 'resubmit(,9)'],
  [
    { ...ip, ctState: { value: 0x22, mask: 0x22 } },
    { type: 'nx-resubmit-table-ct', inPort: NX_RESUBMIT_IN_PORT, tableId: 9 },
    'resubmit(,9,ct)',
  ],
  [{}, { type: 'nx-note', note: Uint8Array.of(1, 2, 3, 4, 5, 6) }, 'note:01.02.03.04.05.06'],
  [{}, { type: 'nx-exit' }, 'exit'],
  [{}, { type: 'nx-pop-queue' }, 'pop_queue'],
  [{}, { type: 'nx-ct-clear' }, 'ct_clear'],
  [ip, { type: 'nx-dec-ttl', controllerIds: [1, 2, 300] }, 'dec_ttl(1,2,300)'],
  [{}, { type: 'nx-set-tunnel', tunnelId: 7 }, 'set_tunnel:0x7'],
  [{}, { type: 'nx-set-tunnel64', tunnelId: 0x1_0000_0007n }, 'set_tunnel64:0x100000007'],
  [{}, { type: 'nx-output-reg', field: 'reg3', bit: 8, bits: 16, maxBytes: 9 }, 'output:NXM_NX_REG3[8..23]'],
  [{}, { type: 'nx-output-reg2', field: 'xreg3', bit: 0, bits: 32, maxBytes: 9 }, 'output:OXM_OF_PKT_REG3[0..31]'],
  [{}, { type: 'nx-output-trunc', port: 3, maxBytes: 100 }, 'output(port=3,max_len=100)'],
  [{}, { type: 'nx-stack-push', field: 'reg2', bit: 4, bits: 8 }, 'push:NXM_NX_REG2[4..11]'],
  [tcp, { type: 'nx-stack-push', field: 'tcpFlags', bit: 0, bits: 12 }, 'push:NXM_NX_TCP_FLAGS[]'],
  [{}, { type: 'nx-stack-pop', field: 'xreg2', bit: 0, bits: 64 }, 'pop:OXM_OF_PKT_REG2[]'],
  [{}, { type: 'nx-conjunction', id: 99, clause: 1, clauses: 3 }, 'conjunction(99,2/3)'],
  [tcp, { type: 'nx-fin-timeout', idleTimeoutSec: 5, hardTimeoutSec: 6 }, 'fin_timeout(idle_timeout=5,hard_timeout=6)'],
  [
    {},
    { type: 'nx-check-pkt-larger', packetBytes: 1500, field: 'reg0', bit: 3 },
    'check_pkt_larger(1500)->NXM_NX_REG0[3]',
  ],
  [
    {},
    { type: 'nx-controller', maxBytes: 128, controllerId: 7, reason: 2 },
    'controller(reason=invalid_ttl,max_len=128,id=7)',
  ],
  [
    {},
    {
      type: 'nx-controller2',
      maxBytes: 99,
      controllerId: 8,
      reason: 0,
      userdata: Uint8Array.of(1, 2, 0xff),
      pause: true,
    },
    'controller(reason=no_match,max_len=99,id=8,userdata=01.02.ff,pause)',
  ],
  [{}, { type: 'nx-controller2', userdata: new Uint8Array(9) }, 'controller(userdata=00.00.00.00.00.00.00.00.00)'],
  [
    ip,
    { type: 'nx-clone', actions: [{ type: 'dec-nw-ttl' }, output(3), { type: 'nx-clone', actions: [output(4)] }] },
    'clone(dec_ttl,output:3,clone(output:4))',
  ],
  [ip, ct({}), 'ct()'],
  [ip, ct({ flags: CtFlag.commit + CtFlag.force, zone: 5, recircTable: 3 }), 'ct(commit,force,table=3,zone=5)'],
  [ip, ct({ zone: { field: 'reg4', bit: 8, bits: 16 } }), 'ct(zone=NXM_NX_REG4[8..23])'],
  [tcp, ct({ flags: 1, alg: 21 }), 'ct(commit,alg=ftp)'],
  [ip, ct({ zone: 2, recircTable: 4, actions: [{ type: 'nx-nat', flags: 0 }] }), 'ct(table=4,zone=2,nat)'],
  [
    ip,
    ct({
      flags: 1,
      actions: [
        {
          type: 'nx-nat',
          flags: NatFlag.source + NatFlag.persistent + NatFlag.protocolRandom,
          addresses: { family: 'ipv4', min: ipv4('10.0.0.1'), max: ipv4('10.0.0.9') },
          ports: { min: 1000, max: 2000 },
        },
      ],
    }),
    'ct(commit,nat(src=10.0.0.1-10.0.0.9:1000-2000,persistent,random))',
  ],
  [
    ip6,
    ct({
      flags: 1,
      actions: [
        {
          type: 'nx-nat',
          flags: NatFlag.destination + NatFlag.protocolHash,
          addresses: { family: 'ipv6', min: ipv6('fd00::1') },
          ports: { min: 80 },
        },
      ],
    }),
    'ct(commit,nat(dst=[fd00::1]:80,hash))',
  ],
  [
    ip,
    ct({
      flags: 1,
      zone: 7,
      actions: [
        { type: 'set-field', field: 'ctMark', value: 5 },
        { type: 'nx-reg-move', from: 'reg1', fromBit: 0, to: 'ctLabel', toBit: 64, bits: 32 },
        { type: 'nx-reg-load', to: 'ctMark', toBit: 8, bits: 8, value: 9n },
        { type: 'nx-reg-load2', field: 'ctLabel', value: { value: 1n << 100n, mask: 3n << 100n } },
      ],
    }),
    'ct(commit,zone=7,exec(set_field:0x5->ct_mark,move:NXM_NX_REG1[]->NXM_NX_CT_LABEL[64..95],' +
      'load:0x9->NXM_NX_CT_MARK[8..15],set_field:0x10000000000000000000000000/0x30000000000000000000000000->ct_label))',
  ],
];

test("Open vSwitch reads Nicira's actions as we mean them", () => {
  const messages = ACTIONS.map(([match, action]) =>
    flowMod({ command: 'add', match, instructions: [applyActions(action)] }),
  );
  const printed = ovsPrint(messages);
  for (const [i, [, , text]] of ACTIONS.entries()) assert.is(printed[i]?.split(' actions=')[1], text, printed[i]);
});

test('every one of them is in the table above', () => {
  const covered = new Set(ACTIONS.map(([, { type }]) => type));
  // It is an instruction where there are instructions: Open vSwitch refuses it as an action then.
  const missing = Object.keys(MAKERS_OF_NICIRA).filter((type) => !covered.has(type as Action['type']));
  assert.equal(missing, ['nx-write-metadata']);
});

test.run();
