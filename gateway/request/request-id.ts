// Ids of generations, `chatcmpl-<time><random>` or `cmpl-<time><random>`: one id for client, stream, job and log. The kind and
// the time of acceptance can be read back from it, so a resumed stream repeats the `created` that the first one said.

export type GenerationKind = 'chat' | 'text';

const PREFIX: Readonly<Record<GenerationKind, string>> = { chat: 'chatcmpl-', text: 'cmpl-' };
/** Base 36; enough for milliseconds until the year 5188. */
const TIME_LENGTH = 9;
const SHAPE = /^(chatcmpl|cmpl)-([0-9a-z]{9})[0-9a-f]{24}$/;

/** A fresh id; `random(n)` gives n unpredictable bytes. */
export function makeRequestId(kind: GenerationKind, nowMs: number, random: (size: number) => Uint8Array): string {
  const time = nowMs.toString(36).padStart(TIME_LENGTH, '0');
  return `${PREFIX[kind]}${time}${Buffer.from(random(12)).toString('hex')}`;
}

/** The data encoded in an id; undefined for any other text. */
export function readRequestId(id: string): { readonly kind: GenerationKind; readonly createdAtMs: number } | undefined {
  const [, prefix, time] = SHAPE.exec(id) ?? [];
  if (prefix === undefined || time === undefined) return undefined;
  return { kind: prefix === 'chatcmpl' ? 'chat' : 'text', createdAtMs: Number.parseInt(time, 36) };
}
