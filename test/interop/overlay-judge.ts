// A real ovs-vswitchd that says what one switch of the overlay does with a frame: `ofproto/trace` on its dummy datapath, with
// its own tunnels (ovs-vswitchd(8)). One bridge that has the flows of one switch after the other. Not a test itself.
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { flowMod, TABLE_ALL } from '@openflow/ofp';
import type { Flow } from '../../sdnd/flow.ts';
import { within } from '../unit/common/members.ts';
import { OpenFlowConnection } from './openflow-connection.ts';
import { Vswitch } from './vswitch.ts';

const STEP_TIMEOUT_MS = 60_000;
/** Each tunnel port listens at a port of its own, by which its frames are told apart here. */
const FIRST_UDP_PORT = 4789;
/** The neighbour to which everything of the underlay is sent. */
const NEXT_HOP = '10.9.9.254';

/** An entry that a frame met, or that there was none for it in the table. */
export interface Met {
  readonly tableId: number;
  readonly priority?: number;
  readonly cookie?: string;
}

/** What a switch sent: by which port, and if that is a tunnel's, to whom with which id. */
export interface Output {
  readonly portNo: number;
  readonly to?: string;
  readonly tunnelId?: number;
}

export class OverlayJudge {
  readonly #switch = new Vswitch();
  #openFlow: OpenFlowConnection | undefined;
  #control: Socket | undefined;
  #requests = 0;
  /** OpenFlow port numbers by the datapath's. */
  readonly #portNos = new Map<number, number>();
  #underlayPort = 0;

  /** `ports`: the guests' port numbers; `tunnels`: how many tunnel ports, from number 1 on. */
  async start(ports: readonly number[], tunnels: number): Promise<void> {
    await this.#switch.start('system');
    await this.#switch.vsctl('del-port', 'br0', 'p1', '--', 'del-port', 'br0', 'p2');
    const underlay = ['--may-exist', 'add-br', 'under', '--', 'set', 'bridge', 'under', 'datapath_type=dummy'];
    await this.#switch.vsctl(...underlay, '--', ...dummyPort('under', 'u0', 1));
    const guests = ports.flatMap((portNo) => ['--', ...dummyPort('br0', `g${portNo}`, portNo)]);
    const vxlans = Array.from({ length: tunnels }, (_, index) => ['--', ...tunnelPort(index)]).flat();
    await this.#switch.vsctl(...[...guests, ...vxlans].slice(1));
    this.#openFlow = new OpenFlowConnection(join(this.#switch.folder, 'br0.mgmt'));
    this.#openFlow.send({ type: 'hello', versions: [4] });
    await this.#openFlow.next('hello');
    this.#control = connect(join(this.#switch.folder, 'vs.ctl'));
    await this.#call('netdev-dummy/ip4addr', 'under', '10.9.9.1/24');
    await this.#call('ovs/route/add', '0.0.0.0/0', 'under', NEXT_HOP);
    await this.#call('tnl/neigh/set', 'under', NEXT_HOP, '02:00:00:00:00:02');
    await this.#learnPorts();
  }

  /** The bridge is that switch from now on. */
  async load(flows: readonly Flow[]): Promise<void> {
    const adds = flows.map(({ tableId, priority, match, instructions, cookie }) =>
      flowMod({ command: 'add', tableId, priority, match, instructions, cookie }),
    );
    await this.#openFlow?.commit(flowMod({ command: 'delete', tableId: TABLE_ALL }), ...adds);
  }

