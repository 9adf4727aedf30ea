// The byte-pair model of a tokenizer.json. Pure.

/** Ids are places in `tokens`; `merges` in the order of their rank. `changes`: of what byte-level tokenizers have. */
export function bpeModel(
  tokens: readonly string[],
  merges: readonly (readonly string[])[],
  changes: object = {},
): Readonly<Record<string, unknown>> {
  return {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    ...changes,
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges,
  };
}
