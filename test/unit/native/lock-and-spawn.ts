// Run as a child process: locks the file argv[2], starts a process that outlives it, and sends that one's id to its parent.
import { spawn } from 'node:child_process';
import { FileLock } from '../../../native/file-lock.ts';

const lock = FileLock.tryAcquire(process.argv[2] ?? '', 'child');
if (lock === null) throw new Error('The lock is taken.');
const { pid } = spawn('sleep', ['60'], { stdio: 'ignore', detached: true });
process.send?.(pid);
