// Shared frame of the administration commands: open an administrator, do the work, close it, print the result.
import type { Administrator } from './administrator.ts';
import { type AdministratorOptions, openAdministrator } from './open-administrator.ts';

export interface AdministerOptions extends AdministratorOptions {
  readonly json?: boolean;
}

/** Opens an administrator for `work` and closes it, even if `work` fails. */
export async function administer<T>(
  options: AdministratorOptions,
  work: (admin: Administrator) => Promise<T>,
): Promise<T> {
  const admin = openAdministrator(options);
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

/** Writes the result to stdout: as JSON with --json, otherwise as text. */
export function printResult({ json }: AdministerOptions, value: unknown, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(value)}\n` : text);
}
