// The demo model's held-out prompts and what makes an answer right. The files beside infra/demo-model/heldout.py are the
// contract with the Python side; isCorrect agrees with evaluate.py's `correct`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { DomainError } from '../../errors/domain-error.ts';
import { PACKAGE_ROOT } from '../../package-facts.ts';

const FOLDER = join(PACKAGE_ROOT, 'infra', 'demo-model', 'eval');

const messageSchema = z.object({ role: z.enum(['system', 'user', 'assistant', 'tool']), content: z.string() });

const promptSchema = z.discriminatedUnion('check', [
  z.object({ ...promptFields('exact'), value: z.null() }),
  z.object({ ...promptFields('ends'), value: z.string() }),
  z.object({ ...promptFields('story'), value: z.array(z.string()) }),
]);

function promptFields<Check extends string>(check: Check) {
  return {
    check: z.literal(check),
    id: z.string(),
    /** Line of the table. */
    skill: z.string(),
    /** Generator of the prompt; a skill has several. */
    kind: z.string(),
    messages: z.array(messageSchema).min(1),
    /** The answer in the words of the training. */
    expected: z.string(),
  };
}

const recordedSchema = z.array(z.object({ id: z.string(), answer: z.string(), correct: z.boolean() }));

export type HeldOutPrompt = z.infer<typeof promptSchema>;
export type RecordedAnswer = z.infer<typeof recordedSchema>[number];

/** All held-out prompts. Throws DomainError `not_found` or `bad_config` naming the file. */
export function readHeldOut(path = join(FOLDER, 'heldout.jsonl')): HeldOutPrompt[] {
  const lines = readEvalFile(path).trimEnd().split('\n');
  return lines.map((line, at) => parse(promptSchema, line, `${path}:${at + 1}`));
}

/** PyTorch's answers to them. Throws as readHeldOut does. */
export function readRecordedAnswers(path = join(FOLDER, 'answers.json')): RecordedAnswer[] {
  return parse(recordedSchema, readEvalFile(path), path);
}

/** Share of right answers that each skill is meant to reach. */
export function readGoals(path = join(FOLDER, 'goals.json')): Readonly<Record<string, number>> {
  return parse(z.record(z.string(), z.number()), readEvalFile(path), path);
}

/** Whether the answer is right. A sum's working is free as long as it ends in the result; a story must name what it was given. */
export function isCorrect(prompt: HeldOutPrompt, answer: string): boolean {
  const text = answer.trim();
  switch (prompt.check) {
    case 'exact':
      return text === prompt.expected;
    case 'ends':
      return text.endsWith(prompt.value);
    case 'story':
      return prompt.value.every((word) => text.includes(word)) && text.endsWith('.');
  }
}

/** Tokens that an answer may have: generous for a right one, since no token is shorter than a character. */
export function answerRoom(prompt: HeldOutPrompt): number {
  return prompt.expected.length + 48;
}

function readEvalFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new DomainError('not_found', `Expected the file ${path}; infra/demo-model/README.md says how it is made.`, {
      cause,
    });
  }
}

function parse<Value>(schema: z.ZodType<Value>, text: string, where: string): Value {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : String(cause);
    throw new DomainError('bad_config', `${where} is not what infra/demo-model writes: ${why}`, { cause });
  }
}
