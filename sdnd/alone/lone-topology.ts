// What a lone controller knows, as data and as text for a person.
import { formatTable } from '../../common/terminal/table.ts';
import { ethOf } from './host-table.ts';
import type { LoneController } from './lone-controller.ts';
import type { PortRole } from './mesh-switch.ts';

/** Switches by datapath id in 16 hexadecimal digits; links with both of their ends; hosts with the port that they are at. */
export interface LoneTopology {
  readonly switches: readonly {
    readonly id: string;
    readonly isReady: boolean;
    readonly ports: readonly { readonly port: number; readonly name: string; readonly role: PortRole }[];
  }[];
  readonly links: readonly {
    readonly a: PortPlace;
    readonly b: PortPlace;
    readonly latencyMs: number;
    /** Whether floods cross it. */
    readonly floods: boolean;
  }[];
  readonly hosts: readonly ({ readonly mac: string } & PortPlace)[];
  readonly paths: number;
  readonly counts: LoneController['desk']['counts'];
}

interface PortPlace {
  readonly switch: string;
  readonly port: number;
}

export function loneTopology({ switches, finder, hosts, paths, desk, tree }: LoneController): LoneTopology {
  const place = ({ owner, no }: { owner: { name: string }; no: number }): PortPlace => ({
    switch: owner.name,
    port: no,
  });
  return {
    switches: [...switches.values()].map(({ name, isReady, ports }) => ({
      id: name,
      isReady,
      ports: [...ports.values()].map((port) => ({ port: port.no, name: port.name, role: port.role })),
    })),
    links: [...finder.links].map((link) => ({
      a: place(link.a),
      b: place(link.b),
      latencyMs: Number(link.latencyMs.toFixed(3)),
      floods: tree.has(link),
    })),
    hosts: [...hosts.all()].map(({ mac, port }) => ({ mac: ethOf(mac), ...place(port) })),
    paths: paths.count,
    counts: { ...desk.counts },
  };
}

/** Tables of switches, links and hosts. */
export function loneTopologyText({ switches, links, hosts, paths }: LoneTopology): string {
  const place = (one: PortPlace): string => `${one.switch}/${one.port}`;
  const count = (ports: LoneTopology['switches'][number]['ports'], role: PortRole): string =>
    String(ports.filter((port) => port.role === role).length);
  const figures = (...titles: string[]): { title: string; figures: true }[] =>
    titles.map((title) => ({ title, figures: true }));
  return [
    formatTable(
      [{ title: 'switch' }, { title: 'session' }, ...figures('ports', 'edges', 'links')],
      switches.map(({ id, isReady, ports }) => [
        ...[id, isReady ? 'yes' : 'no', String(ports.length)],
        ...[count(ports, 'edge'), count(ports, 'link')],
      ]),
    ),
    formatTable(
      [{ title: 'link' }, { title: '' }, ...figures('ms'), { title: 'floods' }],
      links.map(({ a, b, latencyMs, floods }) => [place(a), place(b), latencyMs.toFixed(1), floods ? 'yes' : 'no']),
    ),
    formatTable(
      [{ title: 'host' }, { title: 'at' }],
      hosts.map((host) => [host.mac, place(host)]),
    ),
    `${paths} paths`,
  ].join('\n\n');
}
