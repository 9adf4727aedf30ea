// Cancellations for a group, drained between steps. Redis keeps them until the request has ended, so a leader that takes
// over sees them too. In: pub/sub, and the set `cv:cancel:<group>` for what pub/sub lost. Out: ids, without a round trip.
import { connectRedis } from '../../infra/redis/connect.ts';
import { keyOf } from '../../infra/redis/keys.ts';
import { repeatEvery } from '../../infra/timing/repeat-every.ts';

export interface CancelSignals {
  /** Ids to stop, heard of since the last call. One that stays unfinished is reported again about once a second. */
  drain(): readonly string[];
  close(): Promise<void>;
}

const READ_AGAIN_MS = 1_000;

/** Subscribes to a group's cancellations and reads those already there. */
export async function openCancelSignals(options: {
  readonly url: string;
  readonly group: string;
}): Promise<CancelSignals> {
  const connect = (name: string) => connectRedis({ url: options.url, role: 'durable', name, retry: 'forever' });
  const [subscription, commands] = [connect('cancel-sub'), connect('cancel')];
  let heard = new Set<string>();
  const readAll = async (): Promise<void> => {
    for (const id of await commands.smembers(keyOf('cancel', options.group))) heard.add(id);
  };
  subscription.on('message', (_channel: string, id: string) => heard.add(id));
  await subscription.subscribe(keyOf('toGroup', options.group));
  await readAll();
  // A failed read means that close() came; Redis being away is waited for.
  const reading = repeatEvery(READ_AGAIN_MS, readAll, () => {});
  return {
    drain: () => {
      const ids = [...heard];
      heard = new Set();
      return ids;
    },
    close: async () => {
      subscription.disconnect();
      commands.disconnect();
      await reading.stop();
    },
  };
}
