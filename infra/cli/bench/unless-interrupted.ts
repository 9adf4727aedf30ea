// Ctrl-C during a bench: what it started has to be stopped before it ends.
import { DomainError } from '../../errors/domain-error.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Settles as `work` does; rejects with DomainError `cancelled` on SIGINT or SIGTERM, so that the caller can clean up. */
export async function unlessInterrupted<T>(work: Promise<T>): Promise<T> {
  let stop = (): void => {};
  const interruption = new Promise<never>((_, reject) => {
    stop = () => reject(new DomainError('cancelled', 'The bench was interrupted.'));
  });
  for (const signal of SIGNALS) process.on(signal, stop);
  try {
    return await Promise.race([work, interruption]);
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}
