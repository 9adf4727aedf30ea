// Options of `conclave chat`, which chat-run.ts implements.
import type { Command } from 'commander';
import { parsePositiveInteger, parseTemperature } from '../parse-option.ts';
import type { ChatOptions } from './chat-run.ts';

export function addChatCommand(program: Command): void {
  program
    .command('chat')
    .description('chat with a model in the terminal')
    .argument('[prompt]', 'a single question; omit it to start a conversation')
    .option('--url <url>', 'the gateway (default: the one that runs in the home folder)')
    .option('--key <key>', 'API key with the scope chat')
    .option('--home <folder>', 'home folder of `npm start` (default: $CONCLAVE_HOME or .conclave)')
    .option('--model <id>', 'model id (default: the first one served)')
    .option('--system <text>', 'system message')
    .option('--temperature <number>', '0 is greedy', parseTemperature)
    .option('--max-tokens <count>', 'maximum tokens per answer', parsePositiveInteger)
    .addHelpText('after', '\nExample:\n  conclave chat "Why is the sky blue?" --max-tokens 100')
    .action(async (prompt: string | undefined, options: ChatOptions) => {
      const { chatCommand } = await import('./chat-run.ts');
      await chatCommand(prompt, options);
    });
}
