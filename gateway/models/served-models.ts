// Model cards in Redis -> models that the gateway can prepare requests for. Tokenizer and chat template are built from the
// card's files, once per version of a card; the gateway has no model files.
import { DomainError } from '../../infra/errors/domain-error.ts';
import type { ModelCard } from '../../infra/messages/model-card.ts';
import type { ModelCards } from '../../infra/registry/watch-model-cards.ts';
import { type ChatTemplate, createChatTemplate, encodeChat } from '../../infra/tokenizer/chat-template.ts';
import { createTokenizer } from '../../infra/tokenizer/create-tokenizer.ts';
import type { Tokenizer } from '../../infra/tokenizer/tokenizer.ts';
import type { ChatMessage, ServedModel, ServedModels } from '../parts.ts';

/** Serves what `cards` lists at the moment. A tokenizer that cannot be built throws `bad_tokenizer` on each use. */
export function createServedModels(cards: Pick<ModelCards, 'get' | 'list'>): ServedModels {
  const built = new WeakMap<ModelCard, Promise<ServedModel>>();
  return {
    list: () => cards.list(),
    find: async (name) => {
      const card = cards.get(name);
      if (card === null) return undefined;
      const model = built.get(card) ?? buildModel(card);
      built.set(card, model);
      return model;
    },
  };
}

async function buildModel(card: ModelCard): Promise<ServedModel> {
  const files = card.tokenizer;
  const tokenizer = await createTokenizer(files);
  const template = createChatTemplate(files, tokenizer);
  const { name, created, maxContext, vocab, eosTokenIds } = card;
  return {
    name,
    created,
    maxContext,
    vocab,
    eosTokenIds,
    encodeChat: (messages) => encodeMessages(card, tokenizer, template, messages),
    encodeText: (text) => tokenizer.encode(text, { specials: 'parsed', addPromptTokens: true }),
    tokenBytes: (id) => tokenizer.tokenBytes(id),
  };
}

async function encodeMessages(
  card: ModelCard,
  tokenizer: Tokenizer,
  template: ChatTemplate | null,
  messages: readonly ChatMessage[],
): Promise<readonly number[]> {
  if (template !== null) {
    return encodeChat(tokenizer, template, { messages: messages.map(copy), tools: null, addGenerationPrompt: true });
  }
  const message = `The model '${card.name}' has no chat format; use /v1/completions.`;
  throw new DomainError('invalid_request', message, { param: 'model' });
}

function copy({ role, content, name }: ChatMessage) {
  return { role, content, ...(name !== undefined && { name }) };
}
