// Options of `conclave doctor`, which doctor-run.ts implements.
import type { Command } from 'commander';
import type { DoctorOptions } from './doctor-run.ts';

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('check whether this machine can build and run Conclave, with a remedy for each problem')
    .option('--home <folder>', 'folder of keys, packs, queues and logs (default: $CONCLAVE_HOME or .conclave)')
    .option('--config <file>', 'configuration file (default: conclave.yaml, if it exists)')
    .option('--json', 'print one JSON object')
    .action(async (options: DoctorOptions) => {
      const { doctorCommand } = await import('./doctor-run.ts');
      await doctorCommand(options);
    });
}
