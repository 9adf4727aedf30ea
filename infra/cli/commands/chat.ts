// `conclave chat`: its options. What it does is in chat-run.ts.
import type { Command } from 'commander';
import { parsePositiveInteger, parseTemperature } from '../parse-option.ts';
import type { ChatOptions } from './chat-run.ts';

export function addChatCommand(program: Command): void {
  program
    .command('chat')
    .description('talk to a model of a gateway, in the terminal')
    .argument('[prompt]', 'one question; without it a conversation starts')
    .option('--url <url>', 'the gateway (default: what runs in the home folder)')
    .option('--key <key>', 'an API key with the scope chat')
    .option('--home <folder>', 'where `npm start` runs (default: $CONCLAVE_HOME or .conclave)')
    .option('--model <id>', 'default: the first that is served')
    .option('--system <text>', 'a system message')
    .option('--temperature <number>', '0 is greedy', parseTemperature)
    .option('--max-tokens <count>', 'tokens of an answer at most', parsePositiveInteger)
    .addHelpText('after', '\nExample:\n  conclave chat "Why is the sky blue?" --max-tokens 100')
    .action(async (prompt: string | undefined, options: ChatOptions) => {
      const { chatCommand } = await import('./chat-run.ts');
      await chatCommand(prompt, options);
    });
}
