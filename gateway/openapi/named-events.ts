// The events of an API whose events have names.
import type { z } from '@hono/zod-openapi';

export interface NamedEvents {
  /** Names their components. */
  readonly prefix: string;
  /** A schema by the name of each event. */
  readonly events: Readonly<Record<string, z.ZodType>>;
}
