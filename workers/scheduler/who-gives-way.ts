// Which running answers make room for a tenant that waits. Pure.
//
// A tenant is entitled to its weighted share of a resource (places for answers, KV blocks) among those that hold or want some
// of it. Who holds more gives way to who asks for no more, newest answer first, and only to a tenant whose turn the fair
// counters put first. So no answer gives way to one that would have to give way to it.

/** An answer that runs or waits in the group. */
export interface Holding {
  readonly id: string;
  readonly queue: string;
  /** Of its tenant. */
  readonly weight: number;
  /** The fair counters put its tenant behind the one that waits. */
  readonly isLater: boolean;
  /** What it holds of the resource. */
  readonly amount: number;
}

export interface Claim {
  readonly queue: string;
  readonly weight: number;
  /** What it asks for. */
  readonly amount: number;
  /** What of that is not free. */
  readonly lacking: number;
}

interface Holder {
  readonly entitled: number;
  readonly mayStay: boolean;
  held: number;
  /** The newest is the last. */
  readonly answers: Holding[];
}

/**
 * Ids of the answers that give way, the newest first; none if that would not make room enough. `holdings`: in the order in
 * which they were taken; `capacity`: of the resource.
 */
export function whoGivesWay(claim: Claim, holdings: readonly Holding[], capacity: number): readonly string[] {
  const holders = groupByQueue(claim, holdings, capacity);
  const own = holders.get(claim.queue);
  if (own === undefined || own.held + claim.amount > own.entitled) return [];
  const chosen: string[] = [];
  for (let lacking = claim.lacking; lacking > 0; ) {
    const holder = largestHolder(holders);
    const answer = holder?.answers.pop();
    if (holder === undefined || answer === undefined) return [];
    holder.held -= answer.amount;
    lacking -= answer.amount;
    chosen.push(answer.id);
  }
  return chosen;
}

function groupByQueue(claim: Claim, holdings: readonly Holding[], capacity: number): Map<string, Holder> {
  const weights = new Map([...holdings, claim].map(({ queue, weight }) => [queue, weight]));
  const sum = [...weights.values()].reduce((total, weight) => total + weight, 0);
  const holders = new Map<string, Holder>();
  for (const [queue, weight] of weights) {
    const answers = holdings.filter((holding) => holding.queue === queue);
    const held = answers.reduce((total, { amount }) => total + amount, 0);
    const mayStay = queue === claim.queue || answers.some(({ isLater }) => !isLater);
    // Everyone is entitled to one, however many they are.
    holders.set(queue, { entitled: Math.max(1, (capacity * weight) / sum), mayStay, held, answers });
  }
  return holders;
}

/** Of those above their share, the one that is above it by the largest factor. */
function largestHolder(holders: ReadonlyMap<string, Holder>): Holder | undefined {
  const above = [...holders.values()].filter(({ mayStay, held, entitled }) => !mayStay && held > entitled);
  return above.sort((one, other) => other.held / other.entitled - one.held / one.entitled)[0];
}
