// Entry of `npm run demo-model:eval`. In: process.argv. Out: an exit code.
import { Command } from 'commander';
import { DEMO_MODEL } from '../../package-facts.ts';
import { reportFailure } from '../report-failure.ts';
import { type DemoEvalOptions, demoEval } from './demo-eval.ts';

const program = new Command('npm run demo-model:eval --')
  .description("Ask the demo model's held-out prompts over HTTP, and compare with PyTorch's answers.")
  .option('--model <folder>', 'the checkpoint; with --url its name is what is asked for', DEMO_MODEL)
  .option('--skill <name>', 'only this skill')
  .option('--url <url>', 'ask this server (default: start one as `npm start` does)')
  .option('--key <key>', 'an API key of that server')
  .option('--wrong', 'print each wrong answer')
  .option('--json', 'print one JSON object')
  .addHelpText('after', '\nExample:\n  npm run demo-model:eval -- --skill counting --wrong')
  .action((options: DemoEvalOptions) => demoEval(options));

try {
  await program.parseAsync();
} catch (thrown) {
  process.exitCode = 1;
  reportFailure(thrown, process.argv.includes('--json'));
}
