// `conclave plan --models`: published checkpoints and what they need. Pure.
import { formatBytes } from '../format-bytes.ts';
import { formatTable } from '../format-table.ts';

export interface ModelNeeds {
  readonly name: string;
  /** Of the weights. */
  readonly bytes: number;
  /** With the keys and values of one stream. */
  readonly memory: number;
  /** Least number; null where a node has no room for what all of them hold. */
  readonly nodes: number | null;
}

export function describeModels(models: readonly ModelNeeds[], machine: string, context: number): string {
  const rows = models.map(({ name, bytes, memory, nodes }) => [
    name,
    formatBytes(bytes),
    formatBytes(memory),
    nodes === null ? 'none fits' : String(nodes),
  ]);
  return `${formatTable(['model', 'weights', `with ${context} tokens`, `nodes (${machine})`], rows)}\n`;
}
