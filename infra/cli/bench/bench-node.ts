// A node of a bench group: a process of its own. In: one message, a BenchNodeConfig. Out: one message once it follows. It
// ends when its parent disconnects, for whatever reason.
import { once } from 'node:events';
import { expertShape } from '../../../native/model-description.ts';
import { inEveryLayer } from '../../../workers/cluster/place-layers.ts';
import { describeModel, loadModel } from '../../../workers/model/load-model.ts';
import { followSteps } from '../../../workers/node/follow-steps.ts';
import type { PackId } from '../../../workers/pack/pack-format.ts';
import { type BenchNodeConfig, createBenchSession } from './bench-group.ts';
import { benchPolicy } from './bench-policies.ts';

const stop = new AbortController();
process.once('disconnect', () => stop.abort());
// Ctrl-C reaches all processes of the terminal; the parent ends this one when it is done.
process.on('SIGINT', () => {});

const [order]: [BenchNodeConfig] = (await once(process, 'message')) as [BenchNodeConfig];
const { layers, experts } = expertShape(await describeModel(order.folder));
const [ids = []] = inEveryLayer([order.experts], layers.length, experts);
const wanted: readonly PackId[] = order.shared ? ['shared', ...ids] : ids;
const events = { onProgress: () => {}, onWait: () => {} };
const packs = await loadModel({ folder: order.folder, home: order.home, packs: wanted, events });
const session = await createBenchSession(order, packs);
const { policy, ...node } = order;
const following = followSteps(
  {
    ...node,
    session,
    ownExchangeUrl: null,
    policy: benchPolicy(policy, packs),
    onProblem: (problem) => {
      if (!stop.signal.aborted) console.error(`${order.nodeId}:`, problem);
    },
  },
  stop.signal,
);
process.send?.('following');
await following;
await session.close();
packs.close();
