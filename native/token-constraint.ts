// Which tokens an answer may take, by native/constraint. In: the bytes of a vocabulary, and an automaton over bytes. Out: for each
// answer a state that follows its tokens and that sampling masks logits by.
import type { AddonConstraint, AddonTokenMasks, AddonTokenVocabulary } from './addon-types.ts';
import { loadAddon } from './load-addon.ts';
import { refusing } from './native-error.ts';

/** The automaton; Constraint of infra/messages has these fields, with texts for `controlTokens`. */
export interface ConstraintTables {
  /** [rules]: start, least, most. */
  readonly rules: readonly (readonly [number, number, number])[];
  readonly flags: readonly number[];
  readonly edges: readonly number[];
  readonly calls: readonly number[];
  readonly tokens: readonly number[];
  /** Ids. */
  readonly controlTokens: readonly number[];
}

export interface VocabularyTokens {
  /** Size of the model's vocabulary; the tokenizer's may be smaller. */
  readonly vocab: number;
  /** By id. */
  readonly bytes: readonly Uint8Array[];
  /** Ids that match no bytes: control tokens, whose text an answer does not show. */
  readonly isControl: (id: number) => boolean;
}

/** Immutable; serves any number of constraints. */
export class TokenVocabulary {
  readonly #raw: AddonTokenVocabulary;

  /** Sorts the tokens: about 0.2 s for 150k. */
  constructor({ vocab, bytes, isControl }: VocabularyTokens) {
    const ends = new Uint32Array(bytes.length);
    let end = 0;
    for (const [id, token] of bytes.entries()) {
      end += token.length;
      ends[id] = end;
    }
    const control = Uint8Array.from(bytes, (_, id) => (isControl(id) ? 1 : 0));
    this.#raw = refusing(() => loadAddon().createVocabulary(vocab, Buffer.concat(bytes), ends, control));
  }

  /** Throws NativeError `invalid_argument` for tables that refer to nothing or are too large. */
  compile(tables: ConstraintTables): TokenMasks {
    return refusing(() => new TokenMasks(loadAddon().createTokenMasks(this.#raw, toAddon(tables))));
  }
}

function toAddon({ rules, flags, edges, calls, tokens, controlTokens }: ConstraintTables) {
  return {
    rules: Float64Array.from(rules.flat()),
    flags: Int32Array.from(flags),
    edges: Int32Array.from(edges),
    calls: Int32Array.from(calls),
    tokens: Int32Array.from(tokens),
    controlTokens: Int32Array.from(controlTokens),
  };
}

/** The masks of one constraint, shared by all answers that have it: what is found out for one serves the others. */
export class TokenMasks {
  readonly #raw: AddonTokenMasks;

  constructor(raw: AddonTokenMasks) {
    this.#raw = raw;
  }

  /** `endTokens` may end an answer where the constraint lets it end. */
  start(endTokens: readonly number[]): TokenConstraint {
    return new TokenConstraint(refusing(() => loadAddon().createConstraint(this.#raw, Int32Array.from(endTokens))));
  }
}

/** How far an answer has come. */
export class TokenConstraint {
  readonly raw: AddonConstraint;

  constructor(raw: AddonConstraint) {
    this.raw = raw;
  }

  /** Goes on by a token; false if it may not follow. */
  push(token: number): boolean {
    return this.raw.push(token);
  }

  /** Whether nothing may follow but a token that ends the answer. */
  get isOver(): boolean {
    return this.raw.isOver();
  }

  /** Guesses for what must follow, up to `most`: bytes that are certain, parted into tokens by longest match. */
  forced(most: number): readonly number[] {
    return Array.from(this.raw.forced(most));
  }

  /** Writes a bit for each token that may follow, the lowest first: [2 * ceil(vocab / 64)]. For tests and benches. */
  mask(mask: Uint32Array): boolean {
    return this.raw.mask(mask);
  }
}
