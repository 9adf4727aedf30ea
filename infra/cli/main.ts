// The `conclave` command. In: process.argv. Out: an exit code; results on stdout, everything else on stderr. Commands load
// what they need when they run, so that --help is quick.
import { Command } from 'commander';
import { addBenchCommand } from './commands/bench.ts';
import { addChatCommand } from './commands/chat.ts';
import { addDoctorCommand } from './commands/doctor.ts';
import { addGenerateCommand, addLogitsCommand } from './commands/generate.ts';
import { addKeyCommand } from './commands/key.ts';
import { addModelCommand } from './commands/model.ts';
import { addNodeCommand } from './commands/node.ts';
import { addPlanCommand } from './commands/plan.ts';
import { addStartCommand } from './commands/start.ts';
import { addTenantCommand } from './commands/tenant.ts';
import { reportFailure } from './report-failure.ts';

const program = new Command('conclave')
  .description('Serve a private Mixture-of-Experts language model on your own machines.')
  .showHelpAfterError('(run with --help to list the options)');

addStartCommand(program);
addNodeCommand(program);
addGenerateCommand(program);
addLogitsCommand(program);
addModelCommand(program);
addChatCommand(program);
addKeyCommand(program);
addTenantCommand(program);
addDoctorCommand(program);
addBenchCommand(program);
addPlanCommand(program);

try {
  await program.parseAsync();
} catch (thrown) {
  process.exitCode = 1;
  reportFailure(thrown, process.argv.includes('--json'));
}
