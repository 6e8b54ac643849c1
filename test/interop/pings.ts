// Pings of which every one counts, on a machine that does much else. Not a test itself.
import { runIn } from '../../lab/namespace.ts';

/** For one answer; the rest of it is for a busy machine. */
const ANSWER_SECONDS = 20;

/**
 * How many pings came back of so many from a namespace to an address, up to the first that did not. One ping(8) for each:
 * one that sends several waits for the last of them no longer than twice the longest that another has taken, or one
 * interval (iputils 20221126), and counts as lost what a busy switch has under way.
 */
export async function answeredPings(
  namespace: string,
  address: string,
  count: number,
  options: readonly string[] = [],
): Promise<number> {
  const script = `for n in $(seq ${count}); do
  ping -n -q -c 1 -W ${ANSWER_SECONDS} ${options.join(' ')} ${address} > /dev/null || break
  echo answered
done`;
  const text = await runIn(namespace, 'sh', ['-c', script], { timeoutMs: 2_000 * ANSWER_SECONDS });
  return text.split('\n').filter((line) => line === 'answered').length;
}
