// The four functions of the Reflect metadata proposal that the X.509 library's container asks for at its start, since
// no engine has them. Must be imported before that library, and only by the room that uses it.

type Metadata = Map<unknown, unknown>;
const store = new WeakMap<object, Metadata>();

function defineMetadata(key: unknown, value: unknown, target: object): void {
  const metadata: Metadata = store.get(target) ?? new Map();
  metadata.set(key, value);
  store.set(target, metadata);
}

function getOwnMetadata(key: unknown, target: object): unknown {
  return store.get(target)?.get(key);
}

function getMetadata(key: unknown, target: object): unknown {
  for (let at: object | null = target; at !== null; at = Reflect.getPrototypeOf(at)) {
    if (store.get(at)?.has(key) === true) return getOwnMetadata(key, at);
  }
  return undefined;
}

/** The decorator form, which compiled TypeScript applies. */
function metadata(key: unknown, value: unknown): (target: object) => void {
  return (target) => defineMetadata(key, value, target);
}

if (!('getMetadata' in Reflect)) {
  Object.assign(Reflect, { defineMetadata, getOwnMetadata, getMetadata, metadata });
}
