// if_nametoindex(3): the number that a network device keeps as long as it lives; another one of its name has another.
import koffi from 'koffi';

const callIndex = koffi.load('libc.so.6').func('unsigned int if_nametoindex(const char *name)');

/** In this process's network namespace; 0 of a device that is not there. */
export function deviceIndex(name: string): number {
  return callIndex(name);
}
