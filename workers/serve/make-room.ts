// Which generations of a full group give way to a tenant that waits (docs/decisions/0143-answers-give-way.md). In: the fair
// counters' line, what each generation holds. Out: ids of requests to give back to their queues.
import type { Generation } from '../generation/generation.ts';
import type { GenerationSource } from '../queue/generation-source.ts';
import type { Line } from '../queue/read-line.ts';
import type { Held, Lack, Scheduler } from '../scheduler/scheduler.ts';
import { type Claim, whoGivesWay } from '../scheduler/who-gives-way.ts';

export interface RoomParts {
  readonly source: Pick<GenerationSource, 'readLine'>;
  readonly scheduler: Pick<Scheduler, 'lackOfHead' | 'heldBy' | 'capacity'>;
  readonly maxGenerations: number;
}

/** By request id. */
type Generations = ReadonlyMap<string, Generation>;

/** The newest first; none while there is room, and while no tenant holds more than its share. */
export async function findWhoLeaves(parts: RoomParts, generations: Generations): Promise<readonly string[]> {
  const lack = parts.scheduler.lackOfHead();
  const leaving = lack === null ? [] : await leaveForHead(parts, generations, lack);
  if (leaving.length > 0) return leaving;
  if (generations.size >= parts.maxGenerations) return leaveForPlace(parts, generations);
  return lack === null ? [] : leaveForBlock(parts, generations);
}

/** For a request that was taken and has no room to start. */
async function leaveForHead(parts: RoomParts, generations: Generations, lack: Lack): Promise<readonly string[]> {
  const waiting = [...generations.values()].find(({ choices }) =>
    choices.some(({ sequence }) => sequence === lack.head),
  );
  const line = waiting === undefined ? null : await parts.source.readLine(waiting.request.id);
  if (line === null) return [];
  const resource = lack.places > 0 ? 'places' : 'blocks';
  const amount = resource === 'places' ? 1 : lack.takesBlocks;
  return choose(parts, generations, line, resource, { amount, lacking: lack[resource] });
}

/** For the next in line, when the group has as many generations as it may have. */
async function leaveForPlace(parts: RoomParts, generations: Generations): Promise<readonly string[]> {
  const line = await parts.source.readLine(null);
  if (line === null) return [];
  const claim = { queue: line.queue, weight: line.weight, amount: 1, lacking: 1 };
  const holdings = line.held.filter(({ id }) => generations.has(id)).map((job) => ({ ...job, amount: 1 }));
  return whoGivesWay(claim, holdings, parts.maxGenerations);
}

/** For the next in line, when no request is taken because a head has no room: what it will need is not known yet. */
async function leaveForBlock(parts: RoomParts, generations: Generations): Promise<readonly string[]> {
  const line = await parts.source.readLine(null);
  return line === null ? [] : choose(parts, generations, line, 'blocks', { amount: 1, lacking: 1 });
}

function choose(
  { scheduler }: RoomParts,
  generations: Generations,
  { queue, weight, held }: Line,
  resource: keyof Held,
  asked: Pick<Claim, 'amount' | 'lacking'>,
): readonly string[] {
  const holdings = held.flatMap((job) => {
    const generation = generations.get(job.id);
    if (generation === undefined) return [];
    const sequences = generation.open.map(({ sequence }) => sequence);
    return [{ ...job, amount: scheduler.heldBy(sequences)[resource] }];
  });
  return whoGivesWay({ queue, weight, ...asked }, holdings, scheduler.capacity[resource]);
}
