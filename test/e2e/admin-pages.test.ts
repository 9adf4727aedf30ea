// What an operator sees in a real browser: signing in and out, the board with real jobs in it, directly and behind a proxy that
// ends TLS and strips a path. No page may log an error or make a request that fails, except where a test expects it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { request } from 'undici';
import { openGenerationQueue } from '../../gateway/queue/enqueue-generation.ts';
import { startGateway } from '../../gateway/start-gateway.ts';
import { configSchema } from '../../infra/config/config-schema.ts';
import { createLogger } from '../../infra/log/logger.ts';
import { makeJobs } from '../jobs-in-all-states.ts';
import { missingTools } from '../missing-tools.ts';
import { newVisit, noBrowser, openBrowser, type Visit } from '../open-browser.ts';
import { requestFixture } from '../request-fixture.ts';
import { cleanupInReverse, eventually, readReadyFile, startCluster, type TestCluster } from '../start-cluster.ts';
import { startRedis } from '../start-redis.ts';
import { startTlsProxy } from '../tls-proxy.ts';

const PROXIED = 'https://llm.example/llm';
const PLAIN_HTTP = 'http://llm.internal';
/** Reaches the proxy too, but is another site. */
const OTHER_SITE = 'https://other.example';

const UNAUTHORIZED = 'console: Failed to load resource: the server responded with a status of 401 (Unauthorized)';

/** A folder for pictures of the board; those in docs/ are made so. */
const PICTURES = process.env['CONCLAVE_TEST_PICTURES'];

