// Opens a model for inference in this process: opens packs, creates the session, sizes the scheduler. Used by the worker,
// `conclave generate`, `conclave logits` and the benchmarks.
import { availableParallelism } from 'node:os';
import type { ModelDescription } from '../../native/model-description.ts';
import { KV_BLOCK_TOKENS, type ModelSession, type SessionOptions } from '../../native/model-session.ts';
import { costShape } from '../model/cost-shape.ts';
import { createModelSession, type LoadRequest, loadModel } from '../model/load-model.ts';
import { refusedByNative } from '../model/native-failures.ts';
import type { StoredModel } from '../model/stored-model.ts';
import type { OpenedPacks } from '../pack/open-packs.ts';
import { KvBlockPool } from '../scheduler/kv-block-pool.ts';
import { blocksFor } from '../scheduler/plan-step.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import type { Sequence } from '../scheduler/sequence.ts';
import { ForcedDrafter } from '../speculation/forced-drafter.ts';
import { NgramDrafter } from '../speculation/ngram-drafter.ts';
import { refuseTooLarge, usableMemory } from './usable-memory.ts';

export interface EngineOptions {
  readonly backend: SessionOptions['backend'];
  /** Compute threads; null means one per core. */
  readonly threads: number | null;
  /** Capacity of the KV cache in tokens; null means one full context or 32,768, whichever is larger. */
  readonly kvTokens: number | null;
  /** Maximum number of concurrent sequences. */
  readonly maxSequences: number;
  /** Maximum number of rows per step. */
  readonly maxRows: number;
  /** Upper bound on the average slowdown of running answers while prompts are prefilled. */
  readonly interTokenTarget: number;
  /** The same bound for a single step. */
  readonly longestPause: number;
  /** `auto`: speculative decoding with an n-gram drafter, while it is profitable. */
  readonly speculation: 'auto' | 'off';
  /** Kernel variant of the backend; '' selects the fastest. */
  readonly variant: string;
}

export const DEFAULT_ENGINE: EngineOptions = {
  backend: 'auto',
  threads: null,
  kvTokens: null,
  maxSequences: 32,
  maxRows: 512,
  interTokenTarget: 2,
  longestPause: 8,
  speculation: 'auto',
  variant: '',
};

export interface Engine {
  readonly packs: OpenedPacks;
  readonly session: ModelSession;
  readonly scheduler: Scheduler;
  readonly threads: number;
  /** Capacity of the KV cache in tokens. */
  readonly kvTokens: number;
  close(): Promise<void>;
}

const USUAL_KV_TOKENS = 32_768;

/** Opens a model. Throws DomainError naming the file, the option or the lack of memory. */
export async function openEngine(load: LoadRequest, options: EngineOptions): Promise<Engine> {
  const check = (model: StoredModel) => refuseTooLarge(model, sizeEngine(model, options).kvTokens, usableMemory());
  const packs = await loadModel({ ...load, check });
  const { threads, kvTokens, kvBlocks } = sizeEngine(packs.description, options);
  const { backend, maxRows, variant } = options;
  try {
    const session = await createModelSession(packs, { backend, threads, kvBlocks, maxRows, variant });
    const scheduler = createScheduler(packs.description, kvBlocks, options);
    return { packs, session, scheduler, threads, kvTokens, close: () => closeEngine(session, packs) };
  } catch (thrown) {
    packs.close();
    throw refusedByNative(thrown);
  }
}

export interface EngineSize {
  readonly threads: number;
  /** Capacity of the KV cache in tokens. */
  readonly kvTokens: number;
  readonly kvBlocks: number;
}

/** Resolves options that are null for a model and this machine. */
export function sizeEngine(
  { maxContext }: Pick<ModelDescription, 'maxContext'>,
  options: Pick<EngineOptions, 'threads' | 'kvTokens'>,
): EngineSize {
  const kvTokens = options.kvTokens ?? Math.max(maxContext, USUAL_KV_TOKENS);
  const threads = options.threads ?? availableParallelism();
  return { threads, kvTokens, kvBlocks: blocksFor(kvTokens, KV_BLOCK_TOKENS) };
}

/** Creates a scheduler with `kvBlocks` free KV blocks. */
export function createScheduler(
  model: StoredModel,
  kvBlocks: number,
  options: Omit<EngineOptions, 'threads' | 'kvTokens' | 'variant'>,
): Scheduler {
  const limits = { ...options, blockTokens: KV_BLOCK_TOKENS };
  const pool = new KvBlockPool(kvBlocks, KV_BLOCK_TOKENS);
  const drafts = options.speculation === 'auto' ? createDrafter : null;
  return new Scheduler(pool, limits, costShape(model), drafts);
}

function createDrafter({ constraint }: Sequence) {
  const repeating = new NgramDrafter();
  return constraint === null ? repeating : new ForcedDrafter(constraint, repeating);
}

async function closeEngine(session: ModelSession, packs: OpenedPacks): Promise<void> {
  await session.close();
  packs.close();
}
