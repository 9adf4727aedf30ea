// `conclave model inspect`: prints a ModelReport.
import { describeCheckpoint } from '../../../workers/model/describe-checkpoint.ts';
import { inspectModel, type ModelReport } from '../../../workers/model/inspect-model.ts';
import { formatBytes, formatParameters } from '../format-bytes.ts';

export interface InspectOptions {
  readonly nodes: number;
  readonly json?: true;
}

export async function inspectCommand(folder: string, options: InspectOptions): Promise<void> {
  const { description } = await describeCheckpoint(folder);
  const report = inspectModel(description, options.nodes);
  process.stdout.write(options.json === true ? `${JSON.stringify(report)}\n` : describeReport(report));
}

/** The report as a table of lines. */
export function describeReport({ description, parameters, bytes, share }: ModelReport): string {
  const { attention, router, expert } = description;
  const nodes = share.nodes === 1 ? 'one node' : `each of ${share.nodes} nodes`;
  const lines: readonly (readonly [string, string])[] = [
    ['family', `${description.family}, ${description.dtype}`],
    ['layers', `${description.layers} of width ${description.dModel}`],
    ['attention', `${attention.heads} heads of ${attention.headDim}, ${attention.kvHeads} for keys and values`],
    [
      'rotary base',
      `${attention.ropeTheta}${attention.clipQkv === null ? '' : `, qkv clipped at ${attention.clipQkv}`}`,
    ],
    ['experts', `${router.experts} of inner width ${expert.ffn}, ${router.topK} for each token`],
    ['vocabulary', `${description.vocab} tokens`],
    ['context', `${description.maxContext} tokens`],
    ['parameters', `${formatParameters(parameters.total)}, ${formatParameters(parameters.active)} active`],
    ['bytes', formatBytes(bytes.total)],
    [
      '  shared',
      `${formatBytes(bytes.shared)} (attention ${formatBytes(bytes.attention)}, lm_head ${formatBytes(bytes.lmHead)})`,
    ],
    ['  one expert', formatBytes(bytes.expert)],
    ['  for a token', `${formatBytes(bytes.perToken)} read`],
    [`  ${nodes}`, `${formatBytes(share.bytesPerNode)} (shared and ${share.expertsPerNode} experts)`],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}
