// The benchmark of the lone OpenFlow controller: ours, ovs-testcontroller and os-ken in turn under the same emulated switches, over
// loopback. Quoted are medians; what one run shows of the machine it shows of all three.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Type } from '#typebox';
import { OperationError } from '../../common/errors.ts';
import { SchemaCheck } from '../../common/schema-check.ts';
import { jsonText, writeJsonFile } from '../../common/terminal/json-file.ts';
import type { ProgressLine } from '../../common/terminal/progress.ts';
import { formatTable } from '../../common/terminal/table.ts';
import { type BenchedController, CONTROLLERS, type ControllerName, startController } from './controller-peers.ts';
import {
  CONTROLLER_CASES,
  type ControllerCase,
  type ControllerResult,
  type ControllerSample,
  controllerFigure,
  controllerRatio,
  controllerVerdicts,
} from './controller-verdict.ts';
import { processorUs } from './nbd-load.ts';

const LOAD = fileURLToPath(new URL('switch-load-program.ts', import.meta.url));
const LENGTH = { seconds: 5 };
const QUICK = { seconds: 2, alternations: 2 };
const LOAD_MS = 120_000;

/** The command's options. */
export interface ControllerBenchOptions {
  readonly alternations: number;
  readonly quick?: true;
  readonly only?: string;
  readonly json?: string | true;
}

const Figure = Type.Union([Type.Number(), Type.Null()]);
const Report = Type.Object({
  seconds: Type.Number(),
  responses: Type.Integer(),
  flowMods: Type.Integer(),
  clientSeconds: Type.Number(),
  p50Us: Figure,
  p99Us: Figure,
});
const report = new SchemaCheck(Report);

function chosen(only: string | undefined): readonly ControllerCase[] {
  const cases = CONTROLLER_CASES.filter(({ name }) => only === undefined || name.includes(only));
  if (cases.length > 0) return cases;
  throw new OperationError('USAGE', `no case has '${only}' in its name`, {
    remedy: `The cases are ${CONTROLLER_CASES.map(({ name }) => name).join(', ')}.`,
  });
}

async function allProcessorUs(pids: readonly number[]): Promise<number> {
  const each = await Promise.all(pids.map((pid) => processorUs(pid)));
  return each.reduce((sum, us) => sum + us, 0);
}

/** Puts the load on one controller. @throws OperationError LOAD_FAILED */
async function measure(
  load: ControllerCase,
  { name, pids, ports }: BenchedController,
  seconds: number,
): Promise<ControllerSample> {
  const flags = [...(load.isBuffered ? ['--buffered'] : []), ...(load.isLatency ? ['--latency'] : [])];
  const words = ['--ports', ports.join(','), '--switches', `${load.switches}`, '--seconds', `${seconds}`, ...flags];
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', LOAD, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: LOAD_MS,
  });
  const ended = once(child, 'close');
  const [marks, lines]: [number[], string[]] = [[], []];
  for await (const line of createInterface(child.stdout)) {
    if (line.startsWith('MEASUR')) marks.push(await allProcessorUs(pids));
    else lines.push(line);
  }
  await ended;
  const found: unknown = JSON.parse(lines[0] ?? 'null');
  const [before, after] = marks;
  if (!report.accepts(found) || before === undefined || after === undefined)
    throw new OperationError('LOAD_FAILED', `the load at ${name} (${load.name}) came to nothing`);
  return {
    perSecond: found.responses / found.seconds,
    perCpuSecond: found.responses / ((after - before) / 1e6),
    p50Us: found.p50Us ?? Number.NaN,
    p99Us: found.p99Us ?? Number.NaN,
    flowMods: found.flowMods / found.responses,
    clientShare: found.clientSeconds / found.seconds,
  };
}

async function runCase(load: ControllerCase, seconds: number, alternations: number): Promise<ControllerResult> {
  const samples = new Map<ControllerName, ControllerSample[]>();
  for (let turn = 0; turn < alternations; turn += 1) {
    for (const name of CONTROLLERS) {
      // A fresh one: what it has learnt of the last switches is no help and no burden.
      const controller = await startController(name, load.switches);
      try {
        samples.set(name, [...(samples.get(name) ?? []), await measure(load, controller, seconds)]);
      } finally {
        await controller.stop();
      }
    }
  }
  return { load, samples };
}

const shown = (value: number, digits = 0): string => (Number.isNaN(value) ? '' : value.toFixed(digits));

function rowsOf(result: ControllerResult): string[][] {
  return CONTROLLERS.map((name) => {
    const figure = (pick: (sample: ControllerSample) => number): number => controllerFigure(result, name, pick);
    const ratio = (pick: (sample: ControllerSample) => number): string =>
      name === 'supercloud' ? '' : shown(controllerRatio(result, name, pick), 2);
    return [
      name === 'supercloud' ? result.load.name : '',
      name,
      shown(figure(({ perSecond }) => perSecond)),
      shown(figure(({ perCpuSecond }) => perCpuSecond)),
      ratio(({ perCpuSecond }) => perCpuSecond),
      shown(figure(({ p50Us }) => p50Us)),
      ratio(({ p50Us }) => p50Us),
      shown(figure(({ p99Us }) => p99Us)),
      shown(
        figure(({ clientShare }) => clientShare),
        2,
      ),
    ];
  });
}

function tell(results: readonly ControllerResult[]): void {
  const titles = ['/s', '/CPU-s', 'ours is x', 'p50 us', 'ours is x', 'p99 us', "load's CPU"];
  const columns = [{ title: 'case' }, { title: 'controller' }, ...titles.map((title) => ({ title, figures: true }))];
  process.stdout.write(`\n${formatTable(columns, results.flatMap(rowsOf))}\n\n`);
  for (const { asked, seen, reached } of controllerVerdicts(results))
    process.stdout.write(`${reached ? 'reached    ' : 'NOT reached'} required ${asked}: ${seen}\n`);
}

function asData(results: readonly ControllerResult[]): unknown {
  return results.map(({ load, samples }) => ({ ...load, samples: Object.fromEntries(samples) }));
}

/** Runs the cases and prints what they came to. True when everything that is required was reached. */
export async function benchController(options: ControllerBenchOptions, line: ProgressLine): Promise<boolean> {
  const { seconds, alternations } = { ...LENGTH, ...options, ...(options.quick === true ? QUICK : {}) };
  const results: ControllerResult[] = [];
  for (const load of chosen(options.only))
    results.push(await line.during(load.name, () => runCase(load, seconds, alternations)));
  if (options.json === true) process.stdout.write(jsonText(asData(results)));
  else tell(results);
  if (typeof options.json === 'string') writeJsonFile(options.json, asData(results));
  return controllerVerdicts(results).every(({ reached }) => reached);
}
