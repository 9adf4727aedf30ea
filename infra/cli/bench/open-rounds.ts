// Rounds of `conclave bench hop` as groups take them: the addon's side of the exchange, and bare commands by its client. The
// thread is blocked meanwhile; this process does nothing else.
import { HopProbe } from '../../../native/hop-probe.ts';
import { ExchangeRoutes } from '../../../workers/exchange/exchange-routes.ts';
import { broadcastStream, directStream, incomingStreams } from '../../../workers/exchange/frame-streams.ts';
import { keyOf } from '../../redis/keys.ts';
import type { HopConfig, HopRounds } from './hop-rounds.ts';

export async function openRounds(config: HopConfig): Promise<HopRounds> {
  const { exchangeUrl, topology, group, nodes, index: me, slots, width } = config;
  const routes = new ExchangeRoutes();
  const exchange = await routes.addressOf(exchangeUrl);
  const plan = { group, topology, members: Array.from({ length: nodes }, (_, node) => ({ id: `node-${node}` })) };
  const probe = HopProbe.open({
    topology,
    exchanges: [exchange],
    name: `conclave:bench-hop:${me}`,
    toAll: [{ exchange: 0, key: broadcastStream(plan, `node-${me}`) }],
    toMember: plan.members.map(({ id }) => ({ exchange: 0, key: directStream(plan, `node-${me}`, id) })),
    incoming: incomingStreams(plan, me),
    bare: plan.members.map(({ id }) => keyOf('frames', `${group}:bare-${id}`)),
    me,
    slots,
    width,
  });
  return {
    exchange: async (block, rounds) => probe.exchangeSeconds(block, rounds),
    bare: async (block, rounds) => probe.transportSeconds(block, rounds),
    close: () => routes.close(),
  };
}
