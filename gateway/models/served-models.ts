// Model cards in Redis -> models that the gateway can prepare requests for. Tokenizer and chat template are built from the
// card's files in processes of their own, once per version of a card; the gateway has no model files and runs no native code
// on what clients send.
import type { Logger } from '../../infra/log/logger.ts';
import type { ModelCard } from '../../infra/messages/model-card.ts';
import type { ModelCards } from '../../infra/registry/watch-model-cards.ts';
import type { ServedModel, ServedModels } from '../parts.ts';
import type { Prompt } from './encoder-messages.ts';
import { PromptEncoders, SCRIPT_MS } from './prompt-encoders.ts';
import { promptBytes, refuseTooManyBytes } from './prompt-size.ts';
import { bytesOfToken, longestToken } from './token-table.ts';

export interface ModelsWithEncoders extends ServedModels {
  /** Ends the processes that encode prompts. */
  close(): void;
}

interface BuiltModel {
  readonly card: ModelCard;
  readonly encoders: PromptEncoders;
  readonly model: Promise<ServedModel>;
}

/** Serves what `cards` lists at the moment. A tokenizer that cannot be built throws `bad_tokenizer` on each use. */
export function createServedModels(cards: Pick<ModelCards, 'get' | 'list'>, log: Logger): ModelsWithEncoders {
  const built = new Map<string, BuiltModel>();
  /** Of what is not served any more, or no longer in this version. */
  const retireOld = () => {
    for (const [name, { card, encoders }] of built) {
      if (cards.get(name) === card) continue;
      encoders.retire();
      built.delete(name);
    }
  };
  return {
    list: () => cards.list(),
    find: async (name) => {
      retireOld();
      const card = cards.get(name);
      if (card === null) return undefined;
      const model = built.get(name) ?? buildModel(card, log);
      built.set(name, model);
      return model.model;
    },
    close: () => {
      for (const { encoders } of built.values()) encoders.stop();
      built.clear();
    },
  };
}

function buildModel(card: ModelCard, log: Logger): BuiltModel {
  const { name, tokenizer: files, maxContext } = card;
  const encoders = new PromptEncoders({ kind: 'load', name, files, maxContext, scriptMs: SCRIPT_MS }, log);
  return { card, encoders, model: describeModel(card, encoders) };
}

async function describeModel(card: ModelCard, encoders: PromptEncoders): Promise<ServedModel> {
  const { table, traits } = await encoders.load();
  const { name, created, maxContext, vocab, eosTokenIds, fingerprint = null } = card;
  const size = { maxContext, longestToken: longestToken(table) };
  const encode = async (prompt: Prompt, tenant: string) => {
    refuseTooManyBytes(promptBytes(prompt), prompt.kind, size);
    const { ids, reasoningOpen } = await encoders.encode(prompt, tenant);
    return { tokens: Array.from(ids), reasoningOpen };
  };
  return {
    name,
    created,
    maxContext,
    vocab,
    eosTokenIds,
    fingerprint,
    traits,
    encodeChat: (conversation, tenant) => encode({ kind: 'chat', conversation }, tenant),
    encodeText: async (text, tenant) => (await encode({ kind: 'text', text }, tenant)).tokens,
    tokenBytes: (id) => bytesOfToken(table, id),
  };
}
