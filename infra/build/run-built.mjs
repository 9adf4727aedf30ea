// `npm start`: the command, after what ensure-built.mjs does, in one process: a second one would delay the first answer.
import './ensure-built.mjs';

if (process.exitCode === undefined) await import('../cli/conclave.mjs');
