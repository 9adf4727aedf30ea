// Items of the Responses API: those of an answer, and those of a client in the one form that is stored. Pure.
import type { AnswerBlock } from '../answer-blocks.ts';
import type { FunctionName } from './function-tools.ts';
import type { InputItem } from './responses-schema.ts';

export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

/** An item as it is stored and shown. Its id leads to the response that it belongs to, if that has made it. */
export type Item =
  | {
      readonly type: 'message';
      readonly id: string;
      readonly status: ItemStatus;
      readonly role: 'user' | 'assistant' | 'system' | 'developer';
      readonly content: readonly ContentPart[];
    }
  | {
      readonly type: 'function_call';
      readonly id: string;
      readonly status: ItemStatus;
      readonly call_id: string;
      readonly namespace?: string | undefined;
      readonly name: string;
      readonly arguments: string;
    }
  | {
      readonly type: 'function_call_output';
      readonly id: string;
      readonly status: ItemStatus;
      readonly call_id: string;
      readonly output: string;
    }
  | {
      readonly type: 'reasoning';
      readonly id: string;
      readonly status: ItemStatus;
      readonly summary: readonly [];
      readonly content: readonly { readonly type: 'reasoning_text'; readonly text: string }[];
      readonly encrypted_content?: string;
    };

export type ContentPart =
  | { readonly type: 'input_text'; readonly text: string }
  | {
      readonly type: 'output_text';
      readonly text: string;
      readonly annotations: readonly [];
      readonly logprobs: readonly [];
    };

const PREFIXES = { text: 'msg', call: 'fc', reasoning: 'rs' } as const;
const OUTPUT_ID = /^(?:msg|fc|rs)_([0-9a-z]{33})_(\d{1,9})$/;

/** The place of an item that a response has made; undefined for any other id. */
export function findOutputItem(id: string): { readonly responseId: string; readonly index: number } | undefined {
  const [, suffix, index] = OUTPUT_ID.exec(id) ?? [];
  return suffix === undefined ? undefined : { responseId: `resp_${suffix}`, index: Number(index) };
}

export interface ItemOptions {
  readonly responseId: string;
  readonly index: number;
  readonly status: ItemStatus;
  /** The client sends reasoning back as an opaque text, since nothing is stored. */
  readonly encryptedReasoning: boolean;
  /** The client's name of a function. */
  readonly clientName: (called: string) => FunctionName;
}

/** The item of a block. */
export function outputItem(block: AnswerBlock, options: ItemOptions): Item {
  const { responseId, index, status } = options;
  const id = `${PREFIXES[block.type]}_${responseId.slice('resp_'.length)}_${index}`;
  if (block.type === 'text') {
    const content = block.text === '' ? [] : [outputText(block.text)];
    return { type: 'message', id, status, role: 'assistant', content };
  }
  if (block.type === 'call') {
    const { namespace, name } = options.clientName(block.name);
    const named = { ...(namespace !== undefined && { namespace }), name };
    return { type: 'function_call', id, status, call_id: block.id, ...named, arguments: block.text };
  }
  const content = block.text === '' ? [] : [reasoningText(block.text)];
  const opaque = options.encryptedReasoning && block.text !== '';
  return {
    type: 'reasoning',
    id,
    status,
    summary: [],
    content,
    ...(opaque && { encrypted_content: Buffer.from(block.text).toString('base64') }),
  };
}

/** A part of an answer's message. */
export function outputText(text: string) {
  return { type: 'output_text', text, annotations: [], logprobs: [] } as const;
}

/** A part of a reasoning item. */
export function reasoningText(text: string) {
  return { type: 'reasoning_text', text } as const;
}

/** An item of a client; references have been replaced by what they refer to. `id`: used if it has none. */
export function storedItem(item: Exclude<InputItem, ItemReference>, id: string): Item {
  const head = { id: item.id ?? id, status: item.status ?? 'completed' } as const;
  switch (item.type) {
    case 'function_call':
      return { ...item, ...head };
    case 'function_call_output':
      return { type: item.type, ...head, call_id: item.call_id, output: joined(item.output, '\n') };
    case 'reasoning':
      return { type: item.type, ...head, summary: [], content: reasoningContent(item) };
    default:
      return { type: 'message', ...head, role: item.role, content: messageContent(item) };
  }
}

type ItemReference = Extract<InputItem, { type?: 'item_reference' | undefined; content?: never }>;

/** Whether an item of a client only names another one. */
export function isReference(item: InputItem): item is ItemReference {
  return !('content' in item) && (item.type === undefined || item.type === 'item_reference');
}

type Message = Extract<InputItem, { role: string }>;

function messageContent({ role, content }: Message): readonly ContentPart[] {
  const texts = typeof content === 'string' ? [content] : content.map(({ text }) => text);
  return texts.map((text) => (role === 'assistant' ? outputText(text) : { type: 'input_text', text }));
}

function joined(content: string | readonly { readonly text: string }[], separator: string): string {
  return typeof content === 'string' ? content : content.map(({ text }) => text).join(separator);
}

type Reasoning = Extract<InputItem, { type: 'reasoning' }>;

function reasoningContent({ content = [], summary = [], encrypted_content: opaque }: Reasoning) {
  const text = joined(content, '') || Buffer.from(opaque ?? '', 'base64').toString() || joined(summary, '\n');
  return text === '' ? [] : [reasoningText(text)];
}
