// A real etcd cluster on loopback for tests, from Debian's package: starts, kills, freezes and ends its members. Not a test itself.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EtcdClient } from '../../blockd/catalogue/etcd-client.ts';
import type { EtcdTls } from '../../blockd/catalogue/etcd-member.ts';
import { realClock } from '../../common/clock.ts';
import { freePorts } from '../free-ports.ts';

const READY_MS = 60_000;

interface Member {
  readonly name: string;
  readonly client: string;
  readonly peer: string;
  process?: ChildProcess;
}

/** Members by number, from 0. */
export class EtcdServers {
  readonly #members: readonly Member[];
  readonly #directory: string;
  readonly #arguments: readonly string[];
  readonly #tls: EtcdTls | undefined;

  private constructor(members: readonly Member[], directory: string, options: readonly string[], tls?: EtcdTls) {
    this.#members = members;
    this.#directory = directory;
    this.#arguments = options;
    this.#tls = tls;
  }

  /** Starts them and waits until they elected a leader. With `tls` the options must say the servers' side of it. */
  static async start(count: number, options: readonly string[] = [], tls?: EtcdTls): Promise<EtcdServers> {
    const ports = await freePorts(count * 2);
    const scheme = tls === undefined ? 'http' : 'https';
    const members = Array.from({ length: count }, (_, index) => ({
      name: `m${index}`,
      client: `${scheme}://127.0.0.1:${ports[index]}`,
      peer: `http://127.0.0.1:${ports[count + index]}`,
    }));
    const servers = new EtcdServers(members, await mkdtemp(join(tmpdir(), 'etcd-')), options, tls);
    for (let index = 0; index < count; index++) servers.#spawn(index);
    await servers.ready();
    return servers;
  }

  get endpoints(): string[] {
    return this.#members.map(({ client }) => client);
  }

  /** Waits until each member (or the one) answers with the cluster's word. */
  async ready(...indexes: number[]): Promise<void> {
    const endpoints = indexes.length === 0 ? this.endpoints : indexes.map((index) => this.#member(index).client);
    for (const endpoint of endpoints) {
      const client = new EtcdClient({ endpoints: [endpoint], tls: this.#tls }, realClock);
      await client.read('ready', realClock.nowMs() + READY_MS).finally(() => client.close());
    }
  }

  /** Starts one that was killed, on what it had written. */
  async restart(index: number): Promise<void> {
    this.#spawn(index);
    await this.ready(index);
  }

  async kill(index: number): Promise<void> {
    const { process: child } = this.#member(index);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  signal(index: number, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#member(index).process?.kill(signal);
  }

  async end(): Promise<void> {
    await Promise.all(this.#members.map((_, index) => this.kill(index)));
    await rm(this.#directory, { recursive: true, force: true });
  }

  #member(index: number): Member {
    const member = this.#members[index];
    if (member === undefined) throw new Error(`there is no member ${index}`);
    return member;
  }

  #spawn(index: number): void {
    const member = this.#member(index);
    const log = openSync(join(this.#directory, `${member.name}.log`), 'a');
    const words = [
      ...['--name', member.name, '--data-dir', join(this.#directory, member.name)],
      ...['--listen-client-urls', member.client, '--advertise-client-urls', member.client],
      ...['--listen-peer-urls', member.peer, '--initial-advertise-peer-urls', member.peer],
      ...['--initial-cluster', this.#members.map(({ name, peer }) => `${name}=${peer}`).join(',')],
      ...this.#arguments,
    ];
    // The kernel ends them with this process, also when a test is killed at its limit. etcd 3.4 asks for the word on ARM.
    member.process = spawn('setpriv', ['--pdeathsig', 'KILL', 'etcd', ...words], {
      stdio: ['ignore', log, log],
      env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch },
    });
  }
}
