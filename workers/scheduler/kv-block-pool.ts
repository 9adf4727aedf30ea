// The KV cache's blocks: which are free, which are held by how many sequences, and which full blocks a later request of the
// same tenant may use again. Bookkeeping only: the tensors are the native session's. Prefixes are compared token by token
// below a root per tenant, so one tenant's cache is out of another's reach by construction.

/** A full block in the prefix cache: its tokens behind the prefix that `parent` stands for. */
interface CachedBlock {
  readonly key: string;
  readonly node: number;
}

/** A cached prefix that a sequence may start from. */
export interface PrefixMatch {
  /** Block ids, in order; all full. */
  readonly blocks: readonly number[];
  /** Identity of the prefix after each of those blocks; the next block continues from the last one. */
  readonly nodes: readonly number[];
}

const NO_MATCH: PrefixMatch = { blocks: [], nodes: [] };

export class KvBlockPool {
  readonly capacity: number;
  readonly blockTokens: number;
  readonly #holders: Int32Array;
  readonly #unused: number[];
  readonly #cachedBlock = new Map<number, CachedBlock>();
  readonly #blockOfKey = new Map<string, number>();
  /** Cached blocks that nobody holds, least recently used first. */
  readonly #evictable = new Map<number, true>();
  readonly #tenantRoot = new Map<string, number>();
  #nextNode = 1;

  /** `capacity`: blocks in the cache; `blockTokens`: positions per block. */
  constructor(capacity: number, blockTokens: number) {
    this.capacity = capacity;
    this.blockTokens = blockTokens;
    this.#holders = new Int32Array(capacity);
    this.#unused = Array.from({ length: capacity }, (_, index) => capacity - 1 - index);
  }

  /** Blocks that `allocate` can still give: unused ones and cached ones that nobody holds. */
  get available(): number {
    return this.#unused.length + this.#evictable.size;
  }

  /** A block of one's own, or null when every block is held. Forgets the least recently used cached block if it must. */
  allocate(): number | null {
    const block = this.#unused.pop() ?? this.#evict();
    if (block === undefined) return null;
    this.#holders[block] = 1;
    return block;
  }

  /** The longest cached prefix of `tokens` that leaves at least one token to compute. Holds nothing. */
  findPrefix(tenant: string, tokens: readonly number[]): PrefixMatch {
    const root = this.#tenantRoot.get(tenant);
    if (root === undefined) return NO_MATCH;
    const blocks: number[] = [];
    const nodes: number[] = [];
    let parent = root;
    for (let end = this.blockTokens; end < tokens.length; end += this.blockTokens) {
      const block = this.#blockOfKey.get(keyOf(parent, tokens, end - this.blockTokens, end));
      const cached = block === undefined ? undefined : this.#cachedBlock.get(block);
      if (block === undefined || cached === undefined) break;
      blocks.push(block);
      nodes.push(cached.node);
      parent = cached.node;
    }
    return { blocks, nodes };
  }

  /** Of these blocks, those that holding would take from `available`. */
  countUnheld(blocks: readonly number[]): number {
    return blocks.filter((block) => this.#holders[block] === 0).length;
  }

  /** Of these blocks, those held once: they become available when their holder lets go. */
  countOwned(blocks: readonly number[]): number {
    return blocks.filter((block) => this.#holders[block] === 1).length;
  }

  /** Takes part in holding blocks that `findPrefix` gave. */
  hold(blocks: readonly number[]): void {
    for (const block of blocks) {
      this.#holders[block] = (this.#holders[block] ?? 0) + 1;
      this.#evictable.delete(block);
    }
  }

  /**
   * Offers a full block to later requests. `parent` is the node of the block before it, null for the first one. Returns the
   * node that the next block continues from. A prefix that is cached already keeps its block.
   */
  publish(tenant: string, parent: number | null, tokens: readonly number[], end: number, block: number): number {
    const key = keyOf(parent ?? this.#rootOf(tenant), tokens, end - this.blockTokens, end);
    const existing = this.#blockOfKey.get(key);
    const cached = existing === undefined ? undefined : this.#cachedBlock.get(existing);
    if (cached !== undefined) return cached.node;
    const node = this.#nextNode++;
    this.#blockOfKey.set(key, block);
    this.#cachedBlock.set(block, { key, node });
    return node;
  }

  /** Lets go of a sequence's blocks. Its last blocks are forgotten before its first ones: prefixes outlive what follows. */
  release(blocks: readonly number[]): void {
    for (const block of blocks.toReversed()) {
      const holders = (this.#holders[block] ?? 0) - 1;
      this.#holders[block] = holders;
      if (holders > 0) continue;
      if (this.#cachedBlock.has(block)) this.#evictable.set(block, true);
      else this.#unused.push(block);
    }
  }

  #rootOf(tenant: string): number {
    const root = this.#tenantRoot.get(tenant) ?? this.#nextNode++;
    this.#tenantRoot.set(tenant, root);
    return root;
  }

  #evict(): number | undefined {
    const block = this.#evictable.keys().next().value;
    if (block === undefined) return undefined;
    this.#evictable.delete(block);
    const cached = this.#cachedBlock.get(block);
    if (cached !== undefined) this.#blockOfKey.delete(cached.key);
    this.#cachedBlock.delete(block);
    return block;
  }
}

/** Nodes are never used twice, so what follows a forgotten block can never be reached again and ages out. */
function keyOf(parent: number, tokens: readonly number[], from: number, to: number): string {
  return `${parent}:${tokens.slice(from, to).join(',')}`;
}
