// Measures one gateway process with 2,000 open streams, as JSON: resident memory each beyond the process with none, and
// whether every client gets every entry once and in order. The worker is a script that writes entries for all at once.
// Run: node dist/test/bench/streams.js
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { takeNext } from '../../workers/queue/take-next.ts';
import { WORD_CARD } from '../gateway-parts/word-worker.ts';
import { FINISHED, type QueueFixture, tokensEvent } from '../queue-fixture.ts';
import { benchGateway, type GatewayBench } from './gateway-process.ts';

const STREAMS = 2_000;
const ENTRIES = 20;
const BODY = JSON.stringify({ model: 'words', prompt: 'a', max_tokens: ENTRIES, stream: true });
const clients = new Agent({ connections: STREAMS, pipelining: 1 });

function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1_024;
}

/** Reads one stream to its end. Throws unless every entry came once, in order, and then the end. */
async function readStream(url: string, key: string): Promise<void> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const answer = await request(`${url}/v1/completions`, { method: 'POST', headers, body: BODY, dispatcher: clients });
  const text = await answer.body.text();
  const ids = [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  const inOrder = ids.length === ENTRIES + 1 && ids.every((id, index) => id === index + 1);
  if (answer.statusCode !== 200 || !inOrder || !text.endsWith('data: [DONE]\n\n')) {
    throw new Error(`status ${answer.statusCode}, entries ${ids.join(',')}`);
  }
}

async function takeAll(fixture: QueueFixture) {
  const { parts, writer } = await fixture.lead('g', WORD_CARD.name);
  const ids: string[] = [];
  while (ids.length < STREAMS) {
    const taken = await takeNext(parts);
    if (taken === null) await delay(5);
    else ids.push(taken.request.id);
  }
  return { ids, writer };
}

async function bench({ fixture, gateway, makeKeys }: GatewayBench): Promise<object> {
  const [key = ''] = await makeKeys(['acme'], 'chat');
  const pid = gateway.process.pid ?? 0;
  const before = residentBytes(pid);
  const readings = Array.from({ length: STREAMS }, () => readStream(gateway.url, key));
  const all = Promise.all(readings);
  // Looked at below; until then a failure must not end the process.
  all.catch(() => {});
  const { ids, writer } = await Promise.race([takeAll(fixture), all.then(() => Promise.reject(new Error('too soon')))]);
  const append = (seq: number) => writer.append(ids.map((id) => ({ id, seq, event: tokensEvent(seq) })));
  await append(1);
  await delay(2_000);
  const bytesEach = Math.round((residentBytes(pid) - before) / STREAMS);
  for (let seq = 2; seq <= ENTRIES; seq += 1) await append(seq);
  for (const id of ids) await writer.finish(id, ENTRIES + 1, FINISHED);
  await all;
  return { streams: STREAMS, entries: STREAMS * ENTRIES, inOrder: true, residentBytesEach: bytesEach };
}

await benchGateway(WORD_CARD, STREAMS, bench).finally(() => clients.destroy());
