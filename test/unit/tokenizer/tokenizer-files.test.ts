import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readTokenizerFiles } from '../../../infra/tokenizer/tokenizer-files.ts';

async function folderOf(
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-tokenizer-'));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('reads every file that is there as text and gives null for the rest', async () => {
  await folderOf(
    { 'tokenizer.json': '{"a":1}', 'chat_template.jinja': '{{ x }}', 'config.json': '{"eos_token_id":2}' },
    async (folder) => {
      assert.deepEqual(await readTokenizerFiles(folder, 'llama'), {
        family: 'llama',
        tokenizerJson: '{"a":1}',
        tokenizerConfigJson: null,
        specialTokensMapJson: null,
        generationConfigJson: null,
        configJson: '{"eos_token_id":2}',
        chatTemplate: '{{ x }}',
      });
    },
  );
});

test('names the tokenizer.json that is missing', async () => {
  await folderOf({}, async (folder) => {
    await assert.rejects(readTokenizerFiles(folder, 'llama'), {
      code: 'bad_tokenizer',
      message: `${join(folder, 'tokenizer.json')} is missing; copy the file again from where the model came from`,
    });
  });
});

test('DBRX needs no tokenizer.json', async () => {
  await folderOf({}, async (folder) => {
    assert.equal((await readTokenizerFiles(folder, 'dbrx')).tokenizerJson, null);
  });
});

test('names the file that is no JSON', async () => {
  await folderOf({ 'tokenizer.json': '{}', 'generation_config.json': '{"eos' }, async (folder) => {
    await assert.rejects(readTokenizerFiles(folder, 'llama'), {
      code: 'bad_tokenizer',
      message: `${join(folder, 'generation_config.json')} is not valid JSON; copy the file again from where the model came from`,
    });
  });
});

test('names the path that cannot be read', async () => {
  await folderOf({}, async (folder) => {
    await mkdir(join(folder, 'tokenizer.json'));
    await assert.rejects(readTokenizerFiles(folder, 'llama'), {
      code: 'bad_tokenizer',
      message: `${join(folder, 'tokenizer.json')} cannot be used (read: EISDIR): it is a folder where a file is expected: move it away.`,
    });
  });
});
