// Checks of values from outside (calls, records, configurations) against their TypeBox schemas, compiled once, with a
// fault that names the field. Never changes or completes a value.
import type { Static, TSchema } from '#typebox';
import { Compile, type Validator } from '#typebox/compile';
import { PATTERNS } from '../wire/names.ts';

/** What persons type, in words; other patterns are what programs send. */
const WORDS: ReadonlyMap<string, string> = new Map([
  [PATTERNS.name, 'is no name: it has 1 to 40 lower-case letters, digits and hyphens, a letter first'],
  [PATTERNS.mac, 'is no MAC address in lower case, as 52:54:00:12:34:56'],
  [PATTERNS.ipv4, 'is no IPv4 address, as 10.88.0.10'],
]);

/** A schema that is ready to check values; compiled when it is first needed, since a client uses few of a contract's. */
export class SchemaCheck<S extends TSchema> {
  readonly #schema: S;
  #compiled: Validator | undefined;

  constructor(schema: S) {
    this.#schema = schema;
  }

  /** Whether the value is what the schema says. */
  accepts(value: unknown): value is Static<S> {
    return this.#validator().Check(value);
  }

  /** What is wrong, naming the field: `image must match pattern "^a"`. For values that were not accepted. */
  fault(value: unknown): string {
    const errors = this.#validator().Errors(value);
    // A union reports each of its branches and then itself: the last of the shortest paths is what a person wrote.
    const first = errors.reduce(
      (best, error) => (error.instancePath.length <= best.instancePath.length ? error : best),
      {
        instancePath: errors[0]?.instancePath ?? '',
        message: errors[0]?.message ?? 'is not what the schema says',
      },
    );
    const field = first.instancePath.slice(1).replaceAll('/', '.');
    const [, pattern = ''] = /^must match pattern "(.*)"$/.exec(first.message) ?? [];
    return `${field === '' ? 'the value' : field} ${WORDS.get(pattern) ?? first.message}`;
  }

  #validator(): Validator {
    this.#compiled ??= Compile(this.#schema);
    return this.#compiled;
  }
}
