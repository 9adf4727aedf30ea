// Findings of `conclave doctor` on a Mac: the GPU, and the settings of docs/operate/apple.md. In: facts. Out: findings.
import { spawnSync } from 'node:child_process';
import { gpuProperties } from '../../native/model-session.ts';
import type { Finding } from './finding.ts';
import { formatBytes } from './format-bytes.ts';

export interface MacFacts {
  /** The GPU, or the reason why it cannot be used. */
  readonly gpu: { readonly name: string; readonly className: string; readonly workingSetBytes: number } | string;
  readonly memoryBytes: number;
  /** `sw_vers -productVersion`. */
  readonly macos: string;
  /** Minutes of inactivity before the system sleeps, 0 for never; null if `pmset` does not report it. */
  readonly sleepMinutes: number | null;
}

/** First version with residency sets. */
const RESIDENCY_MACOS = 15;
/** Memory reserved for the system and other processes. */
const MIN_RESERVE_BYTES = 8 * 1024 ** 3;
const RESERVE_SHARE = 1 / 16;
/** Below this share of the memory, the GPU's limit is worth a warning. */
const USUAL_SHARE = 0.8;

/** One finding per line of the table in docs/operate/apple.md. */
export function checkMac(facts: MacFacts): readonly Finding[] {
  return [checkGpu(facts), checkWiredLimit(facts), checkMacos(facts), checkSleep(facts)];
}

function checkGpu({ gpu }: MacFacts): Finding {
  if (typeof gpu === 'string') return { what: 'gpu', state: 'warn', detail: `${gpu}; computing on the CPU` };
  return {
    what: 'gpu',
    state: 'ok',
    detail: `${gpu.name} (${gpu.className}); not yet verified, see docs/operate/apple.md`,
  };
}

function checkWiredLimit({ gpu, memoryBytes }: MacFacts): Finding {
  const what = 'wired';
  if (typeof gpu === 'string') return { what, state: 'ok', detail: 'not needed without a GPU' };
  const detail = `the GPU may use ${formatBytes(gpu.workingSetBytes)} of ${formatBytes(memoryBytes)}`;
  if (gpu.workingSetBytes >= memoryBytes * USUAL_SHARE) return { what, state: 'ok', detail };
  const reserve = Math.max(MIN_RESERVE_BYTES, memoryBytes * RESERVE_SHARE);
  const megabytes = Math.floor((memoryBytes - reserve) / 1024 ** 2);
  if (megabytes * 1024 ** 2 <= gpu.workingSetBytes) return { what, state: 'ok', detail };
  const remedy = `raise it for large models: sudo sysctl iogpu.wired_limit_mb=${megabytes}`;
  return { what, state: 'warn', detail: `${detail}; ${remedy}` };
}

function checkMacos({ macos }: MacFacts): Finding {
  const recent = Number(macos.split('.')[0]) >= RESIDENCY_MACOS;
  const detail = recent
    ? macos
    : `${macos}; upgrade to ${RESIDENCY_MACOS} or newer, which keeps weights wired (residency sets)`;
  return { what: 'macos', state: recent ? 'ok' : 'warn', detail };
}

function checkSleep({ sleepMinutes }: MacFacts): Finding {
  const what = 'sleep';
  if (sleepMinutes === 0) return { what, state: 'ok', detail: 'never sleeps' };
  const when =
    sleepMinutes === null
      ? 'pmset does not report when this Mac sleeps'
      : `this Mac sleeps after ${sleepMinutes} minutes`;
  return { what, state: 'warn', detail: `${when}, which takes its node down; disable it: sudo pmset -a sleep 0` };
}

/** Reads the facts from the system and the GPU. */
export function readMacFacts(memoryBytes: number): MacFacts {
  return {
    gpu: readGpu(),
    memoryBytes,
    macos: ask('sw_vers', '-productVersion').trim(),
    sleepMinutes: parseSleep(ask('pmset', '-g')),
  };
}

/** The line `sleep <minutes>` of `pmset -g`. */
export function parseSleep(settings: string): number | null {
  const minutes = /^\s*sleep\s+(\d+)/m.exec(settings)?.[1];
  return minutes === undefined ? null : Number(minutes);
}

function readGpu(): MacFacts['gpu'] {
  try {
    return gpuProperties('metal');
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

function ask(command: string, argument: string): string {
  return spawnSync(command, [argument], { encoding: 'utf8' }).stdout ?? '';
}
