// A tokenizer for models of random weights: byte-level BPE of exactly the size asked for, with ChatML. In: a vocabulary
// size. Out: tokenizer.json and tokenizer_config.json as objects. Pure and without a corpus: merges join frequent letters.
import { bpeModel } from './bpe-model.ts';

/** Bytes and special tokens: no vocabulary can be smaller. */
export const MIN_SYNTHETIC_VOCAB = 260;

const END_OF_TEXT = '<|endoftext|>';
const PAD = '<|pad|>';
const TURN_START = '<|im_start|>';
const TURN_END = '<|im_end|>';
const SPECIALS = [END_OF_TEXT, PAD, TURN_START, TURN_END];

const BYTES = 256;
// How a byte-level vocabulary writes a space: merges may begin with it, words do.
const SPACE = 'Ġ';
const FREQUENT = [SPACE, ...'etaoinshrdlcumwfgypbvkxjqz'];
const MAX_MERGED_LENGTH = 12;

const CHAT_TEMPLATE =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

export interface SyntheticTokenizer {
  readonly tokenizer: Readonly<Record<string, unknown>>;
  readonly config: Readonly<Record<string, unknown>>;
  /** The end of a text, then the end of a chat turn. */
  readonly endTokenIds: readonly [number, number];
  readonly padTokenId: number;
}

/** Builds a tokenizer of `vocab` tokens, at least MIN_SYNTHETIC_VOCAB: bytes, merges, then the special tokens. */
export function synthesizeTokenizer(vocab: number, maxContext: number): SyntheticTokenizer {
  if (vocab < MIN_SYNTHETIC_VOCAB) throw new TypeError(`vocab must be at least ${MIN_SYNTHETIC_VOCAB}`);
  const merges = frequentMerges(vocab - MIN_SYNTHETIC_VOCAB);
  const tokens = [...byteAlphabet(), ...merges.map(([left, right]) => left + right)];
  const firstSpecial = tokens.length;
  const idOf = (special: string): number => firstSpecial + SPECIALS.indexOf(special);
  return {
    tokenizer: tokenizerJson(tokens, merges, idOf),
    config: tokenizerConfig(maxContext),
    endTokenIds: [idOf(END_OF_TEXT), idOf(TURN_END)],
    padTokenId: idOf(PAD),
  };
}

function tokenizerJson(
  tokens: readonly string[],
  merges: readonly (readonly [string, string])[],
  idOf: (special: string) => number,
): Readonly<Record<string, unknown>> {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIALS.map((content) => ({
      id: idOf(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: bpeModel(tokens, merges),
  };
}

function tokenizerConfig(maxContext: number): Readonly<Record<string, unknown>> {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_max_length: maxContext,
    bos_token: null,
    eos_token: END_OF_TEXT,
    pad_token: PAD,
    additional_special_tokens: [TURN_START, TURN_END],
    clean_up_tokenization_spaces: false,
    chat_template: CHAT_TEMPLATE,
  };
}

/** The characters that stand for bytes 0..255: printable ones for themselves, the others from U+0100 on (GPT-2's table). */
function byteAlphabet(): string[] {
  let substitute = 0x100;
  return Array.from({ length: BYTES }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    return String.fromCharCode(printable ? byte : substitute++);
  });
}

/** The first `count` pairs along the diagonals of (frequent token x frequent token), each joined pair becoming a token. */
function frequentMerges(count: number): [string, string][] {
  const merges: [string, string][] = [];
  const units = [...FREQUENT];
  const known = new Set(units);
  for (let diagonal = 0; merges.length < count; diagonal += 1) {
    for (let row = 0; row <= diagonal && merges.length < count; row += 1) {
      const left = units[row];
      const right = units[diagonal - row];
      if (left === undefined || right === undefined || !mayJoin(left, right, known)) continue;
      known.add(left + right);
      units.push(left + right);
      merges.push([left, right]);
    }
  }
  return merges;
}

function mayJoin(left: string, right: string, known: ReadonlySet<string>): boolean {
  return !right.includes(SPACE) && left.length + right.length <= MAX_MERGED_LENGTH && !known.has(left + right);
}
