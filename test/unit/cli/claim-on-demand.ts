// Run as a child process: claims the home argv[2] and releases it whenever its parent says so, and answers what came of it.
// Without a parent to talk to it claims it once.
import { claimHome } from '../../../infra/cli/supervise/claim-home.ts';

const [home = ''] = process.argv.slice(2);
let release = (): void => {};

function claim(): string {
  try {
    release = claimHome(home);
    return 'claimed';
  } catch (thrown) {
    return String(thrown);
  }
}

function letGo(): string {
  release();
  release = () => {};
  return 'released';
}

if (process.send === undefined) claimHome(home);
process.on('message', (what) => process.send?.(what === 'claim' ? claim() : letGo()));
process.send?.('ready');
