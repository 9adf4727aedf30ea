// Every change that an operator makes is written to the audit log before it is made: what cannot be logged is not done.
import type { GatewayContext } from '../environment.ts';
import type { GatewayParts } from '../parts.ts';

/** What is about to change: a verb with the kind of its object (`key.revoke`), and the object's id. */
export interface Change {
  readonly action: string;
  readonly target: string;
}

/** Writes an audit entry, makes the change, and writes another entry if it fails. @throws the errors of `work` or the log. */
export async function audited<T>(
  parts: GatewayParts,
  c: GatewayContext,
  change: Change,
  work: () => Promise<T>,
): Promise<T> {
  const { subject: who, tenant } = c.get('principal');
  await parts.audit.append({ who, tenant, ...change, outcome: 'allowed' });
  try {
    return await work();
  } catch (error) {
    await parts.audit.append({ who, tenant, ...change, outcome: 'failed' });
    throw error;
  }
}
