// Ids of generations, such as `chatcmpl-<time><random>`: one id for client, stream, job and log. The kind and
// the time of acceptance can be read back from it, so a resumed stream repeats the `created` that the first one said.

/** The API whose answer it is; all but completions are conversations. */
export type GenerationKind = 'chat' | 'text' | 'message' | 'response';

const PREFIX: Readonly<Record<GenerationKind, string>> = {
  chat: 'chatcmpl-',
  text: 'cmpl-',
  message: 'msg_',
  response: 'resp_',
};
const KINDS = new Map(Object.entries(PREFIX).map(([kind, prefix]) => [prefix, kind as GenerationKind]));
/** Base 36; enough for milliseconds until the year 5188. */
const TIME_LENGTH = 9;
const SHAPE = /^(chatcmpl-|cmpl-|msg_|resp_)([0-9a-z]{9})[0-9a-f]{24}$/;

/** A fresh id; `random(n)` gives n unpredictable bytes. */
export function makeRequestId(kind: GenerationKind, nowMs: number, random: (size: number) => Uint8Array): string {
  const time = nowMs.toString(36).padStart(TIME_LENGTH, '0');
  return `${PREFIX[kind]}${time}${Buffer.from(random(12)).toString('hex')}`;
}

/** The data encoded in an id; undefined for any other text. */
export function readRequestId(id: string): { readonly kind: GenerationKind; readonly createdAtMs: number } | undefined {
  const [, prefix, time] = SHAPE.exec(id) ?? [];
  const kind = KINDS.get(prefix ?? '');
  return kind && { kind, createdAtMs: Number.parseInt(time ?? '', 36) };
}
