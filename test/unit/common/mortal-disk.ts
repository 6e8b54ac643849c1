// The machine's disk as one process has it that will be killed, its memory and unfinished work with it: what it has begun
// passes whole, nothing comes after it, and its files are closed.
import { type Disk, type DiskFile, realDisk } from '../../../common/disk/disk.ts';

/** A disk, and the end of the process that has it. */
export interface MortalDisk {
  readonly disk: Disk;
  /** Answers when nothing of it is under way. */
  kill(): Promise<void>;
}

/** Of what is asked after the end: nobody is there to hear it. */
const unheard = (): Promise<never> => new Promise(() => undefined);

export function mortalDisk(): MortalDisk {
  const opened: DiskFile[] = [];
  const underWay = new Set<Promise<unknown>>();
  let isAlive = true;

  function mortal<T extends object>(target: T): T {
    return new Proxy(target, {
      get(_, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        return (...given: unknown[]): unknown => {
          if (!isAlive) return unheard();
          const answer: unknown = Reflect.apply(value, target, given);
          if (!(answer instanceof Promise)) return answer;
          underWay.add(answer);
          const end = (): unknown => underWay.delete(answer);
          answer.then(end, end);
          return answer;
        };
      },
    });
  }

  const files: Disk = {
    ...realDisk,
    async open(path, mode) {
      const file = await realDisk.open(path, mode);
      opened.push(file);
      return mortal(file);
    },
  };
  return {
    disk: mortal(files),
    async kill() {
      isAlive = false;
      await Promise.allSettled(underWay);
      for (const file of opened) await file.close();
    },
  };
}
