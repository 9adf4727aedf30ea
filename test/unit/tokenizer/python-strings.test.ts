import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createChatTemplate } from '../../../infra/tokenizer/chat-template.ts';
import { createTokenizer } from '../../../infra/tokenizer/create-tokenizer.ts';
import { REPOSITORY_ROOT } from '../../repository-root.ts';
import { byteLevelJson, filesOf } from './tiny-tokenizers.ts';

interface Fixture {
  readonly texts: readonly string[];
  readonly cases: readonly { readonly expression: string; readonly outputs: readonly string[] }[];
}

const path = join(REPOSITORY_ROOT, 'test', 'unit', 'tokenizer', 'python-strings.json');
const { texts, cases }: Fixture = JSON.parse(readFileSync(path, 'utf8'));
const tokenizer = await createTokenizer(filesOf(byteLevelJson([])));

for (const { expression, outputs } of cases) {
  test(`${JSON.stringify(expression)} is what it is in Python`, () => {
    const source = `{% set x = messages[0].content %}{{ ${expression} }}`;
    const template = createChatTemplate(filesOf(byteLevelJson([]), { chatTemplate: source }), tokenizer);
    const rendered = texts.map((content) =>
      template?.render({ messages: [{ role: 'user', content }], tools: null, addGenerationPrompt: false }),
    );
    assert.deepEqual(rendered, outputs);
  });
}
