// Workflows run elsewhere: here they are read, and what they call is looked up.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { z } from 'zod';
import { REPOSITORY_ROOT } from '../repository-root.ts';

const FOLDER = join(REPOSITORY_ROOT, '.github', 'workflows');

const action = z.strictObject({
  uses: z.string().regex(/^[\w-]+\/[\w-]+@v\d+$/),
  if: z.string().optional(),
  with: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
});
const job = z.strictObject({
  'runs-on': z.union([z.string(), z.array(z.string()).min(1)]),
  if: z.string().optional(),
  'timeout-minutes': z.int().min(1).max(360),
  steps: z.array(z.union([action, z.strictObject({ run: z.string() })])).min(1),
});
const workflow = z.strictObject({
  name: z.string(),
  on: z.record(z.string(), z.unknown()),
  jobs: z.record(z.string(), job),
});

const { scripts } = JSON.parse(readFileSync(join(REPOSITORY_ROOT, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
};

const workflows = readdirSync(FOLDER).map((file) => ({
  file,
  content: workflow.parse(parse(readFileSync(join(FOLDER, file), 'utf8'))),
}));

test('workflows are well-formed and run scripts that package.json has', () => {
  assert.ok(workflows.length > 0);
  for (const { file, content } of workflows) {
    for (const step of Object.values(content.jobs).flatMap(({ steps }) => steps)) {
      const script = 'run' in step ? /^npm run (\S+)/.exec(step.run)?.[1] : undefined;
      assert.ok(script === undefined || script in scripts, `${file}: npm run ${script}`);
    }
  }
});

test("a runner of one's own runs nothing that is merely pushed", () => {
  for (const { file, content } of workflows) {
    for (const [name, { 'runs-on': runner, if: condition }] of Object.entries(content.jobs)) {
      if (!runner.includes('self-hosted')) continue;
      assert.equal(condition, "github.event_name == 'workflow_dispatch'", `${file}: ${name}`);
    }
  }
});