describe('the admin pages in a browser', { skip: noBrowser || missingTools(['openssl']) }, () => {
  const closing: (() => Promise<void>)[] = [];
  const cleanup = cleanupInReverse({ after: (close) => void closing.push(close) });
  let cluster: TestCluster;
  let adminKey: string;
  let browser: Browser;

  before(async () => {
    const { url: redisUrl } = await startRedis(cleanup);
    cluster = await startCluster(cleanup, { redisUrl, worker: { maxSequences: 2 } });
    adminKey = readReadyFile(cluster.home).adminKey;
    // Beside the cluster's own, on the same Redis and with the same keys.
    const settings = { home: cluster.home, redisUrl, port: 0, drainSeconds: 1, publicUrl: PROXIED };
    const gateway = await startGateway(configSchema.parse(settings), createLogger('test', 'silent'));
    cleanup.after(() => gateway.close());
    const port = await startTlsProxy(cleanup, { prefix: '/llm', target: gateway.url });
    browser = await openBrowser(cleanup, {
      'llm.example:443': port,
      'other.example:443': port,
      'llm.internal:80': Number(new URL(cluster.url).port),
    });
    await makeFailedJob(redisUrl, cluster);
    await makeJobs(cleanup, cluster);
  });

  after(async () => {
    for (const close of closing) await close();
  });

  /** Past the gateway, which would refuse it: the worker fails a request that its KV cache cannot hold. */
  async function makeFailedJob(url: string, { admin, model }: TestCluster): Promise<void> {
    const queue = openGenerationQueue({ url, gatewayId: 'gateway-test' });
    cleanup.after(() => queue.close());
    const tooLong = requestFixture({ id: 'chatcmpl-failed', model, tenant: 'acme', maxTokens: 1_000_000 });
    await queue.enqueue({ request: tooLong, waitingLimit: 9, idempotency: null });
    await eventually(
      'the job has failed',
      async () => ((await admin('GET', 'jobs/chatcmpl-failed')) as { readonly outcome: unknown }).outcome,
      (outcome) => outcome === 'failed',
    );
  }

  async function signIn({ page }: Visit, url: string, key = adminKey): Promise<void> {
    await page.goto(`${url}/admin`);
    await submitKey(page, key);
  }

  async function submitKey(page: Page, key: string): Promise<void> {
    await page.getByLabel('API key').fill(key);
    await page.getByRole('button', { name: 'Sign in' }).click();
  }

  async function picture(page: Page, name: string): Promise<void> {
    if (PICTURES === undefined) return;
    const clip = { x: 0, y: 0, width: 1280, height: 470 };
    await page.screenshot({ path: join(PICTURES, `${name}.png`), animations: 'disabled', clip });
  }

  for (const [where, urlOf] of [
    ['at the gateway', () => cluster.url],
    ['by a name over plain HTTP, where browsers send no Sec-Fetch-Site', () => PLAIN_HTTP],
    ['below a path of a proxy that ends TLS', () => PROXIED],
  ] as const) {
    test(`${where}, an operator is led to sign in and gets a cookie for the admin pages`, async (t) => {
      const url = urlOf();
      const visit = await newVisit(t, browser);
      const { page } = visit;
      await page.goto(`${url}/`);
      assert.equal(page.url(), `${url}/admin/login`);
      await submitKey(page, adminKey);
      await page.waitForURL(`${url}/admin/queues`);
      const [cookie] = await page.context().cookies();
      assert.deepEqual(
        [cookie?.path, cookie?.secure, cookie?.httpOnly, cookie?.sameSite],
        [new URL(`${url}/admin`).pathname, url.startsWith('https:'), true, 'Strict'],
      );
      assert.deepEqual(visit.problems(), []);
    });
  }

  for (const [where, urlOf] of [
    ['at the gateway', () => cluster.url],
    ['below a path of a proxy that ends TLS', () => PROXIED],
  ] as const) {
    test(`${where}, the board shows queues and jobs in every state, without their content`, async (t) => {
      const url = urlOf();
      const visit = await newVisit(t, browser);
      const { page } = visit;
      await signIn(visit, url);
      for (const tab of [/Active\s*2/i, /Waiting\s*2/i, /Completed\s*4/i, /Failed\s*1/i])
        await page.getByText(tab).first().waitFor();
      await picture(page, 'queues');
      await page.getByRole('link', { name: 'tiny@acme' }).first().click();
      await page.waitForURL(`${url}/admin/queues/queue/tiny%40acme`);
      await page.getByText('promptTokens').first().waitFor();
      await page.reload();
      await page.getByText('promptTokens').first().waitFor();
      await picture(page, 'jobs');
      await page
        .getByRole('link', { name: /^chatcmpl-/ })
        .first()
        .click();
      await page.waitForURL(/\/admin\/queues\/queue\/tiny%40acme\/chatcmpl-/);
      await page.getByText('promptTokens').first().waitFor();
      assert.doesNotMatch(await page.content(), /Tell me a story/);
      await page.goto(`${url}/admin/queues/queue/tiny%40acme?status=failed`);
      await page.getByText('more than this worker has').first().waitFor();
      assert.deepEqual(visit.problems(), []);
    });

    test(`${where}, signing out ends the session`, async (t) => {
      const url = urlOf();
      const visit = await newVisit(t, browser);
      const { page } = visit;
      await signIn(visit, url);
      await page.getByRole('button').and(page.locator('[aria-haspopup=menu]')).last().click();
      await page.getByRole('menuitem', { name: 'Sign out' }).click();
      await page.waitForURL(`${url}/admin/logout`);
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByText('You have signed out.').waitFor();
      assert.deepEqual(await page.context().cookies(), []);
      await page.goto(`${url}/admin/queues`);
      assert.equal(page.url(), `${url}/admin/login`);
      assert.deepEqual(visit.problems(), []);
    });

    test(`${where}, a wrong key is refused on the page, which then takes a right one`, async (t) => {
      const url = urlOf();
      const visit = await newVisit(t, browser);
      const { page } = visit;
      await signIn(visit, url, cluster.apiKey);
      await page.getByText('This key is not valid, or it lacks the scope admin:read.').waitFor();
      assert.deepEqual(visit.problems(), [`POST ${url}/admin/login: 401`, UNAUTHORIZED]);
      await submitKey(page, adminKey);
      await page.waitForURL(`${url}/admin/queues`);
      assert.deepEqual(visit.problems(), []);
    });
  }

  test('a session that ends under an open board is announced, and a reload asks for a key', async (t) => {
    const { prefix, text } = await newAdminKey();
    const visit = await newVisit(t, browser);
    const { page } = visit;
    await signIn(visit, PROXIED, text);
    await page
      .getByText(/Active\s*2/i)
      .first()
      .waitFor();
    assert.deepEqual(visit.problems(), []);
    await revoke(prefix);
    await page.getByText('Your session has ended.').first().waitFor();
    await page.reload();
    assert.equal(page.url(), `${PROXIED}/admin/login?after=session`);
    await page.getByText('Your session has ended. Sign in again.').waitFor();
    const expected = new RegExp(`^(GET ${PROXIED}/admin/queues/api/queues\\?.*: 401|${escaped(UNAUTHORIZED)})$`);
    assert.deepEqual(
      visit.problems().filter((problem) => !expected.test(problem)),
      [],
    );
    await submitKey(page, adminKey);
    await page.waitForURL(`${PROXIED}/admin/queues`);
  });

  test("another site's form cannot sign a browser in", async (t) => {
    const { page } = await newVisit(t, browser);
    await page.goto(`${OTHER_SITE}/`);
    const field = `<input name="key" value="${adminKey}">`;
    await page.setContent(`<form method="post" action="${PROXIED}/admin/login">${field}<button>Go</button></form>`);
    await page.getByRole('button').click();
    await page.getByText('This request did not come from a page of https://llm.example.').waitFor();
    assert.deepEqual(await page.context().cookies(), []);
  });

  async function newAdminKey(): Promise<{ readonly prefix: string; readonly text: string }> {
    const wanted = { tenant: 'research', scopes: ['admin:read'] };
    return (await cluster.admin('POST', 'keys', wanted)) as { readonly prefix: string; readonly text: string };
  }

  async function revoke(prefix: string): Promise<void> {
    const headers = { authorization: `Bearer ${adminKey}` };
    const { statusCode, body } = await request(`${cluster.url}/admin/api/keys/${prefix}`, {
      method: 'DELETE',
      headers,
    });
    await body.dump();
    assert.equal(statusCode, 200);
  }
});

function escaped(text: string): string {
  return text.replace(/[()]/g, '\\$&');
}