  /**
   * What it sends of a frame, which is written as ovs-ofctl(8) writes a flow. Wherever it is looked up among connections it is the
   * first of its own.
   */
  async trace(frame: string): Promise<{ outputs: readonly Output[]; met: readonly Met[]; text: string }> {
    const text = await this.#call('ofproto/trace', 'br0', frame);
    const actions = Array.from(text.matchAll(/^Datapath actions: (.*)$/gm), ([, said = '']) => said);
    if (actions.length === 0) throw new Error(`no actions in: ${text}`);
    return { outputs: actions.flatMap((one) => this.#outputsOf(one)), met: metIn(text), text };
  }

  async stop(): Promise<void> {
    this.#openFlow?.close();
    this.#control?.destroy();
    await this.#switch.stop();
  }

  #outputsOf(actions: string): Output[] {
    const pushes = actions.matchAll(
      /tnl_push\(.*?ipv4\(src=[^,]*,dst=([\d.]+).*?udp\(src=\d+,dst=(\d+).*?vni=(0x[0-9a-f]+)/g,
    );
    const tunnelled = [...pushes].map(([, to = '', udpPort, vni]) => {
      return { portNo: Number(udpPort) - FIRST_UDP_PORT + 1, to, tunnelId: Number(vni) };
    });
    let flat = actions;
    for (let before = ''; before !== flat; ) [before, flat] = [flat, flat.replaceAll(/[a-z_]+\([^()]*\)/g, '')];
    const numbers = flat
      .split(',')
      .filter((word) => /^\d+$/.test(word))
      .map(Number);
    const local = numbers.filter((number) => number !== this.#underlayPort);
    return [...tunnelled, ...local.map((number) => ({ portNo: this.#portNos.get(number) ?? -1 }))];
  }

  async #learnPorts(): Promise<void> {
    for (const [, name, portNo, number] of (await this.#call('dpif/show')).matchAll(/^ +(\w+) (\d+)\/(\d+):/gm)) {
      if (name === 'u0') this.#underlayPort = Number(number);
      else if (name?.startsWith('g') === true) this.#portNos.set(Number(number), Number(portNo));
    }
  }

  /** A command of the daemon's own (unixctl): one JSON-RPC request, one answer. */
  #call(method: string, ...params: readonly string[]): Promise<string> {
    const control = this.#control;
    if (control === undefined) throw new TypeError('the judge has not been started');
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    let answer = '';
    const take = (chunk: Buffer): void => {
      answer += chunk.toString();
      if (!isWhole(answer)) return;
      control.off('data', take);
      const { result, error } = JSON.parse(answer) as { result: string | null; error: string | null };
      if (result === null || result === undefined) reject(new Error(`${method} ${params.join(' ')}: ${error}`));
      else resolve(result);
    };
    control.on('data', take);
    this.#requests += 1;
    control.write(JSON.stringify({ id: this.#requests, method, params }));
    return within(promise, STEP_TIMEOUT_MS, `no answer to ${method}`);
  }
}

/**
 * What ofproto/trace says of the first bridge: a line for each table, with what was matched there; those of tables that are looked
 * at within an entry stand further in. It begins anew where a frame was looked up among connections.
 */
function metIn(text: string): Met[] {
  const bridges = Array.from(
    text.matchAll(/^bridge\("br0"\)$([\s\S]*?)(?=^bridge\(|^Final flow)/gm),
    ([, said]) => said,
  );
  return Array.from(bridges.join('').matchAll(/^ *(\d+)\. (.*)$/gm), ([, table, entry = '']) => {
    const priority = /priority (\d+)/.exec(entry)?.[1];
    if (priority === undefined) return { tableId: Number(table) };
    const cookie = /cookie (0x[0-9a-f]+)/.exec(entry)?.[1] ?? '0x0';
    return { tableId: Number(table), priority: Number(priority), cookie };
  });
}

function dummyPort(bridge: string, name: string, portNo: number): string[] {
  return ['add-port', bridge, name, '--', 'set', 'interface', name, 'type=dummy', `ofport_request=${portNo}`];
}

function tunnelPort(index: number): string[] {
  const name = `vxlan${index}`;
  const options = ['remote_ip=flow', 'key=flow', `dst_port=${FIRST_UDP_PORT + index}`].map((one) => `options:${one}`);
  return [
    'add-port',
    'br0',
    name,
    '--',
    'set',
    'interface',
    name,
    'type=vxlan',
    `ofport_request=${index + 1}`,
    ...options,
  ];
}

function isWhole(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
