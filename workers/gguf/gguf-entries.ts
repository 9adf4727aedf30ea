// Typed access to a GGUF file's entries. Throws DomainError `bad_checkpoint` naming file, key and expectation.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { GgufData } from './gguf-cursor.ts';
import type { GgufFile } from './read-gguf.ts';

export class GgufEntries {
  readonly path: string;
  /** `general.architecture`: what keys of the model begin with. */
  readonly architecture: string;
  readonly #metadata: ReadonlyMap<string, GgufData>;

  constructor({ path, metadata }: Pick<GgufFile, 'path' | 'metadata'>) {
    this.path = path;
    this.#metadata = metadata;
    this.architecture = this.text('general.architecture');
  }

  /** Of the model: `block_count` for `llama.block_count`. */
  number(key: string): number {
    return this.optionalNumber(key) ?? this.#missing(`${this.architecture}.${key}`, 'a number');
  }

  optionalNumber(key: string): number | undefined {
    const value = this.#metadata.get(`${this.architecture}.${key}`);
    if (value === undefined || typeof value === 'number') return value;
    throw this.refusal(`${this.architecture}.${key}`, value, 'a number that holds for all layers');
  }

  optionalText(key: string): string | undefined {
    const value = this.#metadata.get(key);
    if (value === undefined || typeof value === 'string') return value;
    throw this.refusal(key, value, 'text');
  }

  text(key: string): string {
    return this.optionalText(key) ?? this.#missing(key, 'text');
  }

  /** By its whole key. */
  plainNumber(key: string): number | undefined {
    const value = this.#metadata.get(key);
    if (value === undefined || typeof value === 'number') return value;
    throw this.refusal(key, value, 'a number');
  }

  flag(key: string): boolean | undefined {
    const value = this.#metadata.get(key);
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.refusal(key, value, 'true or false');
  }

  strings(key: string): readonly string[] {
    const value = this.#metadata.get(key) ?? this.#missing(key, 'a list of strings');
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
    throw this.refusal(key, '…', 'a list of strings');
  }

  numbers(key: string): readonly number[] | undefined {
    const value = this.#metadata.get(key);
    if (value === undefined) return undefined;
    if (Array.isArray(value) && value.every((one) => typeof one === 'number')) return value;
    throw this.refusal(key, '…', 'a list of numbers');
  }

  refusal(key: string, value: unknown, expected: string): DomainError {
    const message = `${this.path}: "${key}" is ${JSON.stringify(value)}, expected ${expected}`;
    return new DomainError('bad_checkpoint', message, { param: key });
  }

  #missing(key: string, expected: string): never {
    throw new DomainError('bad_checkpoint', `${this.path}: "${key}" is missing, expected ${expected}`, { param: key });
  }
}
