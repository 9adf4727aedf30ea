// `npm test`: every *.test.js below dist/test, or those whose path contains one of the arguments. The last line counts.
import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const built = join(root, 'dist', 'test');
const wanted = process.argv.slice(2);

const files = readdirSync(built, { recursive: true })
  .filter((name) => name.endsWith('.test.js'))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .sort()
  .map((name) => join(built, name));

if (files.length === 0) {
  console.error(`No test files below ${relative(root, built)} match ${wanted.join(' ') || 'anything'}.`);
  process.exit(1);
}

const counts = { passed: 0, failed: 0, skipped: 0 };
const isSuite = (event) => event.details?.type === 'suite';
const events = run({ files, concurrency: 2, timeout: 600_000 });
events.on('test:pass', (event) => {
  if (isSuite(event)) return;
  if (event.skip === undefined && event.todo === undefined) counts.passed += 1;
  else counts.skipped += 1;
});
events.on('test:fail', () => {
  counts.failed += 1;
});

const report = events.compose(spec());
report.pipe(process.stdout, { end: false });
await finished(report);
console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
