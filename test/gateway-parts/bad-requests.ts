// Tests of wrong requests: each is refused with the exact status and error object, and nothing is queued.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createScriptedGateway } from './scripted-gateway.ts';

export const CHAT = '/v1/chat/completions';
export const TEXT = '/v1/completions';

export interface BadRequest {
  readonly title: string;
  /** Default: CHAT. */
  readonly path?: string;
  readonly body: unknown;
  readonly headers?: Record<string, string>;
  /** Default: 400. */
  readonly status?: number;
  /** Default: invalid_request. */
  readonly code?: string;
  readonly param: string | null;
  readonly message: string;
}

const LIMITS = { bodyBytes: 4096, messages: 3, maxTokens: 50 };

/** Defines one test for each. */
export function testRefusals(cases: readonly BadRequest[]): void {
  for (const { title, path = CHAT, body, headers, status = 400, code = 'invalid_request', param, message } of cases) {
    test(`refuses ${title}`, async () => {
      const gateway = await createScriptedGateway({ config: { limits: LIMITS } });
      const response = await gateway.post(path, body, headers);
      const expected = { error: { message, type: 'invalid_request_error', param, code } };
      assert.deepEqual({ status: response.status, ...((await response.json()) as object) }, { status, ...expected });
      assert.equal(gateway.worker.requests.length, 0, 'nothing was queued');
    });
  }
}
