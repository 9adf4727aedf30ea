// One choice of a request as the scheduler sees it: its tokens, how far they are computed, and the KV blocks they occupy.

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
  /** The sequence whose prompt this one shares: it waits until that prompt is computed, to start from its blocks. */
  readonly sharesPromptOf: Sequence | null;
  readonly promptTokens: number;
  /** Tokens whose KV came from the prefix cache when it was admitted first; null before that. */
  cachedAtStart: number | null;
  /** Neither runs nor waits any more. */
  ended: boolean;
}

export function createSequence(options: {
  readonly id: string;
  readonly tenant: string;
  readonly promptTokens: readonly number[];
  /** Tokens that a predecessor generated and published. */
  readonly generated: readonly number[];
  readonly sharesPromptOf: Sequence | null;
}): Sequence {
  return {
    id: options.id,
    tenant: options.tenant,
    tokens: [...options.promptTokens, ...options.generated],
    computed: 0,
    blocks: [],
    nodes: [],
    sharesPromptOf: options.sharesPromptOf,
    promptTokens: options.promptTokens.length,
    cachedAtStart: null,
    ended: false,
  };
}

/** False while the sequence would recompute a prompt that another one is computing right now. */
export function mayStart(sequence: Sequence): boolean {
  const first = sequence.sharesPromptOf;
  return first === null || first.ended || first.computed >= first.promptTokens;
}
