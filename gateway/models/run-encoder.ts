// The main module of an encoder process: one model, one prompt at a time, by messages from the gateway that forked it. It opens
// no connection. It may die of a prompt; the gateway expects that.
import { writeFileSync } from 'node:fs';
import { toDomainError } from '../../infra/errors/domain-error.ts';
import { createPromptEncoder, type PromptEncoder } from './encode-prompt.ts';
import type { EncoderModel, FromEncoder, Prompt, RefusedPrompt, ToEncoder } from './encoder-messages.ts';

let encoder: PromptEncoder | undefined;

function answer(message: FromEncoder): void {
  process.send?.(message);
}

async function load(model: EncoderModel): Promise<FromEncoder> {
  encoder = await createPromptEncoder(model);
  return { kind: 'loaded', ...encoder.loaded };
}

async function encode(prompt: Prompt): Promise<FromEncoder> {
  if (encoder === undefined) throw new TypeError('A prompt came before the model');
  const encoded = await encoder.encode(prompt, () => answer({ kind: 'encoding' }));
  return { kind: 'tokens', prompt: encoded, rssBytes: process.memoryUsage.rss() };
}

function refusal(thrown: unknown): RefusedPrompt {
  const { code, message, param, cause } = toDomainError(thrown);
  return { code, message, param, cause: cause instanceof Error ? cause.message : undefined };
}

/** Where memory runs out, Linux ends this process rather than the gateway or Redis. Other systems have no such file. */
function volunteerForOutOfMemory(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Without it the system decides by size.
  }
}

volunteerForOutOfMemory();
process.on('message', (message: ToEncoder) => {
  const work = message.kind === 'load' ? load(message) : encode(message);
  work.catch((thrown: unknown): FromEncoder => ({ kind: 'refused', error: refusal(thrown) })).then(answer, () => {});
});
// Not by process.exit, which waits for native threads that may be busy for long.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// Ctrl-C in a terminal goes to every process, but the gateway still has prompts to encode while it drains.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
