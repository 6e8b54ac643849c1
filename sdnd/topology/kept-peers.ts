// Whom an agent probes, kept on its disk: it goes on after a restart while the controller is away.
import { join } from 'node:path';
import { Type } from '#typebox';
import type { Disk } from '../../common/disk/disk.ts';
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { SchemaCheck } from '../../common/schema-check.ts';
import { ProbePeer } from '../../wire/contracts/topology.ts';

const FILE = 'probe-peers.json';
const Peers = new SchemaCheck(Type.Array(ProbePeer));

export class KeptPeers {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #log: Log;
  #written: Promise<void> = Promise.resolve();

  constructor(disk: Disk, directory: string, log: Log) {
    this.#disk = disk;
    this.#path = join(directory, FILE);
    this.#log = log;
  }

  /** None when nothing was ever kept, or what lies there cannot be read: the controller tells them again. */
  async read(): Promise<readonly ProbePeer[]> {
    try {
      const value: unknown = JSON.parse(Buffer.from(await this.#disk.readWhole(this.#path)).toString());
      if (Peers.accepts(value)) return value;
      this.#log.warn({ file: this.#path, fault: Peers.fault(value) }, 'the kept peers are passed over');
    } catch (error) {
      if (codeOf(error) !== 'ENOENT')
        this.#log.warn({ file: this.#path, reason: messageOf(error) }, 'the kept peers are passed over');
    }
    return [];
  }

  /** One writing after the other; what cannot be written is only logged. */
  keep(peers: readonly ProbePeer[]): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(peers));
    this.#written = this.#written
      .then(() => this.#disk.replace(this.#path, bytes))
      .catch((error: unknown) => this.#log.warn({ reason: messageOf(error) }, 'the peers could not be kept'));
    return this.#written;
  }
}
