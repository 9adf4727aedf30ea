// A line of a batch's input: a request to one endpoint, with the client's id for it.
import { z } from '@hono/zod-openapi';
import type { BatchError } from './batch-store.ts';

const lineSchema = z.strictObject({
  custom_id: z.string().min(1).max(512),
  method: z.literal('POST'),
  url: z.string(),
  body: z.record(z.string(), z.unknown()),
});

export type BatchLine = z.infer<typeof lineSchema>;

/** Errors that are reported of one batch. */
const MOST_ERRORS = 100;

/** A line that was checked before. */
export function parseLine(text: string): BatchLine {
  return lineSchema.parse(JSON.parse(text));
}

/** Checks the lines of one batch; `line` counts from 1, as people do. */
export class LineChecker {
  readonly #endpoint: string;
  readonly #seen = new Set<string>();
  readonly errors: BatchError[] = [];
  count = 0;

  constructor(endpoint: string) {
    this.#endpoint = endpoint;
  }

  /** False when enough errors were found. */
  check(text: string): boolean {
    this.count += 1;
    const error = this.#faultOf(text);
    if (error !== null) this.errors.push({ param: null, ...error, line: this.count });
    return this.errors.length < MOST_ERRORS;
  }

  #faultOf(text: string): Pick<BatchError, 'code' | 'message'> | null {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return { code: 'invalid_json_line', message: 'This line is not parseable as valid JSON.' };
    }
    const { success, data, error } = lineSchema.safeParse(value);
    if (!success) {
      const field = error.issues[0]?.path.join('.') || 'line';
      return { code: 'invalid_request', message: `Invalid '${field}': ${error.issues[0]?.message ?? 'not valid'}.` };
    }
    return this.#faultOfRequest(data);
  }

  #faultOfRequest({ custom_id: id, url, body }: BatchLine): Pick<BatchError, 'code' | 'message'> | null {
    if (url !== this.#endpoint) {
      return {
        code: 'mismatched_url',
        message: `Invalid 'url': expected ${this.#endpoint}, the endpoint of the batch.`,
      };
    }
    if (body['stream'] === true || body['background'] === true) {
      return {
        code: 'invalid_request',
        message: "Invalid 'body': a batch neither streams nor runs in the background.",
      };
    }
    if (this.#seen.has(id)) {
      return { code: 'duplicate_custom_id', message: `The custom_id '${id.slice(0, 64)}' is used by an earlier line.` };
    }
    this.#seen.add(id);
    return null;
  }
}
