// `conclave doctor`: its options. What it does is in doctor-run.ts.
import type { Command } from 'commander';
import type { DoctorOptions } from './doctor-run.ts';

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('check whether this machine can build and run Conclave, and say what to do where it cannot')
    .option('--home <folder>', 'where keys, packs, queues and logs are kept (default: $CONCLAVE_HOME or .conclave)')
    .option('--config <file>', 'configuration (default: conclave.yaml, if there is one)')
    .option('--json', 'print one JSON object')
    .action(async (options: DoctorOptions) => {
      const { doctorCommand } = await import('./doctor-run.ts');
      await doctorCommand(options);
    });
}
