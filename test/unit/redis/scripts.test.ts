import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { KEYS, prefixes, singleKeys } from '../../../infra/redis/keys.ts';
import { SCRIPT_ERRORS, throwIfErrorCode } from '../../../infra/redis/script-errors.ts';
import { readScripts, SCRIPT_NAMES } from '../../../infra/redis/scripts.ts';
import { REPOSITORY_ROOT } from '../../repository-root.ts';

test('the list of scripts and the folder name the same scripts', () => {
  assert.deepEqual([...readScripts().keys()].sort(), [...SCRIPT_NAMES].sort());
});

test('every script says what it does, and reads as many keys as its name says', () => {
  for (const [name, { numberOfKeys, lua }] of readScripts()) {
    const body = lua.replace(/^local function bullmq_(\w+)[\s\S]*?^end -- \1$/gm, '');
    assert.match(body, /^-- [A-Z]/, `${name} starts with a description`);
    const used = [...body.matchAll(/KEYS\[(\d+)\]/g)].map((match) => Number(match[1]));
    for (const index of used) assert.ok(index <= numberOfKeys, `${name} uses KEYS[${index}]`);
    assert.doesNotMatch(body, /-- @|bullmq_\w+\(KEYS/, `${name} has all of its includes`);
  }
});

test('scripts take every key name from keys.ts', () => {
  const folder = join(REPOSITORY_ROOT, 'infra', 'redis', 'lua');
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (file.endsWith('.lua')) assert.doesNotMatch(readFileSync(join(folder, file), 'utf8'), /['"]cv:/, file);
  }
  for (const [name, { lua }] of readScripts()) assert.doesNotMatch(lua, /\b[PKL]\.\w/, name);
});

test('every prefix and single key stands in the table of keys', () => {
  const patterns = new Set(KEYS.map(({ pattern }) => pattern));
  for (const prefix of Object.values(prefixes)) assert.ok(patterns.has(`${prefix}*`), prefix);
  for (const key of Object.values(singleKeys)) assert.ok(patterns.has(key), key);
  assert.equal(patterns.size, Object.keys(prefixes).length + Object.keys(singleKeys).length);
});

test('every negative reply is the error of its code', () => {
  for (const [code, { code: expected, message }] of Object.entries(SCRIPT_ERRORS)) {
    assert.throws(() => throwIfErrorCode(Number(code)), { code: expected, message });
    assert.throws(() => throwIfErrorCode([Number(code), 'more']), { code: expected, message });
  }
  assert.throws(() => throwIfErrorCode(-99), { code: 'internal' });
});

test('other replies pass', () => {
  for (const reply of [0, 1, null, 'text', [1, -1], []]) assert.equal(throwIfErrorCode(reply), reply);
});
