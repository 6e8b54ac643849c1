// Messages of every type as Open vSwitch reads them: the codec writes random ones that it takes, `ovs-ofctl ofp-parse` prints
// them, and each field must stand in the print. Needs Debian's openvswitch-common.
import { type ErrorMessage, type ErrorName, errorName, NX_EXPERIMENTER, ONF_EXPERIMENTER } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../unit/openflow/random.ts';
import { GROUP_MAKERS } from './ovs-groups.ts';
import { MAKERS, type Saying } from './ovs-messages.ts';
import { ovsPrint } from './ovs-print.ts';
import { STATS_MAKERS } from './ovs-stats.ts';

const MESSAGES = 4200;
const MESSAGES_PER_PROCESS = 600;

function sayings(random: Random): Saying[] {
  const makers = [...MAKERS, ...GROUP_MAKERS, ...STATS_MAKERS];
  return Array.from({ length: MESSAGES_PER_PROCESS }, (_, xid) => {
    const make = makers[xid % makers.length];
    if (make === undefined) throw new Error('no maker');
    return make(random, xid);
  });
}

/** The first text that does not stand behind the ones before it. */
function missing(text: string, says: readonly string[]): string | undefined {
  let at = 0;
  for (const saying of says) {
    const found = text.indexOf(saying, at);
    if (found < 0) return saying;
    at = found + saying.length;
  }
  return undefined;
}

test(`${MESSAGES} random messages`, () => {
  const random = new Random(21);
  for (let done = 0; done < MESSAGES; done += MESSAGES_PER_PROCESS) {
    const all = sayings(random);
    const printed = ovsPrint(all.map(({ message }) => message));
    for (const [i, { message, says }] of all.entries()) {
      assert.is(missing(printed[i] ?? '', says), undefined, `${message.type}: ${printed[i]}`);
    }
  }
});

// Open vSwitch's words where they are not the specification's.
const TYPE_SAID: { readonly [N in ErrorName]: string } = {
  HELLO_FAILED: 'OFPHFC',
  BAD_REQUEST: 'OFPBRC',
  BAD_ACTION: 'OFPBAC',
  BAD_INSTRUCTION: 'OFPBIC',
  BAD_MATCH: 'OFPBMC',
  FLOW_MOD_FAILED: 'OFPFMFC',
  GROUP_MOD_FAILED: 'OFPGMFC',
  PORT_MOD_FAILED: 'OFPPMFC',
  TABLE_MOD_FAILED: 'OFPTMFC',
  QUEUE_OP_FAILED: 'OFPQOFC',
  SWITCH_CONFIG_FAILED: 'OFPSCFC',
  ROLE_REQUEST_FAILED: 'OFPRRFC',
  METER_MOD_FAILED: 'OFPMMFC',
  TABLE_FEATURES_FAILED: 'OFPTFFC',
};
const CODE_SAID: Readonly<Record<string, string>> = {
  'BAD_REQUEST BAD_MULTIPART': 'BAD_STAT',
  'BAD_REQUEST BAD_EXPERIMENTER': 'BAD_VENDOR',
  'BAD_REQUEST BAD_EXP_TYPE': 'BAD_SUBTYPE',
  'BAD_REQUEST IS_SLAVE': 'IS_SECONDARY',
  'BAD_ACTION BAD_EXPERIMENTER': 'BAD_VENDOR',
  'BAD_ACTION BAD_EXP_TYPE': 'BAD_VENDOR_TYPE',
};
/** It has one error for a bad property of whatever. */
const ELSEWHERE: ReadonlySet<string> = new Set(
  ['BAD_TYPE', 'BAD_LEN', 'BAD_ARGUMENT'].map((code) => `TABLE_FEATURES_FAILED ${code}`),
);

const NO_REQUEST = new Uint8Array(0);

/** Every type and code that has a name; of experimenters' up to the highest number that one of theirs has. */
function allErrors(): ErrorMessage[] {
  const errors: ErrorMessage[] = [];
  for (let errorType = 0; errorType < 14; errorType++) {
    for (let errorCode = 0; /[A-Z]$/.test(errorName(errorType, errorCode)); errorCode++) {
      errors.push({ type: 'error', errorType, errorCode, data: NO_REQUEST });
    }
  }
  for (const experimenter of [ONF_EXPERIMENTER, NX_EXPERIMENTER]) {
    for (let errorCode = 0; errorCode < 5000; errorCode++) {
      if (errorName(0xffff, errorCode, experimenter).startsWith('EXPERIMENTER')) continue;
      errors.push({ type: 'error', errorType: 0xffff, errorCode, experimenter, data: NO_REQUEST });
    }
  }
  return errors;
}

test('every error of the specification, of ONF and of Nicira has the name that Open vSwitch gives it', () => {
  const errors = allErrors();
  for (const [i, printed] of ovsPrint(errors).entries()) {
    const { errorType = 0, errorCode = 0, experimenter } = errors[i] ?? {};
    const name = errorName(errorType, errorCode, experimenter);
    const [type = '', code = ''] = name.split(' ');
    if (ELSEWHERE.has(name)) continue;
    const prefix = experimenter === undefined ? TYPE_SAID[type as ErrorName] : '(OFP|NX)[A-Z]+';
    assert.match(printed, new RegExp(`: ${prefix}_${CODE_SAID[name] ?? code}\\b`));
  }
});

test.run();
