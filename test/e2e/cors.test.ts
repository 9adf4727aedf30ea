// Web pages of another origin that call the API from a real browser, which enforces what test/unit/gateway/cors.test.ts reads.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { newVisit, noBrowser, openBrowser, type Visit } from '../open-browser.ts';
import { cleanupInReverse, eventually, longChatBody, startCluster, type TestCluster } from '../start-cluster.ts';
import type { Cleanup } from '../start-redis.ts';

const APP = 'http://app.example';
const OTHER = 'http://other.example';

interface Call {
  readonly url: string;
  readonly key: string;
  readonly body: object;
}

describe('pages of other origins', { skip: noBrowser }, () => {
  const closing: (() => Promise<void>)[] = [];
  const cleanup = cleanupInReverse({ after: (close) => void closing.push(close) });
  let cluster: TestCluster;
  let browser: Browser;

  before(async () => {
    cluster = await startCluster(cleanup, { cors: { origins: [APP] } });
    const port = await servePages(cleanup);
    browser = await openBrowser(cleanup, { 'app.example:80': port, 'other.example:80': port });
  });

  after(async () => {
    for (const close of closing) await close();
  });

  async function visitPage(t: TestContext, origin: string): Promise<Visit> {
    const visit = await newVisit(t, browser);
    await visit.page.goto(`${origin}/`);
    return visit;
  }

  function chat(key: string, maxTokens: number): Call {
    return { url: `${cluster.url}/v1/chat/completions`, key, body: longChatBody(maxTokens) };
  }

  test('an allowed page streams an answer and reads its headers', async (t) => {
    const visit = await visitPage(t, APP);
    const answer = await visit.page.evaluate(callFromPage, chat(cluster.apiKey, 200));
    assert.equal(answer.status, 200);
    assert.ok(answer.reads > 1, 'the page sees the answer grow');
    assert.match(answer.text, /"finish_reason":"length"[\s\S]*data: \[DONE\]\n\n$/);
    assert.match(answer.id ?? '', /^chatcmpl-/);
    assert.match(answer.requestId ?? '', /^req_/);
    assert.deepEqual(visit.problems(), []);
  });

  test('an allowed page can read why a request was refused', async (t) => {
    const visit = await visitPage(t, APP);
    const refused = await visit.page.evaluate(callFromPage, chat('cvk_wrong', 1));
    assert.equal(refused.status, 401);
    assert.match(refused.text, /invalid_api_key/);
    assert.match(refused.requestId ?? '', /^req_/);
  });

  test('an allowed page that leaves cancels its answer', async (t) => {
    const { page } = await visitPage(t, APP);
    const id = await page.evaluate(leaveAtFirstChunk, chat(cluster.apiKey, 4000));
    const { outcome } = await eventually(
      'the answer that it left ended',
      async () => (await cluster.admin('GET', `jobs/${id}`)) as { state: string; outcome: string },
      ({ state }) => state === 'ended',
    );
    assert.equal(outcome, 'cancelled');
  });

  test('a page of any other origin gets nothing', async (t) => {
    const visit = await visitPage(t, OTHER);
    const failure = await visit.page.evaluate(callFromPage, chat(cluster.apiKey, 1)).catch(String);
    assert.match(String(failure), /Failed to fetch/);
    assert.match(visit.problems().join('\n'), /blocked by CORS policy/);
  });
});

/** An empty page at every name that the browser maps here. */
async function servePages(cleanup: Cleanup): Promise<number> {
  const page = '<!doctype html><link rel="icon" href="data:,"><title>A web application</title>';
  const server = createServer((_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end(page));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup.after(async () => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** Runs in the page. */
async function callFromPage({ url, key, body }: Call) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  const decoder = new TextDecoder();
  let [text, reads] = ['', 0];
  for (const reader = response.body?.getReader(); ; reads += 1) {
    const read = await reader?.read();
    if (read?.value === undefined) break;
    text += decoder.decode(read.value, { stream: true });
  }
  const { status } = response;
  const [id, requestId] = ['conclave-id', 'x-request-id'].map((name) => response.headers.get(name));
  return { status, text, reads, id, requestId };
}

/** Runs in the page. Returns the id of the answer that it gave up. */
async function leaveAtFirstChunk({ url, key, body }: Call): Promise<string | null> {
  const leaving = new AbortController();
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body), signal: leaving.signal });
  await response.body?.getReader().read();
  leaving.abort();
  return response.headers.get('conclave-id');
}
