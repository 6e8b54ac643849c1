// The figures as one picture, after TOCS 2017: above, figure 12, the throughput of each second of every run; below, figure
// 13, means with their standard deviation. Pure.
import type { Spread } from '../mean.ts';
import { element, label, picture, polyline, ticks } from './svg.ts';

/** What is drawn of one subject. Bytes per second, seconds from the start, bytes. */
export interface Plotted {
  readonly name: string;
  readonly runs: readonly { readonly perSecond: readonly number[]; readonly movedSeconds: number | undefined }[];
  readonly throughput: Spread;
  readonly finishSeconds: Spread;
  readonly wanIn: Spread;
  readonly wanOut: Spread;
}

const MEGA = 1e6;
const PANEL = { width: 400, height: 130, left: 50, right: 16, top: 26, bottom: 34 };
const COLUMNS = 2;
const BARS = { height: 190, left: 50, top: 30, bottom: 40 };
const INK = { line: '#1f5fa8', grid: '#ddd', axis: '#888', moved: '#c0392b', in: '#1f5fa8', out: '#e0a030' };

interface Frame {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The picture, as SVG text. */
export function plot(subjects: readonly Plotted[], title: string): string {
  const width = COLUMNS * PANEL.width;
  const most = Math.max(1, ...subjects.flatMap(({ runs }) => runs.flatMap(({ perSecond }) => perSecond))) / MEGA;
  const panels = subjects.map((subject, index) => {
    const [column, row] = [index % COLUMNS, Math.floor(index / COLUMNS)];
    return seconds(subject, column * PANEL.width, 24 + row * PANEL.height, most);
  });
  const barsTop = 24 + Math.ceil(subjects.length / COLUMNS) * PANEL.height;
  const charts = barCharts(subjects).map((chart, index, all) =>
    bars(chart, subjects, { x: (index * width) / all.length, y: barsTop, width: width / all.length }),
  );
  const heading = label(title, width / 2, 16, { 'text-anchor': 'middle', 'font-size': 13 });
  return picture(title, width, barsTop + BARS.height, [heading, ...panels, ...charts]);
}

/** One subject's seconds; the axis of time is its own, that of throughput the same for all. */
function seconds({ name, runs }: Plotted, left: number, top: number, most: number): string {
  const frame = {
    ...{ x: left + PANEL.left, y: top + PANEL.top },
    width: PANEL.width - PANEL.left - PANEL.right,
    height: PANEL.height - PANEL.top - PANEL.bottom,
  };
  const scale = ticks(most);
  const across = ticks(Math.max(1, ...runs.map(({ perSecond }) => perSecond.length)));
  const x = (second: number): number => frame.x + (second * frame.width) / (across.at(-1) ?? 1);
  const y = (megabytes: number): number => frame.y + frame.height - (megabytes * frame.height) / (scale.at(-1) ?? 1);
  const lines = runs.map(({ perSecond }) =>
    polyline(
      perSecond.map((bytes, second) => [x(second + 0.5), y(bytes / MEGA)] as const),
      { stroke: INK.line, 'stroke-opacity': 0.7 },
    ),
  );
  const moves = runs.flatMap(({ movedSeconds }) => (movedSeconds === undefined ? [] : [x(movedSeconds)]));
  const dashes = moves.map((at) => rule(at, frame.y, at, frame.y + frame.height, INK.moved, '4 3'));
  const times = across.map((second, index) =>
    label(index === across.length - 1 ? `${second} s` : `${second}`, x(second), frame.y + frame.height + 13, {
      'text-anchor': index === across.length - 1 ? 'end' : 'middle',
    }),
  );
  const words = [label(name, frame.x, top + 18, { 'font-weight': 'bold' }), ...times];
  return element('g', {}, [...axis(frame, scale, y, 'MB/s'), ...lines, ...dashes, ...words]);
}

/** One chart of figure 13: a stack of parts for each subject; the deviation is the first part's where there is one. */
interface Chart {
  readonly title: string;
  readonly parts: readonly { readonly of: (subject: Plotted) => Spread; readonly colour: string }[];
}

function barCharts(subjects: readonly Plotted[]): Chart[] {
  if (subjects.length === 0) return [];
  const scaled = (spread: Spread, by: number): Spread => ({ mean: spread.mean / by, deviation: spread.deviation / by });
  return [
    { title: 'throughput, MB/s', parts: [{ of: ({ throughput }) => scaled(throughput, MEGA), colour: INK.line }] },
    { title: 'done after, s', parts: [{ of: ({ finishSeconds }) => finishSeconds, colour: INK.line }] },
    {
      title: 'WAN, MB: in (blue) and out',
      parts: [
        { of: ({ wanIn }) => scaled(wanIn, MEGA), colour: INK.in },
        { of: ({ wanOut }) => scaled(wanOut, MEGA), colour: INK.out },
      ],
    },
  ];
}

function bars(chart: Chart, subjects: readonly Plotted[], place: Omit<Frame, 'height'>): string {
  const frame = {
    ...{ x: place.x + BARS.left, y: place.y + BARS.top },
    width: place.width - BARS.left - 10,
    height: BARS.height - BARS.top - BARS.bottom,
  };
  const total = (subject: Plotted): number => chart.parts.reduce((sum, { of }) => sum + of(subject).mean, 0);
  const scale = ticks(Math.max(...subjects.map(total)) * 1.1);
  const y = (value: number): number => frame.y + frame.height - (value * frame.height) / (scale.at(-1) ?? 1);
  const step = frame.width / subjects.length;
  const columns = subjects.flatMap((subject, index) => column(chart, subject, frame.x + (index + 0.5) * step, step, y));
  const names = subjects.map(({ name }, index) => {
    const [at, below] = [frame.x + (index + 0.5) * step, frame.y + frame.height + 12];
    return label(name, at, below, {
      'text-anchor': 'end',
      'font-size': 8,
      transform: `rotate(-25 ${Math.round(at)} ${Math.round(below)})`,
    });
  });
  const title = label(chart.title, frame.x, place.y + 18, { 'font-weight': 'bold' });
  return element('g', {}, [...axis(frame, scale, y, ''), ...columns, ...names, title]);
}

function column(chart: Chart, subject: Plotted, x: number, step: number, y: (value: number) => number): string[] {
  let below = 0;
  return chart.parts.flatMap(({ of, colour }) => {
    const { mean, deviation } = of(subject);
    const top = below + mean;
    const box = { x: x - 0.3 * step, width: 0.6 * step, y: y(top), height: y(below) - y(top), fill: colour };
    below = top;
    const whisker = rule(x, y(top - deviation), x, y(top + deviation), '#222', '');
    return [element('rect', box), ...(deviation > 0 ? [whisker] : [])];
  });
}

function axis(frame: Frame, scale: readonly number[], y: (value: number) => number, unit: string): string[] {
  const grid = scale.map((value) =>
    rule(frame.x, y(value), frame.x + frame.width, y(value), value === 0 ? INK.axis : INK.grid, ''),
  );
  const words = scale.map((value) => label(`${value}`, frame.x - 5, y(value) + 4, { 'text-anchor': 'end' }));
  return [...grid, ...words, ...(unit === '' ? [] : [label(unit, frame.x - 5, frame.y - 8, { 'text-anchor': 'end' })])];
}

function rule(x1: number, y1: number, x2: number, y2: number, stroke: string, dashes: string): string {
  return element('line', { x1, y1, x2, y2, stroke, ...(dashes === '' ? {} : { 'stroke-dasharray': dashes }) });
}
