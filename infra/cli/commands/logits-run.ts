// `conclave logits`: logits of every position of a token sequence, as an .npy file.
import { open } from 'node:fs/promises';
import { KV_BLOCK_TOKENS, type ModelSession } from '../../../native/model-session.ts';
import { describeModel } from '../../../workers/model/load-model.ts';
import type { StoredModel } from '../../../workers/model/stored-model.ts';
import { blocksFor } from '../../../workers/scheduler/plan-step.ts';
import { DomainError } from '../../errors/domain-error.ts';
import type { EngineFlags } from '../engine-flags.ts';
import { npyHeader } from '../npy-header.ts';
import { withLocalEngine } from '../open-local-engine.ts';
import { provideModel } from '../provide-model.ts';

export interface LogitsOptions extends EngineFlags {
  readonly tokens: string;
  readonly out: string;
  readonly json?: true;
}

/** Tokens per step: bounds the logits held at once. */
const CHUNK = 64;

export async function logitsCommand(flags: LogitsOptions): Promise<void> {
  const options = { ...flags, model: (await provideModel(flags.model)).folder };
  const tokens = parseTokens(options.tokens);
  checkTokens(tokens, await describeModel(options.model));
  const kvTokens = tokens.length;
  const shape = await withLocalEngine(options, { kvTokens, maxRows: CHUNK }, async ({ session }) => {
    await writeLogits(tokens, session, options.out);
    return [tokens.length, session.description.vocab];
  });
  const summary = { out: options.out, shape };
  process.stdout.write(
    options.json === true ? `${JSON.stringify(summary)}\n` : `${options.out}: f32 [${shape.join(', ')}]\n`,
  );
}

function parseTokens(text: string): number[] {
  return text.split(',').map((part) => {
    const id = Number(part);
    if (part.trim() === '' || !Number.isSafeInteger(id) || id < 0) {
      const message = `Expected token ids separated by commas but received ${JSON.stringify(part)}.`;
      throw new DomainError('invalid_request', message, { param: '--tokens' });
    }
    return id;
  });
}

function checkTokens(tokens: readonly number[], { vocab, maxContext }: StoredModel): void {
  const outside = tokens.find((id) => id >= vocab);
  if (outside !== undefined) {
    const message = `Token ${outside} is outside the model's vocabulary: expected ids from 0 to ${vocab - 1}.`;
    throw new DomainError('invalid_request', message, { param: '--tokens' });
  }
  if (tokens.length > maxContext) {
    const message = `Received ${tokens.length} tokens, but the model's context holds ${maxContext}. Give fewer with --tokens.`;
    throw new DomainError('context_length_exceeded', message, { param: '--tokens' });
  }
}

async function writeLogits(tokens: readonly number[], session: ModelSession, path: string): Promise<void> {
  const { vocab } = session.description;
  const blockTables = Int32Array.from({ length: blocksFor(tokens.length, KV_BLOCK_TOKENS) }, (_, index) => index);
  const file = await open(path, 'w');
  try {
    await file.write(npyHeader(tokens.length, vocab));
    for (let from = 0; from < tokens.length; from += CHUNK) {
      const chunk = tokens.slice(from, from + CHUNK);
      const logits = new Float32Array(chunk.length * vocab);
      await session.step(
        {
          tokens: Int32Array.from(chunk),
          positions: Int32Array.from(chunk, (_, index) => from + index),
          sequences: new Int32Array(chunk.length),
          blockTables,
          blockTableWidth: blockTables.length,
          logitRows: Int32Array.from(chunk, (_, index) => index),
        },
        logits,
      );
      await file.write(new Uint8Array(logits.buffer));
    }
  } finally {
    await file.close();
  }
}
