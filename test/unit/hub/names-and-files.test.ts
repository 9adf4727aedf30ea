// What a hub's names, its files and this machine's settings may be.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { describingFiles, type HubFile, weightFiles } from '../../../workers/hub/choose-files.ts';
import { readHubAccess } from '../../../workers/hub/hub-access.ts';
import { parseHubName } from '../../../workers/hub/model-name.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

function named(...names: readonly string[]): readonly HubFile[] {
  return names.map((name) => ({ name, bytes: 1, hash: '' }));
}

test('owner/name and a revision are a name; what leads elsewhere is not', () => {
  assert.deepEqual(parseHubName('Qwen/Qwen3-30B-A3B'), { repository: 'Qwen/Qwen3-30B-A3B', revision: 'main' });
  assert.deepEqual(parseHubName('a/b@refs/pr/1'), { repository: 'a/b', revision: 'refs/pr/1' });
  for (const text of ['model', 'a/b/c', '/a/b', '../b', 'a/..', 'a/b@../c', 'a/b@', './b', 'a b/c', '']) {
    assert.equal(parseHubName(text), null, text);
  }
});

test('only what a model is made of is downloaded', () => {
  const files = named(
    'config.json',
    'model.safetensors',
    'modeling_x.py',
    'pytorch_model.bin',
    'original/config.json',
    'README.md',
  );
  const chosen = [...describingFiles('a/b', files), ...weightFiles('a/b', files, null)];
  assert.deepEqual(
    chosen.map(({ name }) => name),
    ['config.json', 'model.safetensors'],
  );
});

test('a repository without safetensors is refused with what to choose instead', () => {
  const refused = (names: readonly string[], message: RegExp) =>
    assert.throws(() => describingFiles('a/b', named(...names)), { code: 'bad_checkpoint', message });
  refused(['model.safetensors'], /^a\/b has no config\.json/);
  refused(['config.json', 'pytorch_model.bin'], /only pickles, which can run code and are not read: choose/);
  refused(
    ['config.json', 'x-Q4_K_M.gguf'],
    /only GGUF: download one of its files and convert it with `conclave model import`/,
  );
  refused(['config.json'], /choose a repository with safetensors\.$/);
});

test('shards that the index names and the repository lacks are named', () => {
  assert.throws(() => weightFiles('a/b', named('1.safetensors'), ['1.safetensors', '../2.safetensors']), {
    code: 'bad_checkpoint',
    message: 'a/b has no ../2.safetensors, which its model.safetensors.index.json names.',
  });
});

test('settings are read as other tools read them', async (t) => {
  const home = await temporaryFolder(t);
  mkdirSync(join(home, 'hf'));
  writeFileSync(join(home, 'hf', 'token'), 'hf_file\n');
  const from = { HF_HOME: join(home, 'hf'), HF_ENDPOINT: 'http://mirror:80/', HF_HUB_OFFLINE: '1' };
  assert.deepEqual(readHubAccess(from), {
    endpoint: 'http://mirror:80',
    token: 'hf_file',
    offline: true,
    cache: join(home, 'hf', 'hub'),
  });
  const own = readHubAccess({ ...from, HF_TOKEN: 'hf_own', HF_HUB_CACHE: home, HF_HUB_OFFLINE: '0' });
  assert.deepEqual([own.token, own.cache, own.offline], ['hf_own', home, false]);
  assert.throws(() => readHubAccess({ HF_ENDPOINT: 'mirror' }), {
    code: 'bad_config',
    message: /^HF_ENDPOINT is "mirror"/,
  });
});
