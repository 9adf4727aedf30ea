// Requests of three tenants that stay as they are while a test looks: ended, failed, running and waiting.
import { request } from 'undici';
import { longChatBody, NEVER_END, type TestCluster } from './start-cluster.ts';
import type { Cleanup } from './start-redis.ts';

/**
 * Three finished requests and one cancelled, then two that run and stand still because the worker is frozen, and two that wait
 * behind them. Expects a worker with `maxSequences: 2`.
 */
export async function makeJobs(cleanup: Cleanup, cluster: TestCluster): Promise<void> {
  const acme = await cluster.newTenant('acme');
  const research = await cluster.newTenant('research');
  for (const key of [cluster.apiKey, acme, research]) await finishOne(cluster, key);
  await cancelOne(cluster, acme);
  const running = await Promise.all([acme, research].map((key) => startStory(cluster, key)));
  process.kill(cluster.pid('worker'), 'SIGSTOP');
  const waiting = await Promise.all([acme, cluster.apiKey].map((key) => startStory(cluster, key)));
  cleanup.after(async () => {
    for (const { leave } of [...running, ...waiting]) leave();
  });
}

interface Story {
  readonly id: string;
  leave(): void;
}

/** A streamed answer that lasts; resolves with its headers. */
async function startStory({ url }: TestCluster, key: string): Promise<Story> {
  const { headers, body } = await post(url, key, longChatBody(4000));
  body.on('error', () => {});
  return { id: String(headers['conclave-id']), leave: () => void body.destroy() };
}

async function finishOne({ url }: TestCluster, key: string): Promise<void> {
  const { body } = await post(url, key, longChatBody(8, { stream: false, logit_bias: NEVER_END }));
  await body.dump();
}

async function cancelOne(cluster: TestCluster, key: string): Promise<void> {
  const story = await startStory(cluster, key);
  await cluster.admin('POST', `jobs/${story.id}/cancel`);
  story.leave();
}

async function post(url: string, key: string, body: object) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${key}` };
  const answer = await request(`${url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${await answer.body.text()}`);
  return answer;
}
