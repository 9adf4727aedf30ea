// Leading a group while the lease holds: forms it, and runs its generations on whatever nodes there are.
import { DomainError } from '../../infra/errors/domain-error.ts';
import { startPublishing } from '../../infra/registry/publish-model-card.ts';
import type { Repeating } from '../../infra/timing/repeat-every.ts';
import type { PlacementFollower } from '../cluster/follow-placement.ts';
import type { HeldLease } from '../cluster/lease.ts';
import { openCancelSignals } from '../queue/cancel-signals.ts';
import { openGenerationSource } from '../queue/generation-source.ts';
import { createConstraintCompiler } from '../sampler/constraint-compiler.ts';
import type { StepExecutor } from '../step/run-step.ts';
import { openTokenWriter } from '../tokens/append-tokens.ts';
import { readPublished } from '../tokens/read-published.ts';
import { type FormedGroup, formGroup } from './form-group.ts';
import { GenerationGroup } from './generation-group.ts';
import { modelCard } from './model-card.ts';
import { createScheduler } from './open-engine.ts';
import type { ServingNode } from './open-node.ts';

/** Leads until `stop` is aborted or the lease is lost, then releases it. Throws DomainError if the model cannot be loaded. */
export async function leadGroup(
  node: ServingNode,
  placement: PlacementFollower,
  lease: HeldLease,
  stop: AbortSignal,
): Promise<void> {
  const { group, log, state } = node;
  log.info({ group, epoch: lease.epoch }, 'leading');
  const giveUp = afterDraining(stop, node.config.drainSeconds * 1000);
  let formed: FormedGroup | null = null;
  let publishing: Repeating | null = null;
  try {
    formed = await formGroup(node, { placement, lease, giveUp });
    publishing = await publishCard(node);
    await runGenerations(node, formed.executor, lease, stop);
  } catch (thrown) {
    if (!isOver(thrown)) throw thrown;
    const why = thrown.code === 'fenced' ? 'lost the lease' : 'stopped before the group could compute';
    log.warn({ group, epoch: lease.epoch }, `${why}; another leader continues`);
  } finally {
    if (lease.held) await lease.release();
    state.statistics.watch(null);
    state.waitsFor = '';
    state.groupNumbers = {};
    await Promise.allSettled([formed?.close(), publishing?.stop()]);
  }
}

function publishCard(node: ServingNode): Promise<Repeating> {
  const { name, created, held, size, files, tokenizer, log } = node;
  const card = modelCard({
    name,
    created,
    model: held.source.description,
    kvTokens: size.kvTokens,
    files,
    tokenizer,
    modelHash: held.source.packed.modelHash,
    numericsClass: node.state.numericsClass,
  });
  return startPublishing(node.redis, card, (problem) =>
    log.warn({ err: problem }, 'the model card could not be published; retrying'),
  );
}

async function runGenerations(
  node: ServingNode,
  executor: StepExecutor,
  lease: HeldLease,
  stop: AbortSignal,
): Promise<void> {
  const { url, redis, name, group, config, held, size, tokenizer, state, log } = node;
  const onProblem = (problem: unknown): void =>
    log.warn({ err: problem }, 'background work failed and will be retried');
  const fence = () => lease.fence();
  const scheduler = createScheduler(held.source.description, size.kvBlocks, config.worker);
  state.statistics.watch(scheduler);
  const writer = openTokenWriter({ url, fence, onProblem });
  const source = openGenerationSource({ url, model: name, group, fence, onProblem });
  const cancels = await openCancelSignals({ url, group });
  const generations = new GenerationGroup({
    source,
    cancels,
    writer,
    scheduler,
    executor,
    tokenizer,
    compileConstraint: createConstraintCompiler(tokenizer, executor.vocab),
    readPublished: (id) => readPublished(redis, id),
    maxGenerations: config.worker.maxSequences,
    eventIntervalMs: config.worker.eventIntervalMs,
    observers: [state.statistics, node.traces],
  });
  try {
    await generations.recover();
    await generations.run(stop, config.drainSeconds * 1000);
  } catch (thrown) {
    generations.abandon();
    throw thrown;
  } finally {
    await Promise.allSettled([source.close(), cancels.close(), writer.close()]);
  }
}

/** Ended by another leader, or by a group that cannot compute before its time to drain is over. */
function isOver(thrown: unknown): thrown is DomainError {
  return thrown instanceof DomainError && (thrown.code === 'fenced' || thrown.code === 'cancelled');
}

/** Aborted this long after `stop`, or immediately if its reason is an error. */
function afterDraining(stop: AbortSignal, drainMs: number): AbortSignal {
  const late = new AbortController();
  const start = () => {
    if (stop.reason instanceof DomainError) late.abort(stop.reason);
    else setTimeout(() => late.abort(), drainMs).unref();
  };
  if (stop.aborted) start();
  else stop.addEventListener('abort', start, { once: true });
  return late.signal;
}
