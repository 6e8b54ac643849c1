// Messages that must not compile: each expression below `@ts-expect-error` is wrong, and the test has the compiler say so.
// `./supercloud check` holds the same lines against the compiler; here a line that has come to compile fails by name.
import { fileURLToPath } from 'node:url';
import {
  type Action,
  applyActions,
  encode,
  errorMessage,
  ethAddress,
  flowMod,
  type Instruction,
  type Message,
  type MeterBand,
  missingPrerequisite,
  output,
  packetOut,
  regMove,
  setField,
  type TableProperty,
  wireError,
} from '@openflow/ofp';
import ts from 'typescript';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const mac = ethAddress('02:00:00:00:00:01');

const ct = { type: 'nx-ct', flags: 1, zone: 1, recircTable: 2, alg: 0 } as const;

/** Never called: it is there to be compiled. */
export function wrongMessages(): unknown[] {
  const matches = [
    // @ts-expect-error a field that does not exist
    flowMod({ command: 'add', match: { ethDest: mac } }),
    // @ts-expect-error an address that nobody has checked
    flowMod({ command: 'add', match: { ethDst: '02:00:00:00:00:01' } }),
    // @ts-expect-error a number where 64 bits are wanted
    flowMod({ command: 'add', match: { metadata: 1 } }),
    // @ts-expect-error 64 bits where a number is wanted
    flowMod({ command: 'add', match: { inPort: 1n } }),
    // @ts-expect-error a mask on a field that takes none
    flowMod({ command: 'add', match: { inPort: { value: 1, mask: 1 } } }),
    // @ts-expect-error a mask of another kind than the value
    flowMod({ command: 'add', match: { metadata: { value: 1n, mask: 1 } } }),
    // @ts-expect-error a mask without a value
    flowMod({ command: 'add', match: { reg0: { mask: 1 } } }),
    // @ts-expect-error text where the check of a match wants a match
    missingPrerequisite('tcp'),
  ];
  const messages: Message[] = [
    // @ts-expect-error no message of that type
    { type: 'flow-modify' },
    // @ts-expect-error a command that flow-mods do not have
    flowMod({ command: 'replace' }),
    // @ts-expect-error a flow-mod without a command
    flowMod({ tableId: 1 }),
    // @ts-expect-error a part of a message left out
    { type: 'role-request', role: 'master' },
    // @ts-expect-error a role that controllers do not have
    { type: 'role-request', role: 'leader', generationId: 1n },
    // @ts-expect-error a generation that is not 64 bits wide
    { type: 'role-request', role: 'slave', generationId: 1 },
    // @ts-expect-error a body on a message that has none
    { type: 'barrier-request', data: new Uint8Array(0) },
    // @ts-expect-error a group type of no group
    { type: 'group-mod', command: 'add', groupType: 'any', groupId: 1, buckets: [] },
    // @ts-expect-error the number of a port where a group's is wanted
    { type: 'multipart-request', more: false, part: 'group-stats', portNo: 1 },
    // @ts-expect-error a filter of flows left out
    { type: 'multipart-request', more: false, part: 'flow', tableId: 0 },
    // @ts-expect-error ports in a reply about queues
    { type: 'multipart-reply', more: false, part: 'queue-stats', ports: [] },
    // @ts-expect-error packet data as text
    packetOut('hello', []),
    // @ts-expect-error a bundle control that bundles do not have
    { type: 'onf-bundle-control', bundleId: 1, control: 'abort', flags: 0, properties: new Uint8Array(0) },
    // @ts-expect-error a message in a bundle that is not encoded
    { type: 'onf-bundle-add', bundleId: 1, flags: 0, message: { type: 'barrier-request' }, properties: mac },
  ];
  const actions: Action[] = [
    // @ts-expect-error a field that set-field may not write
    setField('inPort', 1),
    // @ts-expect-error a field that only actions within nx-ct may write
    setField('ctMark', 1),
    // @ts-expect-error a value of another field's kind
    setField('ethSrc', 1),
    // @ts-expect-error a port as text
    output('1'),
    // @ts-expect-error no field of that name
    regMove('reg16', 'reg0', 32),
    // @ts-expect-error an action of packets within nx-ct
    { ...ct, actions: [{ type: 'output', port: 1, maxBytes: 0 }] },
    // @ts-expect-error a translation outside of nx-ct
    { type: 'nx-nat', flags: 1 },
    // @ts-expect-error an IPv6 range of IPv4 addresses
    { ...ct, actions: [{ type: 'nx-nat', flags: 1, addresses: { family: 'ipv6', min: 1 } }] },
    // @ts-expect-error a mask on a field that takes none
    { type: 'nx-reg-load2', field: 'nxInPort', value: { value: 1, mask: 1 } },
    // @ts-expect-error pause is there or not
    { type: 'nx-controller2', pause: false },
  ];
  const instructions: Instruction[] = [
    // @ts-expect-error an instruction among actions
    applyActions({ type: 'goto-table', tableId: 1 }),
    // @ts-expect-error an action among instructions
    output(1),
    // @ts-expect-error a mask left out
    { type: 'write-metadata', metadata: 1n },
  ];
  const others: [MeterBand, TableProperty] = [
    // @ts-expect-error a precedence on a band that drops
    { type: 'drop', rate: 1, burst: 1, precedence: 1 },
    // @ts-expect-error a match has no table-miss form
    { type: 'match', miss: true, fields: [] },
  ];
  const errors = [
    // @ts-expect-error a code of another type's
    wireError('BAD_MATCH', 'TABLE_FULL'),
    // @ts-expect-error no error type of that name
    errorMessage('BAD_LUCK', 'EPERM', new Uint8Array(0)),
    // @ts-expect-error a message without a transaction id
    encode({ type: 'barrier-request' }),
  ];
  return [matches, messages, actions, instructions, others, errors];
}

test('wrong messages do not compile', () => {
  const file = fileURLToPath(import.meta.url);
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram([file], { ...options, incremental: false });
  const said = program
    .getSemanticDiagnostics(program.getSourceFile(file))
    .map(
      ({ start = 0, messageText }) =>
        `${lineOf(program, file, start)}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
    );
  assert.equal(said, []);
  const wrong = program.getSourceFile(file)?.text.match(/^ +\/\/ @ts-expect-error/gm)?.length ?? 0;
  assert.ok(wrong >= 40, `${wrong} wrong messages`);
});

function lineOf(program: ts.Program, file: string, start: number): number {
  return (program.getSourceFile(file)?.getLineAndCharacterOfPosition(start).line ?? -1) + 1;
}

test.run();
