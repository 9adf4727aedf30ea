// One choice of a request as the scheduler sees it: its tokens, how far they are computed, and the KV blocks they occupy.

import type { Drafter } from '../speculation/drafter.ts';
import type { ForcedTokens } from '../speculation/forced-drafter.ts';

export interface Sequence {
  /** Unique in the group: request id and choice. */
  readonly id: string;
  readonly tenant: string;
  /** Prompt, then generated tokens. Grows. */
  readonly tokens: number[];
  /** Tokens whose keys and values are in the cache. */
  computed: number;
  /** KV blocks held, in the order of positions. */
  readonly blocks: number[];
  /** Identity of the cached prefix after each full block that was published (KvBlockPool.publish). */
  readonly nodes: number[];
  /** The sequence that is computing a prefix of these tokens; this one waits to start from its blocks. */
  prefixSource: PrefixSource | null;
  readonly promptTokens: number;
  /** The first position of the prompt whose logits are still wanted, for log-probabilities; see `wantsPromptLogits`. */
  promptLogitsFrom: number;
  /** Tokens that it may have at most, prompt and answer. */
  readonly maxTokens: number;
  /** Guesses its next tokens; null where nothing is to be guessed, and before its first token. */
  drafter: Drafter | null;
  /** What its constraint forces; null without one. */
  readonly constraint: ForcedTokens | null;
  /** Tokens whose KV came from the prefix cache when it was admitted first; null before that. */
  cachedAtStart: number | null;
}

export interface PrefixSource {
  readonly sequence: Sequence;
  /** Tokens at the start of both, in whole blocks. */
  readonly sharedTokens: number;
}

export function createSequence(options: {
  readonly id: string;
  readonly tenant: string;
  readonly promptTokens: readonly number[];
  /** Tokens that a predecessor generated and published. */
  readonly generated: readonly number[];
  /** Tokens to generate at most. */
  readonly maxTokens: number;
  /** See Sequence; without it no logits of the prompt are wanted. */
  readonly promptLogitsFrom?: number;
  readonly constraint?: ForcedTokens | null;
}): Sequence {
  return {
    id: options.id,
    tenant: options.tenant,
    tokens: [...options.promptTokens, ...options.generated],
    computed: 0,
    blocks: [],
    nodes: [],
    prefixSource: null,
    promptTokens: options.promptTokens.length,
    promptLogitsFrom: options.promptLogitsFrom ?? options.promptTokens.length,
    maxTokens: options.promptTokens.length + options.maxTokens,
    drafter: null,
    constraint: options.constraint ?? null,
    cachedAtStart: null,
  };
}

/** True while logits of the prompt are wanted. Those of its last position give the first token of the answer instead. */
export function wantsPromptLogits({ promptLogitsFrom, promptTokens }: Sequence): boolean {
  return promptLogitsFrom < promptTokens - 1;
}
