// What was found out for a request of a tenant, for later requests of the same tenant. Never for another's: how long an answer takes
// would tell what the other one asked for.
export class TenantCache<Value> {
  readonly #most: number;
  /** The latest used is the last. */
  readonly #kept = new Map<string, { readonly value: Value }>();

  /** `most`: values kept at once, those used last. */
  constructor(most: number) {
    this.#most = most;
  }

  /** The value for what a tenant asks, made where it is not there. `asked` goes by its JSON. Throws what `make` throws. */
  find(tenant: string, asked: unknown, make: () => Value): Value {
    const key = JSON.stringify([tenant, asked]);
    const kept = this.#kept.get(key) ?? { value: make() };
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > this.#most && oldest !== undefined) this.#kept.delete(oldest);
    return kept.value;
  }
}
