// Migrations: those under way with how far they are, those that ended with what they cost or why they failed.
import { element, withAttributes } from './element.js';
import { bytes, clock, duration } from './units.js';

const STEPS = ['precheck', 'transfer', 'prepare', 'incoming', 'ahead', 'memory', 'hold', 'complete'];
const WORDS = {
  precheck: ({ to, hint }) => hint ?? `${to} is asked whether it can run the guest`,
  transfer: ({ to }) => `the catalogue reserves the disks for ${to}`,
  prepare: ({ to }) => `${to} gets a closed port and follows the disks, and the switches learn of it`,
  incoming: ({ to }) => `at ${to} a machine is started that waits for the memory`,
  ahead: ({ from, to }) => `the guest runs on at ${from} while blocks of its disks go ahead to ${to}`,
  memory: ({ from, to, hint }) => hint ?? `the guest runs on at ${from} while its memory goes to ${to}`,
  hold: ({ to }) => `the guest stands still: the last of its memory goes, then ${to} decides`,
  complete: ({ to }) => `the guest runs at ${to}; the other switches and the catalogue follow`,
  undecided: ({ reason }) => reason,
  moved: (m) => `moved to ${m.to}, hold ${holdOf(m)}`,
  failed: ({ from, reason }) => `stayed at ${from}: ${reason}`,
};
const UNKNOWN = '\u2013';
const NOT_HEARD = "the source's answer was lost, and with it how long the hold was";

export const isEnded = ({ step }) => step === 'moved' || step === 'failed';

/** A controller that is newer than the page may take a step that the page does not know: it is shown by its name. */
const wordsOf = (m) => WORDS[m.step]?.(m) ?? `step ${m.step}`;

/** One sentence, for those who hear the page. */
export const inWords = (m) => `${m.vm}, ${m.from} to ${m.to}: ${wordsOf(m)}`;

/** None comes with a migration whose end was found in the records, as after a restart of the controller. */
function holdOf({ holdMs }) {
  return holdMs > 0 ? duration(holdMs) : UNKNOWN;
}

function figure(name, value) {
  return element('div', '', element('dt', '', name), element('dd', '', value));
}

/** What is left at the rate of now; a guest that writes makes it longer. */
function timeLeft({ step, remainingBytes, rateBytesPerSecond }) {
  if (step !== 'memory' || rateBytesPerSecond === 0) return UNKNOWN;
  return `about ${Math.ceil(remainingBytes / rateBytesPerSecond)} s`;
}

function stepList({ step }) {
  // Undecided is a hold whose end nobody could tell.
  const current = step === 'undecided' ? 'hold' : step;
  const steps = STEPS.includes(current) ? STEPS : [current];
  const at = steps.indexOf(current);
  const items = steps.map((name, index) => {
    const item = element('li', index < at ? 'done' : '', name);
    return index === at ? withAttributes(item, { 'aria-current': 'step' }) : item;
  });
  return element('ol', 'steps', ...items);
}

function memoryBar({ vm, step, memoryBytes, remainingBytes }) {
  const bar = withAttributes(element('progress', ''), { 'aria-label': `memory of ${vm}` });
  bar.max = Math.max(1, memoryBytes + remainingBytes);
  bar.value = step === 'complete' ? bar.max : memoryBytes;
  return bar;
}

/** One that is under way. */
export function underWayCard(m) {
  const isMeasured = m.memoryBytes > 0;
  const figures = [
    figure('memory sent', isMeasured ? bytes(m.memoryBytes) : UNKNOWN),
    figure('left', isMeasured ? bytes(m.remainingBytes) : UNKNOWN),
    figure('rate', m.rateBytesPerSecond > 0 ? `${bytes(m.rateBytesPerSecond)}/s` : UNKNOWN),
    figure('time left', timeLeft(m)),
    figure('since the order', duration(m.totalMs)),
  ];
  const title = element('h3', '', `${m.vm}: ${m.from} \u2192 ${m.to}`);
  const words = element('p', '', wordsOf(m));
  const card = element('article', `under-way ${m.step}`, title, stepList(m), words, memoryBar(m));
  card.append(element('dl', '', ...figures));
  return withAttributes(card, { 'aria-label': `${m.vm} from ${m.from} to ${m.to}` });
}

function cell(label, text, className = '') {
  return withAttributes(element('td', className, text), { 'data-label': label });
}

function holdWords({ holdSteps }) {
  const parts = holdSteps.filter(({ step }) => step !== 'stopped').map(({ step, atMs }) => `${step} ${duration(atMs)}`);
  return parts.length === 0 ? NOT_HEARD : `from the guest's stop: ${parts.join(', ')}`;
}

/** How many blocks still are, or when the last one had come. */
function onlyAtSource({ dependsOnSourceBlocks, independentMs }) {
  return independentMs === null ? `${dependsOnSourceBlocks}` : `none after ${duration(independentMs)}`;
}

function figureCells(m) {
  const moved = m.step === 'moved';
  const after = (text) => (moved ? text : UNKNOWN);
  const source = m.dependsOnSourceBlocks;
  return [
    cell('total', duration(m.totalMs), 'figure'),
    cell('hold', after(holdOf(m)), 'figure'),
    cell('memory', bytes(m.memoryBytes), 'figure'),
    cell('blocks', after(bytes(m.blockBytes)), 'figure'),
    cell('metadata', after(bytes(m.entryBytes)), 'figure'),
    cell('on demand', after(`${m.fetchedOnDemandBlocks}`), 'figure'),
    cell('only at source', after(onlyAtSource(m)), source > 0 ? 'figure warn' : 'figure'),
  ];
}

/** One that ended: a row of figures, and a row of words. */
export function endedRows(m) {
  const moved = m.step === 'moved';
  const head = withAttributes(element('th', '', m.vm), { scope: 'rowgroup', rowspan: '2', 'data-label': 'VM' });
  const badge = element('span', `badge ${moved ? 'good' : 'bad'}`, moved ? 'moved' : 'failed');
  const facts = [cell('way', `${m.from} \u2192 ${m.to}`), cell('ordered', clock(m.startedAtMs)), cell('end', badge)];
  const figures = element('tr', 'figures', head, ...facts, ...figureCells(m));
  const told = withAttributes(element('td', '', moved ? holdWords(m) : wordsOf(m)), { colspan: '10' });
  const words = element('tr', 'words', told);
  return element('tbody', m.step, figures, words);
}
