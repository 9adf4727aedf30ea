// A line of a batch -> a request to this gateway's own app, as its tenant -> a line of the output or error file.
import type { Caller } from '../auth/principal.ts';
import type { FeedLine } from './batch-feed.ts';
import type { Batch, LineResult } from './batch-store.ts';

/** Calls the app from within, past the credential. */
export type CallApp = (request: Request, caller: Caller) => Promise<Response>;

/** The request had no chance: the queue was full, Redis or the workers were away, or it was stopped. */
const AGAIN: ReadonlySet<number> = new Set([429, 499, 503]);

/** Null if the line is to be run again. */
export async function runLine(
  call: CallApp,
  batch: Batch,
  { line, request }: FeedLine,
  caller: Caller,
  signal: AbortSignal,
): Promise<LineResult | null> {
  const response = await call(
    new Request(`http://gateway${batch.endpoint}`, {
      method: 'POST',
      // A line that ran when its gateway was killed is the same request, whose answer may be there.
      headers: { 'content-type': 'application/json', 'idempotency-key': `${batch.id}.${line}` },
      body: JSON.stringify(request.body),
      signal,
    }),
    caller,
  );
  const body: unknown = JSON.parse(await response.text());
  if (AGAIN.has(response.status)) return null;
  const requestId = response.headers.get('x-request-id');
  const answer = { status_code: response.status, request_id: requestId, body };
  return lineResult(batch, line, request.custom_id, answer, null);
}

/** The error of lines that were not run in time. */
export function expiredLine(batch: Batch, { line, request }: FeedLine): LineResult {
  const message = 'This request could not be executed before the completion window expired.';
  return lineResult(batch, line, request.custom_id, null, { code: 'batch_expired', message });
}

function lineResult(
  { id }: Batch,
  line: number,
  customId: string,
  response: { readonly status_code: number } | null,
  error: object | null,
): LineResult {
  const kind = response?.status_code === 200 ? 'completed' : 'failed';
  const result = { id: `batch_req_${id.slice('batch_'.length)}_${line}`, custom_id: customId, response, error };
  return { line, kind, text: `${JSON.stringify(result)}\n` };
}
