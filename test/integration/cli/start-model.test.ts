// Model folders and configuration files that are not what they should be: one sentence that names the file and the remedy.
// Most cases are met by `conclave generate`, which opens a model as a worker does and needs no Redis.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { REPOSITORY_ROOT } from '../../repository-root.ts';
import { CONCLAVE } from '../../run-conclave.ts';
import { processesOf } from '../../start-conclave.ts';

const DEADLINE = { timeout: 120_000 };
const DEMO = join(REPOSITORY_ROOT, 'models', 'demo');
const NOBODY = 65_534;
const AS_NOBODY = ['setpriv', '--reuid', String(NOBODY), '--clear-groups'];

const root = mkdtempSync(join(tmpdir(), 'conclave-start-model-'));
after(() => rmSync(root, { recursive: true, force: true }));
chmodSync(root, 0o755);
// One home, so that the packs of the model are built once.
const home = join(root, 'home');
const model = join(root, 'model');

/** A model folder in which `spoil` has changed something. */
function spoiled(spoil: () => void): void {
  rmSync(model, { recursive: true, force: true });
  mkdirSync(model);
  for (const name of ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'])
    copyFileSync(join(DEMO, name), join(model, name));
  symlinkSync(join(DEMO, 'model.safetensors'), join(model, 'model.safetensors'));
  spoil();
}

/** What the command, run to its end, has to say about its failure. */
function failureOf(prefix: readonly string[], ...args: readonly string[]): string {
  const [program = '', ...rest] = [...prefix, process.execPath, CONCLAVE, ...args, '--home', home];
  const { status, stdout, stderr } = spawnSync(program, rest, { encoding: 'utf8', timeout: 60_000 });
  const lines = stderr.trimEnd().split('\n');
  const said = lines.filter((line) => !/^(Hashing|Building|Loading) /.test(line));
  assert.deepEqual([status, stdout, said.length], [1, '', 1], stderr);
  assert.deepEqual(processesOf(home), []);
  return said[0] ?? '';
}

const GENERATE = ['generate', '--prompt', 'x', '--chat', '--max-tokens', '1'];
const START = ['start', '--port', '0'];

const replace = (name: string, text: string | Buffer) => () => {
  rmSync(join(model, name), { force: true });
  writeFileSync(join(model, name), text);
};
const truncate = (name: string, bytes: number) => () =>
  replace(name, readFileSync(join(model, name)).subarray(0, bytes))();
const remove = (name: string) => () => rmSync(join(model, name));
const folderFor = (name: string) => () => {
  rmSync(join(model, name), { force: true });
  mkdirSync(join(model, name));
};
const index = (text: string) => () => {
  remove('model.safetensors')();
  writeFileSync(join(model, 'model.safetensors.index.json'), text);
};
const BROKEN_TEMPLATE = '{% for message in messages %}{{ message.content';
const templateInConfig = () => replace('tokenizer_config.json', JSON.stringify({ chat_template: BROKEN_TEMPLATE }))();

const COPY = /; copy the file again from where the model came from$/;
const MOVE = /it is a folder where a file is expected: move it away\.$/;
const CORRECT = /does not parse: .*; correct it in that file$/;

const cases: readonly (readonly [what: string, spoil: () => void, file: string, remedy: RegExp])[] = [
  ['no config.json', remove('config.json'), 'config.json', /name a model folder, which has one$/],
  ['an empty config.json', replace('config.json', ''), 'config.json', COPY],
  ['a truncated config.json', truncate('config.json', 100), 'config.json', COPY],
  ['a config.json that is a list', replace('config.json', '[]'), 'config.json', COPY],
  ['a folder in place of config.json', folderFor('config.json'), 'config.json', MOVE],
  ['no tokenizer.json', remove('tokenizer.json'), 'tokenizer.json', COPY],
  ['a truncated tokenizer.json', truncate('tokenizer.json', 1000), 'tokenizer.json', COPY],
  ['a folder in place of tokenizer.json', folderFor('tokenizer.json'), 'tokenizer.json', MOVE],
  ['a broken chat_template.jinja', replace('chat_template.jinja', BROKEN_TEMPLATE), 'chat_template.jinja', CORRECT],
  ['a broken template in tokenizer_config.json', templateInConfig, 'tokenizer_config.json', CORRECT],
  ['no weights', remove('model.safetensors'), model, /expected model\.safetensors or .* with its shards$/],
  ['empty weights', replace('model.safetensors', ''), 'model.safetensors', COPY],
  ['weights that end in their data', truncate('model.safetensors', 1_000_000), 'model.safetensors', COPY],
  [
    'a pointer of Git LFS in place of weights',
    replace('model.safetensors', 'version https://git-lfs.github.com/spec/v1\n'),
    'model.safetensors',
    /fetch what it points to with `git lfs pull`$/,
  ],
  ['a folder in place of weights', folderFor('model.safetensors'), 'model.safetensors', MOVE],
  ['a truncated index', index('{"weight_map": {'), 'model.safetensors.index.json', COPY],
  ['an index of a missing shard', index('{"weight_map": {"a": "s"}}'), 'shard s', /copy it to where the index is$/],
];

for (const [what, spoil, file, remedy] of cases) {
  test(`${what}: named with a remedy`, DEADLINE, () => {
    spoiled(spoil);
    const failure = failureOf([], ...GENERATE, '--model', model);
    assert.ok(failure.includes(file) && failure.includes(model), failure);
    assert.match(failure, remedy);
  });
}

// `start` meets them in a worker, whose last words it repeats.
const BY_START = ['a broken chat_template.jinja', 'no tokenizer.json', 'weights that end in their data'];
for (const [what, spoil, file, remedy] of cases.filter(([name]) => BY_START.includes(name))) {
  test(`${what}: conclave start ends and names it`, DEADLINE, () => {
    spoiled(spoil);
    const failure = failureOf([], ...START, '--model', model);
    assert.ok(failure.includes(file) && failure.includes(model), failure);
    assert.match(failure, remedy);
  });
}

test('a model that is a file, or nowhere: named with a remedy', DEADLINE, () => {
  spoiled(() => {});
  const weights = join(model, 'model.safetensors');
  assert.match(failureOf([], ...GENERATE, '--model', weights), /model\.safetensors is a file; name the folder of the/);
  assert.match(failureOf([], ...GENERATE, '--model', join(root, 'none')), /none.config\.json does not exist; name a/);
});

test('a configuration that is a folder, or nowhere: named with a remedy', DEADLINE, () => {
  assert.match(failureOf([], ...START, '--config', root), MOVE);
  const nowhere = join(root, 'none.yaml');
  const failure = failureOf([], ...START, '--config', nowhere);
  assert.ok(failure.includes(`${nowhere} cannot be used (open: ENOENT): it does not exist: check the path.`));
});

/** Root can become another user, who can reach this checkout and the temporary folder. */
function canBeNobody(): boolean {
  const script = 'process.argv.slice(1).forEach((path) => require("fs").accessSync(path))';
  const [program = '', ...args] = [...AS_NOBODY, process.execPath, '-e', script, CONCLAVE, DEMO, root];
  return process.getuid?.() === 0 && spawnSync(program, args).status === 0;
}

const skip = canBeNobody() ? false : 'needs root, setpriv and folders that others may read';
test('files that this user may not read: named with a remedy', { ...DEADLINE, skip }, () => {
  const refuses = (path: string, ...args: readonly string[]) => {
    chmodSync(path, 0o600);
    const failure = failureOf(AS_NOBODY, ...args);
    assert.ok(failure.includes(`${path} cannot be used`), failure);
    assert.match(failure, /EACCES\): .* change its owner or permissions\.$/);
  };
  const settings = join(root, 'conclave.yaml');
  writeFileSync(settings, 'nodes: 1\n');
  refuses(settings, ...START, '--config', settings);
  spoiled(replace('model.safetensors', Buffer.alloc(8)));
  refuses(join(model, 'model.safetensors'), ...GENERATE, '--model', model);
  refuses(join(model, 'config.json'), ...GENERATE, '--model', model);
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home);
  chownSync(home, NOBODY, NOBODY);
  refuses(model, ...START, '--model', model);
});
