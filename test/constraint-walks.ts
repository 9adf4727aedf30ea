// Random walks of the engine's masks: what is drawn, token by token, must be valid by ajv; and what is valid must be walkable.
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Constraint } from '../infra/messages/constraint.ts';
import { type TokenMasks, TokenVocabulary } from '../native/token-constraint.ts';
import type { Schema } from './constraint-schemas.ts';
import type { TestVocabulary } from './tiktoken-vocabulary.ts';

/** Where an answer is brought to an end. */
const CLOSE_AFTER = 40;
const MOST_TOKENS = 600;

export class Walks {
  readonly #vocabulary: TestVocabulary;
  readonly #native: TokenVocabulary;
  readonly #mask: Uint32Array;
  /** Of single bytes. */
  readonly #byteIds: ReadonlyMap<number, number>;
  /** Those that begin with what closes a text, a list or an object. */
  readonly #closing: readonly number[];

  constructor(vocabulary: TestVocabulary) {
    this.#vocabulary = vocabulary;
    this.#native = new TokenVocabulary(vocabulary);
    this.#mask = new Uint32Array(2 * Math.ceil(vocabulary.vocab / 64));
    const single = [...vocabulary.bytes.entries()].filter(
      ([id, bytes]) => bytes.length === 1 && !vocabulary.isControl(id),
    );
    this.#byteIds = new Map(single.map(([id, bytes]) => [bytes[0] ?? 0, id]));
    this.#closing = [...'"}]'].map((sign) => this.#byteIds.get(sign.charCodeAt(0)) ?? 0);
  }

  masksOf(constraint: Constraint): TokenMasks {
    return this.#native.compile({ ...constraint, controlTokens: [] });
  }

  /** Text of a random walk; null if it did not end in time. Throws for a state without any token. */
  walk(masks: TokenMasks, random: (below: number) => number): string | null {
    const state = masks.start([this.#vocabulary.end]);
    const parts: Uint8Array[] = [];
    for (let count = 0; count < MOST_TOKENS; count += 1) {
      if (!state.mask(this.#mask)) throw new Error('a mask takes too much work');
      const id = this.#choose(random, count > CLOSE_AFTER);
      if (id === this.#vocabulary.end) return Buffer.concat(parts).toString('utf8');
      if (id === null) throw new Error(`nothing may follow ${Buffer.concat(parts).toString('utf8')}`);
      if (!state.push(id)) throw new Error(`token ${id} was allowed and then refused`);
      parts.push(this.#vocabulary.bytes[id] ?? new Uint8Array(0));
    }
    return null;
  }

  /** Where a text cannot be walked on, byte by byte; null if it can be to its end. */
  refusedAt(masks: TokenMasks, text: string): number | null {
    const state = masks.start([this.#vocabulary.end]);
    const bytes = new TextEncoder().encode(text);
    for (const [at, byte] of bytes.entries()) if (!state.push(this.#byteIds.get(byte) ?? -1)) return at;
    return state.push(this.#vocabulary.end) ? null : bytes.length;
  }

  #choose(random: (below: number) => number, closes: boolean): number | null {
    const wanted = [this.#vocabulary.end, ...this.#closing].filter((id) => this.#allows(id));
    const [first] = wanted;
    if (first !== undefined && (closes || random(4) === 0)) return wanted[random(wanted.length)] ?? first;
    const start = random(this.#mask.length);
    for (let step = 0; step < this.#mask.length; step += 1) {
      const word = (start + step) % this.#mask.length;
      const bits = this.#mask[word] ?? 0;
      if (bits === 0) continue;
      const chosen = Array.from({ length: 32 }, (_, bit) => bit).filter((bit) => ((bits >>> bit) & 1) === 1);
      return word * 32 + (chosen[random(chosen.length)] ?? 0);
    }
    return null;
  }

  #allows(id: number): boolean {
    return (((this.#mask[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1;
  }
}

/** What is wrong with a JSON text by a schema; null for what is valid. Throws for a schema that ajv does not take. */
export function createOracle(schema: Schema): (text: string) => string | null {
  // Decimal multiples are exact in text, but not in the division that ajv does.
  const ajv = new Ajv2020({
    strict: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    multipleOfPrecision: 9,
    // Known to ajv as a place to refer to, but not by its strict mode.
    keywords: ['$anchor'],
  });
  formats.default(ajv);
  const validate = ajv.compile(schema);
  return (text) => (validate(JSON.parse(text)) ? null : ajv.errorsText(validate.errors));
}

/** Park and Miller's generator. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state % below;
  };
}
