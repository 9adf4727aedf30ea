// `npm run demo-model:eval`: the demo model's held-out prompts through Conclave's own engine, over HTTP. Progress goes to
// stderr, the table or JSON to stdout. Fails when engine and PyTorch disagree.
import { basename } from 'node:path';
import { DomainError } from '../../errors/domain-error.ts';
import { say, type TableRow, writeResult } from '../bench/report-bench.ts';
import { withTemporaryCluster } from '../bench/temporary-cluster.ts';
import { answerAll, type EvalServer, serverAsk } from './ask-server.ts';
import { type HeldOutPrompt, isCorrect, readGoals, readHeldOut, readRecordedAnswers } from './held-out.ts';
import { type EvalScores, percent, pointsApart, type Score, scoreAnswers } from './score-answers.ts';

export interface DemoEvalOptions {
  readonly model: string;
  readonly skill?: string;
  readonly url?: string;
  readonly key?: string;
  readonly wrong?: true;
  readonly json?: true;
}

/** Both compute the same weights; what rounding turns may turn no more than this share of the answers, in points. */
const POINTS_ALLOWED = 0.5;
const REPORT_EVERY = 50;

/** Runs it. Throws DomainError naming what is wrong with the options, the files or the server. */
export async function demoEval(options: DemoEvalOptions): Promise<void> {
  const prompts = promptsOf(options.skill);
  const ask = async (server: EvalServer) => {
    const answer = await serverAsk(server, options.model);
    return answerAll(prompts, answer, (done) => {
      if (done % REPORT_EVERY === 0 || done === prompts.length) say(`${done} of ${prompts.length} prompts answered`);
    });
  };
  const server = serverOf(options);
  const answers = await (server === undefined ? withTemporaryCluster({ model: options.model }, ask) : ask(server));
  if (options.wrong) printWrongAnswers(prompts, answers);
  const scores = scoreAnswers(prompts, answers, readRecordedAnswers());
  writeResult(options, scores, tableOf(scores, readGoals()));
  requireAgreement(scores.total);
}

function promptsOf(skill: string | undefined): HeldOutPrompt[] {
  const all = readHeldOut();
  const prompts = all.filter((prompt) => skill === undefined || prompt.skill === skill);
  if (prompts.length > 0) return prompts;
  const known = [...new Set(all.map((prompt) => prompt.skill))].join(', ');
  throw new DomainError('bad_config', `--skill ${skill}: expected one of ${known}.`, { param: 'skill' });
}

function serverOf({ url, key, model }: DemoEvalOptions): EvalServer | undefined {
  if (url !== undefined && key !== undefined) return { url, apiKey: key, model: basename(model) };
  if (url === undefined && key === undefined) return undefined;
  throw new DomainError('bad_config', 'Expected --url and --key together, or neither to start a server.');
}

function tableOf({ skills, total }: EvalScores, goals: Readonly<Record<string, number>>): TableRow[] {
  const row = (name: string, score: Score, goal: number | undefined): TableRow => [
    name,
    `${score.right} of ${score.asked}`,
    `${percent(score.right, score.asked).toFixed(1)} %`,
    goal === undefined ? '' : `${(100 * goal).toFixed(0)} %`,
    `${percent(score.pytorch, score.asked).toFixed(1)} %`,
    String(score.differing),
  ];
  return [
    ['skill', 'right', 'share', 'goal', 'PyTorch', 'texts that differ'],
    ...Object.entries(skills).map(([name, score]) => row(name, score, goals[name])),
    row('all', total, undefined),
  ];
}

function requireAgreement(total: Score): void {
  const apart = pointsApart(total);
  if (apart <= POINTS_ALLOWED) return;
  const message = `Engine and PyTorch are ${apart.toFixed(1)} points apart; expected at most ${POINTS_ALLOWED}. Are the answers those of this model?`;
  throw new DomainError('generation_failed', message);
}

function printWrongAnswers(prompts: readonly HeldOutPrompt[], answers: readonly string[]): void {
  for (const [at, prompt] of prompts.entries()) {
    const answer = answers[at] ?? '';
    if (isCorrect(prompt, answer)) continue;
    say(`${prompt.id}: ${prompt.messages.at(-1)?.content} -> ${answer}, not ${prompt.expected}`);
  }
}
