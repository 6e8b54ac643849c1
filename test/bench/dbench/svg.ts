// The few words of SVG 1.1 that a plot needs. Pure: values in, text out.

type Attributes = Readonly<Record<string, string | number>>;

/** One element; children are elements already written. */
export function element(name: string, attributes: Attributes, children: readonly string[] = []): string {
  const words = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(written(value))}"`);
  const start = `<${name}${words.join('')}`;
  return children.length === 0 ? `${start}/>` : `${start}>${children.join('')}</${name}>`;
}

/** A word at a place. */
export function label(text: string, x: number, y: number, attributes: Attributes = {}): string {
  return element('text', { x, y, ...attributes }, [escaped(text)]);
}

/** A line through points. */
export function polyline(points: readonly (readonly [number, number])[], attributes: Attributes): string {
  const path = points.map((point) => point.map(written).join(',')).join(' ');
  return element('polyline', { points: path, fill: 'none', ...attributes });
}

/** A whole picture, on white. `title`: for those who do not see it. */
export function picture(title: string, width: number, height: number, children: readonly string[]): string {
  const size = { width, height, viewBox: `0 0 ${width} ${height}` };
  const font = { 'font-family': 'sans-serif', 'font-size': 11, fill: '#222' };
  const said = element('title', {}, [escaped(title)]);
  const ground = element('rect', { width, height, fill: 'white' });
  return `${element('svg', { xmlns: 'http://www.w3.org/2000/svg', ...size, ...font }, [said, ground, ...children])}\n`;
}

/** Round values from 0 to at least `most`, some five of them: for an axis. */
export function ticks(most: number): number[] {
  if (!(most > 0)) return [0, 1];
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const count = Math.ceil(most / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

function written(value: string | number): string {
  return typeof value === 'number' ? String(Math.round(value * 100) / 100) : value;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
