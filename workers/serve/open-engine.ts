// A model ready to compute on this machine: packs open, session created, scheduler sized. Everything that runs a model in
// one process starts here: the worker, `conclave generate`, `conclave logits` and the benches.
import { availableParallelism } from 'node:os';
import type { ModelDescription } from '../../native/model-description.ts';
import { KV_BLOCK_TOKENS, type ModelSession, type SessionOptions } from '../../native/model-session.ts';
import { costShape } from '../model/cost-shape.ts';
import { createModelSession, type LoadRequest, loadModel } from '../model/load-model.ts';
import { refusedByNative } from '../model/native-failures.ts';
import type { OpenedPacks } from '../pack/open-packs.ts';
import { KvBlockPool } from '../scheduler/kv-block-pool.ts';
import { blocksFor } from '../scheduler/plan-step.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { NgramDrafter } from '../speculation/ngram-drafter.ts';
import { refuseTooLarge, usableMemory } from './usable-memory.ts';

export interface EngineOptions {
  /** Where to compute. */
  readonly backend: SessionOptions['backend'];
  /** Computing threads; null takes one per core. */
  readonly threads: number | null;
  /** Tokens the KV cache holds; null holds one whole context or 32,768 tokens, whichever is more. */
  readonly kvTokens: number | null;
  /** Sequences that run at once. */
  readonly maxSequences: number;
  /** Rows of one step at most. */
  readonly maxRows: number;
  /** Mean time between an answer's tokens while prompts are taken in, over that without. */
  readonly interTokenTarget: number;
  /** The same for a single step. */
  readonly longestPause: number;
  /** `auto`: tokens are guessed from the text so far and verified together, while that pays. */
  readonly speculation: 'auto' | 'off';
  /** Kernel variant of the backend; '' is the fastest. */
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
  /** Tokens the KV cache holds. */
  readonly kvTokens: number;
  close(): Promise<void>;
}

const USUAL_KV_TOKENS = 32_768;

/** Opens a model. Throws DomainError naming the file, option or memory at fault. */
export async function openEngine(load: LoadRequest, options: EngineOptions): Promise<Engine> {
  const check = (model: ModelDescription) => refuseTooLarge(model, sizeEngine(model, options).kvTokens, usableMemory());
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
  /** Tokens the KV cache holds. */
  readonly kvTokens: number;
  readonly kvBlocks: number;
}

/** What the options leave open, decided for a model and this machine. */
export function sizeEngine(
  { maxContext }: Pick<ModelDescription, 'maxContext'>,
  options: Pick<EngineOptions, 'threads' | 'kvTokens'>,
): EngineSize {
  const kvTokens = options.kvTokens ?? Math.max(maxContext, USUAL_KV_TOKENS);
  const threads = options.threads ?? availableParallelism();
  return { threads, kvTokens, kvBlocks: blocksFor(kvTokens, KV_BLOCK_TOKENS) };
}

/** A scheduler whose KV blocks are 0 to `kvBlocks` - 1, all of them free. */
export function createScheduler(
  model: ModelDescription,
  kvBlocks: number,
  options: Omit<EngineOptions, 'threads' | 'kvTokens' | 'variant'>,
): Scheduler {
  const limits = { ...options, blockTokens: KV_BLOCK_TOKENS };
  const pool = new KvBlockPool(kvBlocks, KV_BLOCK_TOKENS);
  const createDrafter = options.speculation === 'auto' ? () => new NgramDrafter() : null;
  return new Scheduler(pool, limits, costShape(model), createDrafter);
}

async function closeEngine(session: ModelSession, packs: OpenedPacks): Promise<void> {
  await session.close();
  packs.close();
}
