// Answers -> scores per skill, and how they compare with PyTorch's answers to the same prompts. Pure.
import { type HeldOutPrompt, isCorrect, type RecordedAnswer } from './held-out.ts';

export interface Score {
  readonly asked: number;
  readonly right: number;
  /** Right answers of PyTorch. */
  readonly pytorch: number;
  /** Answers whose text is not PyTorch's. */
  readonly differing: number;
}

export interface EvalScores {
  readonly skills: Readonly<Record<string, Score>>;
  readonly total: Score;
}

const NONE: Score = { asked: 0, right: 0, pytorch: 0, differing: 0 };

/** Scores of all prompts; answers by position, PyTorch's by id. Throws TypeError for a prompt that PyTorch did not answer. */
export function scoreAnswers(
  prompts: readonly HeldOutPrompt[],
  answers: readonly string[],
  recorded: readonly RecordedAnswer[],
): EvalScores {
  const byId = new Map(recorded.map((one) => [one.id, one]));
  const skills: Record<string, Score> = {};
  let total = NONE;
  for (const [at, prompt] of prompts.entries()) {
    const score = scoreOne(prompt, answers[at] ?? '', byId.get(prompt.id));
    skills[prompt.skill] = sum(skills[prompt.skill] ?? NONE, score);
    total = sum(total, score);
  }
  return { skills, total };
}

function scoreOne(prompt: HeldOutPrompt, answer: string, recorded: RecordedAnswer | undefined): Score {
  if (recorded === undefined) throw new TypeError(`PyTorch's answers lack prompt ${prompt.id}`);
  return {
    asked: 1,
    right: Number(isCorrect(prompt, answer)),
    pytorch: Number(recorded.correct),
    differing: Number(answer !== recorded.answer),
  };
}

function sum(left: Score, right: Score): Score {
  return {
    asked: left.asked + right.asked,
    right: left.right + right.right,
    pytorch: left.pytorch + right.pytorch,
    differing: left.differing + right.differing,
  };
}

/** Right answers in percent. */
export function percent(right: number, asked: number): number {
  return (100 * right) / asked;
}

/** By how many percentage points the two implementations differ. */
export function pointsApart({ asked, right, pytorch }: Score): number {
  return Math.abs(percent(right, asked) - percent(pytorch, asked));
}
