// A real browser for tests of what a person sees: Debian's Chromium, driven by playwright-core. It notes everything that goes
// wrong on a page, so a test can demand that nothing did.
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { missingTools } from './missing-tools.ts';
import type { Cleanup } from './start-redis.ts';

const CHROMIUM = '/usr/bin/chromium';

/** Why tests with a browser are skipped on this machine, false where they are not. */
export const noBrowser: string | false = missingTools([CHROMIUM]);

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Time for what should happen on a page, on a machine that does much else. */
const PATIENCE_MS = 60_000;

export interface Visit {
  readonly page: Page;
  /** Errors on the console, exceptions, requests that failed or were answered with 400 or more; and forgets them. */
  problems(): readonly string[];
}

/**
 * Starts a browser with an empty profile. `hosts` maps names to local ports, so a test's proxy can be `https://llm.example`.
 * It is closed when the test ends.
 */
export async function openBrowser(cleanup: Cleanup, hosts: Readonly<Record<string, number>> = {}): Promise<Browser> {
  const rules = Object.entries(hosts).map(([name, port]) => `MAP ${name} 127.0.0.1:${port}`);
  const args = [...FLAGS, `--host-resolver-rules=${rules.join(',')}`];
  const browser = await chromium.launch({ executablePath: CHROMIUM, args, timeout: PATIENCE_MS });
  cleanup.after(() => browser.close());
  return browser;
}

/** A page of a visitor without cookies, closed when the test ends. Certificates are not checked: a test's proxy signs its own. */
export async function newVisit(cleanup: Cleanup, browser: Browser): Promise<Visit> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 } });
  cleanup.after(() => context.close());
  context.setDefaultTimeout(PATIENCE_MS);
  const problems = noteProblems(context);
  return { page: await context.newPage(), problems: () => problems.splice(0) };
}

function noteProblems(context: BrowserContext): string[] {
  const problems: string[] = [];
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(`console: ${message.text()}`);
  });
  context.on('weberror', (thrown) => void problems.push(`exception: ${thrown.error().message}`));
  context.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText;
    // The board polls: what is under way when a test goes on to another page is given up.
    if (reason !== 'net::ERR_ABORTED') problems.push(`${request.method()} ${request.url()}: ${reason}`);
  });
  context.on('response', (response) => {
    if (response.status() < 400) return;
    problems.push(`${response.request().method()} ${response.url()}: ${response.status()}`);
  });
  return problems;
}
