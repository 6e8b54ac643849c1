// A doctor's report for a terminal: a line for each finding, and under one that is wrong what to do about it.
import { styleText } from 'node:util';
import { formatTable } from '../common/terminal/table.ts';
import type { DoctorReport, Finding } from '../wire/contracts/doctor.ts';

const COLOURS = { ok: 'green', wrong: 'red', unknown: 'yellow' } as const;
const COLUMNS = ['', 'WHAT', 'FROM', 'TO', 'FIGURE'].map((title) => ({ title }));

export function describeDoctor({ findings }: DoctorReport): string {
  // No width: each finding is one line, so that its remedy comes under it.
  const [head = '', ...lines] = formatTable(COLUMNS, findings.map(rowOf), Number.POSITIVE_INFINITY).split('\n');
  return [
    head,
    ...lines.flatMap((line, at) => {
      const remedy = findings[at]?.remedy ?? '';
      return remedy === '' ? [line] : [line, `         ${remedy}`];
    }),
  ].join('\n');
}

/** Whether nothing is wrong. */
export function isWell({ findings }: DoctorReport): boolean {
  return findings.every(({ verdict }) => verdict !== 'wrong');
}

function rowOf({ verdict, subject, from, to, figure }: Finding): string[] {
  return [styleText(COLOURS[verdict], verdict), subject, from, to, figure];
}
