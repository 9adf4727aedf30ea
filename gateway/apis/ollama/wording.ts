// Blocks of an answer -> Ollama's objects: one, or one a line. Durations are those that the gateway sees, in ns.
import { ollamaErrorBody } from '../../errors/ollama-error.ts';
import type { PreparedGeneration } from '../../request/prepare-generation.ts';
import type { AnswerView } from '../../stream/answer-view.ts';
import type { StreamEntry } from '../../stream/follow-streams.ts';
import type { StreamFormat } from '../../stream/stream-format.ts';
import {
  type AnswerBlock,
  type AnswerEnding,
  type BlockEvent,
  collectBlocks,
  createAnswerBlocks,
} from '../answer-blocks.ts';
import type { Wording } from '../generations.ts';

export interface PreparedOllama extends PreparedGeneration {
  readonly endpoint: 'chat' | 'generate';
  /** The name that the client used. */
  readonly modelName: string;
}

const NS_PER_MS = 1_000_000;

/** `clock`: Unix time in ms. */
export function ollamaWording(clock: () => number): Wording<PreparedOllama> {
  return {
    whole: async (entries, view, prepared) => {
      const timing = new Timing(prepared.request.createdAtMs, clock);
      const answer = await collectBlocks(timed(entries, timing), view);
      return { ...head(prepared, clock), ...wholeAnswer(prepared.endpoint, answer.blocks), ...ending(answer, timing) };
    },
    stream: (view, prepared) => lineFormat(view, prepared, clock),
  };
}

/** When the first entry came, and the last one. */
class Timing {
  readonly #startMs: number;
  readonly #clock: () => number;
  #firstMs: number | null = null;

  constructor(startMs: number, clock: () => number) {
    this.#startMs = startMs;
    this.#clock = clock;
  }

  observe(): void {
    this.#firstMs ??= this.#clock();
  }

  durations() {
    const now = this.#clock();
    const first = this.#firstMs ?? now;
    return {
      total_duration: (now - this.#startMs) * NS_PER_MS,
      load_duration: 0,
      prompt_eval_duration: (first - this.#startMs) * NS_PER_MS,
      eval_duration: (now - first) * NS_PER_MS,
    };
  }
}

async function* timed(entries: AsyncIterable<StreamEntry>, timing: Timing): AsyncGenerator<StreamEntry> {
  for await (const entry of entries) {
    timing.observe();
    yield entry;
  }
}

function head({ modelName }: Pick<PreparedOllama, 'modelName'>, clock: () => number) {
  return { model: modelName, created_at: new Date(clock()).toISOString() };
}

function ending({ finish, usage }: AnswerEnding, timing: Timing) {
  return {
    done: true,
    done_reason: finish === 'length' ? 'length' : 'stop',
    ...timing.durations(),
    prompt_eval_count: usage.promptTokens,
    eval_count: usage.completionTokens,
  };
}

type Endpoint = PreparedOllama['endpoint'];

/** The answer that only says that the model is loaded. */
export function loadedAnswer(prepared: Pick<PreparedOllama, 'endpoint' | 'modelName'>, clock: () => number): object {
  return { ...head(prepared, clock), ...addition(prepared.endpoint, {}), done: true, done_reason: 'load' };
}

interface Added {
  readonly text?: string;
  readonly thinking?: string;
  readonly calls?: readonly object[];
}

/** What an object adds to the answer. */
function addition(endpoint: Endpoint, { text = '', thinking, calls }: Added): object {
  const thoughts = thinking !== undefined && thinking !== '' && { thinking };
  if (endpoint === 'generate') return { response: text, ...thoughts };
  const toolCalls = calls !== undefined && calls.length > 0 && { tool_calls: calls };
  return { message: { role: 'assistant', content: text, ...thoughts, ...toolCalls } };
}

function wholeAnswer(endpoint: Endpoint, blocks: readonly AnswerBlock[]): object {
  const joined = (type: 'text' | 'reasoning') =>
    blocks.map((block) => (block.type === type ? block.text : '')).join('');
  const calls = blocks.flatMap((block) => (block.type === 'call' ? [toolCall(block)] : []));
  return addition(endpoint, { text: joined('text'), thinking: joined('reasoning'), calls });
}

/** Arguments are an object here; an answer that was cut may have left no whole one. */
function toolCall({ name, text }: Extract<AnswerBlock, { type: 'call' }>): object {
  try {
    return { function: { name, arguments: JSON.parse(text) } };
  } catch {
    return { function: { name, arguments: {} } };
  }
}

function lineFormat(view: AnswerView, prepared: PreparedOllama, clock: () => number): StreamFormat {
  const read = createAnswerBlocks(view);
  const timing = new Timing(prepared.request.createdAtMs, clock);
  const { endpoint } = prepared;
  const line = (fields: object) => `${JSON.stringify({ ...head(prepared, clock), ...fields })}\n`;
  const part = (added: Added) => line({ ...addition(endpoint, added), done: false });
  const encode = (event: BlockEvent): string => {
    switch (event.type) {
      case 'grow':
        if (event.block.type === 'call') return '';
        return part(event.block.type === 'text' ? { text: event.text } : { thinking: event.text });
      case 'close':
        return event.block.type === 'call' ? part({ calls: [toolCall(event.block)] }) : '';
      case 'failed':
        return `${JSON.stringify(ollamaErrorBody(event.error))}\n`;
      case 'end':
        return line({ ...addition(endpoint, {}), ...ending(event, timing) });
      default:
        return '';
    }
  };
  return {
    contentType: 'application/x-ndjson',
    encode: ({ event }) => {
      timing.observe();
      return read(event).map(encode).join('');
    },
    failure: (error) => `${JSON.stringify(ollamaErrorBody(error))}\n`,
    alive: () => '',
  };
}
