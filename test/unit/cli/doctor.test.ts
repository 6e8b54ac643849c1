// What `supercloud doctor` prints.
import { stripVTControlCharacters } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeDoctor, isWell } from '../../../cli/doctor-text.ts';
import type { DoctorReport, Finding } from '../../../wire/contracts/doctor.ts';

const FINE: Finding = { subject: 'ports', from: 'alpha', to: 'beta', verdict: 'ok', figure: 'all open', remedy: '' };
const BAD: Finding = { ...FINE, subject: 'MTU', verdict: 'wrong', figure: '1200 bytes', remedy: 'Raise the MTU.' };
const END = { address: '10.77.0.1', peer: { missing: '' }, link: { missing: '' }, rate: null };

function report(...findings: readonly Finding[]): DoctorReport {
  const ends: DoctorReport['ends'] = [
    { node: 'alpha', ...END },
    { node: 'beta', ...END },
  ];
  return { findings: [...findings], ends, isEncrypted: false };
}

test('a line for each finding, and its remedy under one that is wrong', () => {
  const text = describeDoctor(
    report(FINE, BAD, { ...FINE, subject: 'RTT', verdict: 'unknown', figure: 'not measured' }),
  );
  const lines = stripVTControlCharacters(text).split('\n');
  assert.match(lines[0] ?? '', /^ +WHAT +FROM +TO +FIGURE$/);
  assert.match(lines[1] ?? '', /^ok +ports +alpha +beta +all open$/);
  assert.match(lines[2] ?? '', /^wrong +MTU +alpha +beta +1200 bytes$/);
  assert.match(lines[3] ?? '', /^ {9}Raise the MTU\.$/);
  assert.match(lines[4] ?? '', /^unknown +RTT +alpha +beta +not measured$/);
  assert.is(lines.length, 5);
});

test('well is what nothing is wrong with; what is not known is not wrong', () => {
  assert.ok(isWell(report(FINE, { ...FINE, verdict: 'unknown' })));
  assert.not.ok(isWell(report(FINE, BAD)));
});

test.run();
