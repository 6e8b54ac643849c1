// A fault names the field that a person wrote, also inside unions and lists.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Type } from '#typebox';
import { codeOf, messageOf, OperationError } from '../../../common/errors.ts';
import { SchemaCheck } from '../../../common/schema-check.ts';
import { Ipv4, Mac, Name } from '../../../wire/names.ts';

const check = new SchemaCheck(
  Type.Object({
    image: Type.String({ pattern: '^[a-z]+$' }),
    disks: Type.Optional(Type.Array(Type.Object({ bytes: Type.Integer({ minimum: 0 }) }))),
    role: Type.Optional(Type.Union([Type.Literal('a'), Type.Object({ kind: Type.Literal('b') })])),
  }),
);

test('what the schema says is accepted, further fields too', () => {
  assert.ok(check.accepts({ image: 'web', disks: [{ bytes: 1 }], role: { kind: 'b' } }));
  assert.ok(check.accepts({ image: 'web', newer: 1 }));
});

test('the fault names the field', () => {
  const faults: [unknown, RegExp][] = [
    [{ image: 'Web' }, /^image must match pattern/],
    [{ image: 7 }, /^image must be string/],
    [{}, /image/],
    [{ image: 'web', disks: [{ bytes: 1 }, { bytes: -1 }] }, /^disks\.1\.bytes must be >= 0/],
    [{ image: 'web', role: { kind: 'c' } }, /^role must match/],
    [null, /^the value must be object/],
  ];
  for (const [value, expected] of faults) {
    assert.not(check.accepts(value));
    assert.match(check.fault(value), expected);
  }
});

test('what a person typed wrongly is said in words', () => {
  const typed = new SchemaCheck(Type.Object({ image: Name, ip: Ipv4, mac: Mac }));
  const good = { image: 'web', ip: '10.0.0.1', mac: '52:54:00:12:34:56' };
  assert.ok(typed.accepts(good));
  for (const [wrong, words] of [
    [{ image: 'a/b' }, 'image is no name: it has 1 to 40 lower-case letters'],
    [{ ip: 'ten' }, 'ip is no IPv4 address'],
    [{ ip: '10.0.0.256' }, 'ip is no IPv4 address'],
    [{ ip: '999.0.0.1' }, 'ip is no IPv4 address'],
    [{ ip: '10.0.010.1' }, 'ip is no IPv4 address'],
    [{ mac: 'AA' }, 'mac is no MAC address'],
  ] as const) {
    assert.match(typed.fault({ ...good, ...wrong }), words);
  }
});

test('an operation error keeps code, remedy and cause; other values say what they can', () => {
  const cause = Object.assign(new Error('no space'), { code: 'ENOSPC' });
  const error = new OperationError('DISK_FULL', 'the disk is full', { remedy: 'Make room.', cause });
  assert.is(error.cause, cause);
  assert.is(codeOf(error), 'DISK_FULL');
  assert.is(codeOf(cause), 'ENOSPC');
  assert.is(codeOf('text'), undefined);
  assert.is(new OperationError('A', 'b').remedy, '');
  assert.is(messageOf(error), 'the disk is full');
  assert.is(messageOf(7), '7');
});

test.run();
