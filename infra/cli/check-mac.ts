// What `conclave doctor` says about a Mac: its GPU, and the settings of docs/operate/apple.md. In: facts. Out: findings.
import { spawnSync } from 'node:child_process';
import { gpuProperties } from '../../native/model-session.ts';
import type { Finding } from './finding.ts';
import { formatBytes } from './format-bytes.ts';

export interface MacFacts {
  /** The GPU, or why there is none. */
  readonly gpu: { readonly name: string; readonly className: string; readonly workingSetBytes: number } | string;
  readonly memoryBytes: number;
  /** `sw_vers -productVersion`. */
  readonly macos: string;
  /** Minutes after which `pmset` puts the system to sleep, 0 never; null when it did not say. */
  readonly sleepMinutes: number | null;
}

/** Residency sets. */
const RESIDENCY_MACOS = 15;
/** What the system and the processes should keep. */
const MIN_RESERVE_BYTES = 8 * 1024 ** 3;
const RESERVE_SHARE = 1 / 16;
/** More than this part of the memory out of the GPU's reach is worth a line. */
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
  if (typeof gpu === 'string') return { what, state: 'ok', detail: 'no GPU to wire memory for' };
  const detail = `the GPU may hold ${formatBytes(gpu.workingSetBytes)} of ${formatBytes(memoryBytes)}`;
  if (gpu.workingSetBytes >= memoryBytes * USUAL_SHARE) return { what, state: 'ok', detail };
  const reserve = Math.max(MIN_RESERVE_BYTES, memoryBytes * RESERVE_SHARE);
  const megabytes = Math.floor((memoryBytes - reserve) / 1024 ** 2);
  if (megabytes * 1024 ** 2 <= gpu.workingSetBytes) return { what, state: 'ok', detail };
  const remedy = `large models need more: sudo sysctl iogpu.wired_limit_mb=${megabytes}`;
  return { what, state: 'warn', detail: `${detail}; ${remedy}` };
}

function checkMacos({ macos }: MacFacts): Finding {
  const recent = Number(macos.split('.')[0]) >= RESIDENCY_MACOS;
  const detail = recent ? macos : `${macos}; from ${RESIDENCY_MACOS} on weights stay wired (residency sets)`;
  return { what: 'macos', state: recent ? 'ok' : 'warn', detail };
}

function checkSleep({ sleepMinutes }: MacFacts): Finding {
  const what = 'sleep';
  if (sleepMinutes === 0) return { what, state: 'ok', detail: 'never sleeps' };
  const when =
    sleepMinutes === null ? 'pmset does not say when this Mac sleeps' : `sleeps after ${sleepMinutes} minutes`;
  return { what, state: 'warn', detail: `${when}; a sleeping node is a dead node: sudo pmset -a sleep 0` };
}

/** Asks the system and the GPU. */
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
