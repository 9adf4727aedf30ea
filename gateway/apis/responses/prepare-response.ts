// POST /v1/responses: HTTP request -> a generation ready for the queue, and the response as it is stored.
import { DomainError } from '../../../infra/errors/domain-error.ts';
import { REQUEST_TTL_MS } from '../../../infra/redis/keys.ts';
import type { Caller } from '../../auth/principal.ts';
import type { GatewayContext } from '../../environment.ts';
import type { GatewayParts } from '../../parts.ts';
import { parseGenerationBody } from '../../request/parse-body.ts';
import type { PreparedGeneration } from '../../request/prepare-generation.ts';
import { jsonBodyOf } from '../../request/read-ahead.ts';
import { prepareTranslated } from '../prepare-translated.ts';
import { findOutputItem, type Item, isReference, storedItem } from './response-items.ts';
import { noResponse, type ResponseStore } from './response-store.ts';
import { RESPONSES_FIELDS } from './responses-fields.ts';
import { type InputItem, type ResponsesBody, responsesSchema } from './responses-schema.ts';
import type { StoredResponse } from './stored-response.ts';
import { responsesFieldOf, toConversation } from './to-conversation.ts';

export interface PreparedResponse extends PreparedGeneration {
  /** Without its ending. */
  readonly stored: StoredResponse;
}

/** @throws DomainError for anything wrong with the request. */
export async function prepareResponse(
  parts: GatewayParts,
  c: GatewayContext,
  caller: Caller,
): Promise<PreparedResponse> {
  const { value, bytes } = await jsonBodyOf(c, parts.config.limits);
  const body = parseGenerationBody(responsesSchema, value, RESPONSES_FIELDS, 'body');
  refuseUnstored(body);
  const { tenant } = caller.principal;
  const earlier = await earlierItems(parts.responses, tenant, body.previous_response_id);
  const input = await inputItems(parts, tenant, body.input);
  const fields = toConversation(body, [...earlier, ...input]);
  const translated = { kind: 'response', fields, bytes, fitMaxTokens: true, fieldOf: responsesFieldOf } as const;
  const prepared = await prepareTranslated(parts, c, caller, translated);
  const stored = storedResponse(body, input, prepared, tenant);
  return { ...prepared, request: outlivingClients(prepared, stored), stored };
}

/** No client waits for a response in the background, so it must not depend on a follower. */
function outlivingClients({ request }: PreparedGeneration, { background }: StoredResponse) {
  return background ? { ...request, resumeSeconds: REQUEST_TTL_MS / 1000 } : request;
}

function refuseUnstored({ background, store }: ResponsesBody): void {
  if (background !== true || store !== false) return;
  const message = "Invalid 'background': it requires 'store' to be true, as the response is read later.";
  throw new DomainError('invalid_request', message, { param: 'background' });
}

async function earlierItems(store: ResponseStore, tenant: string, id: string | undefined): Promise<readonly Item[]> {
  if (id === undefined) return [];
  const chain = await store.chain(id, tenant).catch((error: unknown) => {
    throw missingPrevious(error, id);
  });
  return chain.flatMap(({ id: each, input, ending }) => {
    if (ending === null) throw unended(each);
    return [...input, ...ending.output];
  });
}

function missingPrevious(error: unknown, id: string): unknown {
  if (!(error instanceof DomainError) || error.code !== 'not_found') return error;
  const message = `Previous response with id '${id.slice(0, 64)}' not found. ${error.message}`;
  return new DomainError('not_found', message, { param: 'previous_response_id' });
}

function unended(id: string): DomainError {
  const message = `Invalid 'previous_response_id': '${id}' has not ended yet.`;
  return new DomainError('invalid_request', message, { param: 'previous_response_id' });
}

async function inputItems(
  { responses, random }: GatewayParts,
  tenant: string,
  input: ResponsesBody['input'],
): Promise<readonly Item[]> {
  const items: readonly InputItem[] = typeof input === 'string' ? [{ role: 'user', content: input }] : input;
  const found: Item[] = [];
  for (const [at, item] of items.entries()) {
    if (isReference(item)) found.push(await referredItem(responses, tenant, item.id, at));
    else found.push(storedItem(item, `item_${Buffer.from(random(12)).toString('hex')}`));
  }
  return found;
}

async function referredItem(store: ResponseStore, tenant: string, id: string, at: number): Promise<Item> {
  const place = findOutputItem(id);
  const response = place && (await store.find(place.responseId, tenant).catch(orMissing));
  const item = response?.ending?.output[place?.index ?? -1];
  if (item?.id === id) return item;
  throw new DomainError('not_found', `Item with id '${id.slice(0, 64)}' not found.`, { param: `input[${at}].id` });
}

function orMissing(error: unknown): undefined {
  if (error instanceof DomainError && error.code === noResponse('').code) return undefined;
  throw error;
}

function storedResponse(
  body: ResponsesBody,
  items: readonly Item[],
  { request: { id, createdAtMs } }: PreparedGeneration,
  tenant: string,
): StoredResponse {
  const {
    input: _,
    stream: __,
    background = false,
    store = true,
    previous_response_id: previous = null,
    ...request
  } = body;
  return { id, tenant, createdAtMs, previous, background, store, request, input: items, ending: null };
}
