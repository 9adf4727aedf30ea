// Treatment of each unsupported field of OpenAI's request bodies (decision 0116). `null`, an empty list and an empty object have
// no effect in any field, except where the table overrides this.

/** Objects of a body that have fields of their own. */
export type Level =
  | 'chat'
  | 'completion'
  | 'message'
  | 'part'
  | 'stream_options'
  | 'response_format'
  | 'tool'
  | 'function'
  | 'call'
  | 'called_function';

/**
 * `hint`: any value is accepted and discarded, because it cannot change the answer of a text model.
 * `refused`: a 400 that names the field, except for values without effect: those in `idle`, and that of the field `sameAs`.
 * `refused-values`: the field is supported, but these values are not.
 */
export type Treatment =
  | { readonly kind: 'hint' }
  | {
      readonly kind: 'refused';
      readonly idle: readonly unknown[];
      readonly emptyIsIdle: boolean;
      readonly sameAs: string | null;
    }
  | { readonly kind: 'refused-values'; readonly values: readonly unknown[] };

export interface UnservedField<L extends string = Level> {
  readonly levels: readonly L[];
  readonly field: string;
  readonly treatment: Treatment;
  readonly reason: string;
}

const CHAT: readonly Level[] = ['chat'];
const COMPLETION: readonly Level[] = ['completion'];
/** Clients send the fields of one endpoint to the other as well. */
const BODIES: readonly Level[] = ['chat', 'completion'];
const MESSAGE: readonly Level[] = ['message'];
const PART: readonly Level[] = ['part'];
const TOOL: readonly Level[] = ['tool', 'call'];

export const UNSERVED_FIELDS: readonly UnservedField[] = [
  hint(BODIES, 'metadata', 'labels for a dashboard of stored completions'),
  hint(BODIES, 'store', 'nothing is stored, and the answer is the same'),
  hint(BODIES, 'safety_identifier', "the provider's key for finding abuse by an end user"),
  hint(
    BODIES,
    'prompt_cache_key',
    'where to look for a cached prefix; the cache here finds every prefix of the tenant',
  ),
  hint(BODIES, 'prompt_cache_retention', 'how long a prefix is cached; changes time, not text'),
  hint(BODIES, 'prompt_cache_options', 'how a prefix is cached; changes time, not text'),
  hint(BODIES, 'service_tier', 'price and priority at the provider; here the tenant has a weight'),
  hint(CHAT, 'verbosity', 'advice to models trained to follow it; no model served here is'),
  hint(CHAT, 'prediction', 'a guess at the answer that saves time; the answer is the same'),
  hint(['stream_options'], 'include_obfuscation', 'padding against observers of the network; no part of the answer'),
  hint(MESSAGE, 'annotations', 'citations of an earlier answer; no chat template shows them to the model'),
  hint(MESSAGE, 'parsed', "what a client's helper made of the content, sent back beside it"),
  hint(['called_function'], 'parsed_arguments', "what a client's helper made of the arguments, sent back beside them"),
  hint(['call'], 'index', 'the place of a call in its message, left over from a stream'),
  hint(PART, 'prompt_cache_breakpoint', 'where a cached prefix ends; changes time, not text'),

  refused(CHAT, 'modalities', [['text']], 'text is the only modality served'),
  refused(CHAT, 'audio', [], 'the client would wait for sound'),
  refusedEvenEmpty(CHAT, 'web_search_options', 'an empty object asks for a search with default options'),
  refused(CHAT, 'moderation', [], 'the client would rely on a verdict that was never made'),
  refused(COMPLETION, 'suffix', [''], 'the text would not lead to the suffix'),
  refusedUnlessEqual(
    COMPLETION,
    'best_of',
    [1],
    'n',
    'the best n of n answers are all of them; more would have to be ranked',
  ),

  refused(MESSAGE, 'refusal', [''], 'a refusal is text that the model would not see'),
  refused(MESSAGE, 'audio', [], 'the model would not hear it'),
  refusedValues(TOOL, 'type', ['custom'], 'its input is free text or a grammar, and its calls have another form'),
  refusedValues(PART, 'type', ['image_url', 'input_audio', 'file', 'refusal'], 'the model would see the text only'),
];

/** See Treatment. */
export function hint<L extends string>(levels: readonly L[], field: string, reason: string): UnservedField<L> {
  return { levels, field, reason, treatment: { kind: 'hint' } };
}

/** See Treatment. */
export function refused<L extends string>(
  levels: readonly L[],
  field: string,
  idle: readonly unknown[],
  reason: string,
): UnservedField<L> {
  return { levels, field, reason, treatment: { kind: 'refused', idle, emptyIsIdle: true, sameAs: null } };
}

function refusedUnlessEqual(
  levels: readonly Level[],
  field: string,
  idle: readonly unknown[],
  sameAs: string,
  reason: string,
): UnservedField {
  return { levels, field, reason, treatment: { kind: 'refused', idle, emptyIsIdle: true, sameAs } };
}

function refusedEvenEmpty(levels: readonly Level[], field: string, reason: string): UnservedField {
  return { levels, field, reason, treatment: { kind: 'refused', idle: [], emptyIsIdle: false, sameAs: null } };
}

/** See Treatment. */
export function refusedValues<L extends string>(
  levels: readonly L[],
  field: string,
  values: readonly unknown[],
  reason: string,
): UnservedField<L> {
  return { levels, field, reason, treatment: { kind: 'refused-values', values } };
}
