// Metadata of a request, from the hash `cv:job:<id>`. Never contains prompt or completion. Pure.

export type GenerationState = 'waiting' | 'running' | 'ended';

export interface GenerationRecord {
  readonly id: string;
  readonly model: string;
  readonly tenant: string;
  readonly queue: string;
  /** `running` from the first dispatch on, even if its group has died and no other one has taken over. */
  readonly state: GenerationState;
  /** How it ended; null before that. */
  readonly outcome: 'finished' | 'failed' | 'cancelled' | null;
  /** The error as sent to clients; null if it did not fail. */
  readonly error: { readonly code: string; readonly message: string } | null;
  /** Tokens reserved: prompt plus maxTokens of every choice. */
  readonly reservedTokens: number;
  readonly promptTokens: number;
  /** Tokens in the stream so far, over all choices. */
  readonly completionTokens: number;
  /** Group that runs it, or ran it last; null before the first dispatch. */
  readonly group: string | null;
  /** Times that it was dispatched. */
  readonly attempts: number;
  readonly resumeSeconds: number;
  /** Unix times in ms by the clock of Redis; null until the event has happened. */
  readonly enqueuedAtMs: number;
  readonly startedAtMs: number | null;
  readonly firstTokenAtMs: number | null;
  readonly endedAtMs: number | null;
}

/** Reads the fields of `cv:job:<id>` (see lua/includes/job.lua); null when there are none. */
export function parseGenerationRecord(id: string, fields: Readonly<Record<string, string>>): GenerationRecord | null {
  const state = fields['state'];
  if (state !== 'waiting' && state !== 'running' && state !== 'ended') return null;
  return {
    id,
    model: fields['model'] ?? '',
    tenant: fields['tenant'] ?? '',
    queue: fields['queue'] ?? '',
    state,
    outcome: parseOutcome(fields['outcome']),
    error: fields['error'] === undefined ? null : JSON.parse(fields['error']),
    reservedTokens: Number(fields['reserved'] ?? 0),
    promptTokens: Number(fields['prompt'] ?? 0),
    completionTokens: Number(fields['tokens'] ?? 0),
    group: fields['group'] ?? null,
    attempts: Number(fields['attempts'] ?? 0),
    resumeSeconds: Number(fields['resume'] ?? 0),
    enqueuedAtMs: Number(fields['enqueued'] ?? 0),
    startedAtMs: optionalNumber(fields['started']),
    firstTokenAtMs: optionalNumber(fields['first']),
    endedAtMs: optionalNumber(fields['ended']),
  };
}

function parseOutcome(text: string | undefined): GenerationRecord['outcome'] {
  return text === 'finished' || text === 'failed' || text === 'cancelled' ? text : null;
}

function optionalNumber(text: string | undefined): number | null {
  return text === undefined ? null : Number(text);
}
