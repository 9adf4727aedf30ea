// The home folder, which contains packs, Redis files and keys.

const DEFAULT_HOME = '.conclave';

/** The folder given by --home, else by CONCLAVE_HOME, else `.conclave` in the working directory. */
export function homeFolder(option: string | undefined, environment: NodeJS.ProcessEnv): string {
  return option ?? environment['CONCLAVE_HOME'] ?? DEFAULT_HOME;
}
