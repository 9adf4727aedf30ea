// The KV cache's blocks: which are free, which are held by how many sequences, and which full blocks a later request of the
// same tenant may use again. Bookkeeping only: the tensors are the native session's. Each tenant has an index of its own, in
// which prefixes are compared token by token: neither a block nor the time it saves is within another tenant's reach.

/** A full block in the prefix cache: its tokens, behind the prefix that `parent` stands for. */
interface CachedBlock {
  readonly tenant: string;
  readonly hash: number;
  readonly parent: number;
  /** [blockTokens] */
  readonly tokens: Int32Array;
  readonly block: number;
  readonly node: number;
}

/** A cached prefix that a sequence may start from. */
export interface PrefixMatch {
  /** Block ids, in order; all full. */
  readonly blocks: readonly number[];
  /** Identity of the prefix after each of those blocks; the next block continues from the last one. */
  readonly nodes: readonly number[];
}

/** Stands for the empty prefix. */
const ROOT = 0;

export class KvBlockPool {
  readonly capacity: number;
  readonly blockTokens: number;
  readonly #holders: Int32Array;
  readonly #unused: number[];
  readonly #cached = new Map<number, CachedBlock>();
  /** By tenant, then by hash of parent and tokens. */
  readonly #index = new Map<string, Map<number, CachedBlock>>();
  /** Cached blocks without a holder, least recently used first. */
  readonly #evictable = new Map<number, true>();
  #nextNode = ROOT + 1;

  /** `capacity`: blocks in the cache; `blockTokens`: positions per block. */
  constructor(capacity: number, blockTokens: number) {
    this.capacity = capacity;
    this.blockTokens = blockTokens;
    this.#holders = new Int32Array(capacity);
    this.#unused = Array.from({ length: capacity }, (_, index) => capacity - 1 - index);
  }

  /** Blocks that `allocate` can still give: unused ones, and cached ones without a holder. */
  get available(): number {
    return this.#unused.length + this.#evictable.size;
  }

  /** An exclusive block, or null if every block is held. Evicts the least recently used cached block if necessary. */
  allocate(): number | null {
    const block = this.#unused.pop() ?? this.#evict();
    if (block === undefined) return null;
    this.#holders[block] = 1;
    return block;
  }

  /** The longest cached prefix of `tokens` that leaves at least one token to compute. Holds nothing. */
  findPrefix(tenant: string, tokens: readonly number[]): PrefixMatch {
    const blocks: number[] = [];
    const nodes: number[] = [];
    let parent = ROOT;
    for (let end = this.blockTokens; end < tokens.length; end += this.blockTokens) {
      const cached = this.#find(tenant, hashBlock(parent, tokens, end, this.blockTokens), parent, tokens, end);
      if (cached === null) break;
      blocks.push(cached.block);
      nodes.push(cached.node);
      parent = cached.node;
    }
    return { blocks, nodes };
  }

  /** Of these blocks, those that holding would take from `available`. */
  countUnreferenced(blocks: readonly number[]): number {
    return blocks.reduce((count, block) => count + (this.#holders[block] === 0 ? 1 : 0), 0);
  }

  /** Of these blocks, those held once: they become available when their holder lets go. */
  countOwned(blocks: readonly number[]): number {
    return blocks.reduce((count, block) => count + (this.#holders[block] === 1 ? 1 : 0), 0);
  }

  /** Takes part in holding blocks that `findPrefix` gave. */
  hold(blocks: readonly number[]): void {
    for (const block of blocks) {
      this.#holders[block] = (this.#holders[block] ?? 0) + 1;
      this.#evictable.delete(block);
    }
  }

  /**
   * Offers a full block, the tokens up to `end`, to later requests. `parent` is the node of the block before it, null for the
   * first one. Returns the node that the next block continues from. A prefix that is cached already keeps its block.
   */
  publish(tenant: string, parent: number | null, tokens: readonly number[], end: number, block: number): number {
    const from = parent ?? ROOT;
    const hash = hashBlock(from, tokens, end, this.blockTokens);
    const existing = this.#find(tenant, hash, from, tokens, end);
    if (existing !== null) return existing.node;
    const index = this.#index.get(tenant) ?? new Map<number, CachedBlock>();
    const node = this.#nextNode++;
    // Another prefix of this tenant has the hash already: this one is just not cached.
    if (index.has(hash)) return node;
    const own = Int32Array.from(tokens.slice(end - this.blockTokens, end));
    const cached = { tenant, hash, parent: from, tokens: own, block, node };
    this.#index.set(tenant, index.set(hash, cached));
    this.#cached.set(block, cached);
    return node;
  }

  /** Releases a sequence's blocks. Its last blocks are evicted before its first ones, so that prefixes stay cached longest. */
  release(blocks: readonly number[]): void {
    for (const block of blocks.toReversed()) {
      const holders = (this.#holders[block] ?? 0) - 1;
      this.#holders[block] = holders;
      if (holders > 0) continue;
      if (this.#cached.has(block)) this.#evictable.set(block, true);
      else this.#unused.push(block);
    }
  }

  /** Empties the prefix cache. Blocks that are held stay with their holders, uncached. */
  forgetPrefixes(): void {
    this.#unused.push(...this.#evictable.keys());
    this.#evictable.clear();
    this.#cached.clear();
    this.#index.clear();
  }

  #find(tenant: string, hash: number, parent: number, tokens: readonly number[], end: number): CachedBlock | null {
    const cached = this.#index.get(tenant)?.get(hash);
    if (cached === undefined || cached.parent !== parent) return null;
    const first = end - this.blockTokens;
    return cached.tokens.every((token, at) => token === tokens[first + at]) ? cached : null;
  }

  #evict(): number | undefined {
    const block = this.#evictable.keys().next().value;
    if (block === undefined) return undefined;
    this.#evictable.delete(block);
    const cached = this.#cached.get(block);
    this.#cached.delete(block);
    if (cached === undefined) return block;
    // Nodes are never used twice, so what follows a forgotten block can never be reached again and ages out.
    const index = this.#index.get(cached.tenant);
    index?.delete(cached.hash);
    if (index?.size === 0) this.#index.delete(cached.tenant);
    return block;
  }
}

/** FNV-1a over 32-bit words. Only finds candidates, so a collision costs nothing but a missed hit. */
function hashBlock(parent: number, tokens: readonly number[], end: number, blockTokens: number): number {
  let hash = Math.imul(0x811c9dc5 ^ parent, 0x01000193);
  for (let at = end - blockTokens; at < end; at += 1) hash = Math.imul(hash ^ (tokens[at] ?? 0), 0x01000193);
  return hash;
}
