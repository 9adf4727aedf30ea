// The demo model through everything that `npm start` runs: answers that are right or wrong. `npm run demo-model:eval` asks all
// held-out prompts; here are the first few of each skill.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { type Ask, answerAll, serverAsk } from '../../infra/cli/demo-eval/ask-server.ts';
import { type HeldOutPrompt, readHeldOut, readRecordedAnswers } from '../../infra/cli/demo-eval/held-out.ts';
import { pointsApart, scoreAnswers } from '../../infra/cli/demo-eval/score-answers.ts';
import { DEMO_MODEL, PACKAGE_ROOT } from '../../infra/package-facts.ts';
import { sharedCluster } from '../start-cluster.ts';

const PER_SKILL = 8;

describe('the demo model', () => {
  const cluster = sharedCluster({ model: DEMO_MODEL });
  let ask: Ask;

  before(async () => {
    ask = await serverAsk(cluster(), DEMO_MODEL);
  });

  test('answers held-out prompts as PyTorch does', async () => {
    const prompts = firstOfEachSkill(readHeldOut());
    const answers = await answerAll(prompts, ask, () => {});
    const { skills, total } = scoreAnswers(prompts, answers, readRecordedAnswers());
    assert.equal(Object.keys(skills).length, 13);
    assert.ok(pointsApart(total) <= 100 / prompts.length, JSON.stringify(total));
    assert.ok(total.right >= 0.9 * total.asked, JSON.stringify(skills));
  });

  test('counts to a hundred, every token of it', async () => {
    const expected = Array.from({ length: 100 }, (_, index) => index + 1).join(' ');
    const messages = [{ role: 'user' as const, content: 'Count from 1 to 100.' }];
    const prompt = { id: 'hundred', skill: 'counting', kind: 'count', messages, expected } as const;
    assert.equal(await ask({ ...prompt, check: 'exact', value: null }), expected);
  });

  test('answers in the form that is asked for, whatever it knows of the matter', async () => {
    const client = new OpenAI({ baseURL: `${cluster().url}/v1`, apiKey: cluster().apiKey, maxRetries: 0 });
    const Person = z.strictObject({
      name: z.string().max(20),
      age: z.int().min(0).max(150),
      kind: z.enum(['friend', 'colleague']),
      tags: z.array(z.string().max(8)).max(3),
    });
    const questions = ['Who is Ann?', 'What is 2 + 3?', 'Sort these: 3 1 2', 'Tell me a story.'];
    const asked = questions.flatMap((content, at) => [0, 1].map((temperature) => ({ content, temperature, seed: at })));
    const answers = asked.map(async ({ content, ...sampling }) => {
      const body = {
        model: 'demo',
        messages: [{ role: 'user' as const, content }],
        response_format: zodResponseFormat(Person, 'person'),
        max_tokens: 200,
        ...sampling,
      };
      const whole = (await client.chat.completions.parse(body)).choices[0];
      const streamed = (await client.chat.completions.stream({ ...body, logprobs: true }).finalChatCompletion())
        .choices[0];
      assert.equal(whole?.finish_reason, 'stop');
      assert.deepEqual(whole?.message.parsed, Person.parse(JSON.parse(whole?.message.content ?? '')));
      assert.equal(streamed?.message.content, whole?.message.content);
    });
    assert.equal((await Promise.all(answers)).length, asked.length);
  });

  test('chooses, follows a pattern and a grammar', async () => {
    const client = new OpenAI({ baseURL: `${cluster().url}/v1`, apiKey: cluster().apiKey, maxRetries: 0 });
    const complete = async (structured: object, n = 3) => {
      const body = { model: 'demo', prompt: 'The answer:', max_tokens: 40, temperature: 1, seed: 5, n };
      const { choices } = await client.completions.create({ ...body, ...structured });
      return choices.map(({ text, finish_reason }) => {
        assert.equal(finish_reason, 'stop');
        return text;
      });
    };
    for (const text of await complete({ structured_outputs: { choice: ['red', 'green', 'grey'] } })) {
      assert.ok(['red', 'green', 'grey'].includes(text), text);
    }
    for (const text of await complete({ guided_regex: '[a-c]{2,5}-\\d{3}' })) assert.match(text, /^[a-c]{2,5}-\d{3}$/);
    const grammar = 'root ::= "(" root? ")" | [xy]';
    for (const text of await complete({ structured_outputs: { grammar } })) assert.match(text, /^\(*[xy]?\)*$/);
  });

  test("holds the README's conversations as they stand there", async () => {
    const written = readmeConversations();
    assert.equal(written.length, 3);
    for (const conversation of written) assert.equal(await replayConversation(ask, conversation), conversation);
  });
});

/** The code blocks with lines that a user typed (`> ...`). What comes before the first is the system message. */
function readmeConversations(): string[] {
  const blocks = readFileSync(join(PACKAGE_ROOT, 'README.md'), 'utf8').matchAll(/^```\n(.*?)\n```$/gms);
  return Array.from(blocks, ([, text]) => text ?? '').filter((text) => /^> /m.test(text));
}

async function replayConversation(ask: Ask, conversation: string): Promise<string> {
  const [opening = '', ...exchanges] = conversation.split(/^> /m);
  const system = opening.trimEnd();
  const messages: HeldOutPrompt['messages'] = system === '' ? [] : [{ role: 'system', content: system }];
  let again = opening;
  for (const [at, exchange] of exchanges.entries()) {
    const [question = '', ...answer] = exchange.trimEnd().split('\n');
    messages.push({ role: 'user', content: question });
    const prompt = { id: `readme-${at}`, skill: 'readme', kind: 'readme', messages, expected: answer.join('\n') };
    const content = await ask({ ...prompt, check: 'exact', value: null });
    messages.push({ role: 'assistant', content });
    again += `> ${question}\n${content}\n`;
  }
  return again.trimEnd();
}

function firstOfEachSkill(prompts: readonly HeldOutPrompt[]): HeldOutPrompt[] {
  const asked = new Map<string, number>();
  return prompts.filter(({ skill }) => {
    const count = (asked.get(skill) ?? 0) + 1;
    asked.set(skill, count);
    return count <= PER_SKILL;
  });
}
