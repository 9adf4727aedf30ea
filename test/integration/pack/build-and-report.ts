// Run as a child process: loads the model argv[2] with home argv[3] and sends what it is doing to its parent.
import { loadModel } from '../../../workers/model/load-model.ts';

const [folder = '', home = ''] = process.argv.slice(2);
const events = {
  onProgress: ({ what }: { what: string }) => process.send?.(what),
  onWait: () => process.send?.('waiting'),
};
(await loadModel({ folder, home, packs: 'all', events })).close();
process.disconnect();
