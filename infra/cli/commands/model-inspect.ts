// `conclave model inspect`: prints a ModelReport.
import { type Attention, expertShape, type Mlp, type Rotary } from '../../../native/model-description.ts';
import { describeCheckpoint } from '../../../workers/model/describe-checkpoint.ts';
import { inspectModel, type MatrixPart, type ModelReport } from '../../../workers/model/inspect-model.ts';
import type { WeightFormats } from '../../../workers/model/stored-model.ts';
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
export function describeReport(report: ModelReport): string {
  const { description, formats, parameters, bytes, share } = report;
  const { blocks, blockOfLayer } = description;
  const nodes = share.nodes === 1 ? 'one node' : `each of ${share.nodes} nodes`;
  const layersOf = (block: number): number => blockOfLayer.filter((kind) => kind === block).length;
  const lines: readonly (readonly [string, string])[] = [
    ['family', `${description.family}, ${describeFormats(formats)}`],
    ['layers', `${blockOfLayer.length} of width ${description.dModel}`],
    ...blocks.flatMap(({ attention, mlp }, kind): (readonly [string, string])[] => [
      ...(blocks.length === 1 ? [] : [[`kind ${kind + 1}`, `${layersOf(kind)} layers`] as const]),
      ['attention', describeAttention(attention)],
      ['rotary', describeRotary(attention.rotary)],
      ...describeMlp(mlp),
    ]),
    ['vocabulary', `${description.vocab} tokens`],
    ['context', `${description.maxContext} tokens`],
    ['parameters', `${formatParameters(parameters.total)}, ${formatParameters(parameters.active)} active`],
    ['bytes', formatBytes(bytes.total)],
    ['a weight', `${(bytes.total / parameters.total).toFixed(3)} bytes`],
    ...describeParts(report),
    [
      '  shared',
      `${formatBytes(bytes.shared)} (attention ${formatBytes(bytes.attention)}, lm_head ${formatBytes(bytes.lmHead)})`,
    ],
    ...describeExpertBytes(description, bytes.expert),
    ['  for a token', `${formatBytes(bytes.perToken)} read`],
    [`  ${nodes}`, `${formatBytes(share.bytesPerNode)} (shared and ${share.expertsPerNode} experts of each layer)`],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}

/** `ofAll`: bytes of one expert in every layer. */
function describeExpertBytes(model: ModelReport['description'], ofAll: number): readonly (readonly [string, string])[] {
  const { layers, experts } = expertShape(model);
  if (experts === 0) return [];
  const one = formatBytes(Math.round(ofAll / layers.length));
  return [['  one expert', `${one} in a layer, ${layers.length * experts} in all layers`]];
}

/** Formats of each part, and what a weight of it takes. */
function describeParts({ formatsOfParts, parameters, bytes }: ModelReport): (readonly [string, string])[] {
  return Object.entries(formatsOfParts).map(([part, formats]) => {
    const key = part as MatrixPart;
    const each = (bytes[key] / parameters[key]).toFixed(3);
    return [`  ${PART_NAMES[key]}`, `${formats.join(' and ')}, ${each} bytes`] as const;
  });
}

const PART_NAMES: Readonly<Record<MatrixPart, string>> = {
  embedding: 'embedding',
  attention: 'attention',
  routers: 'routers',
  dense: 'dense MLPs',
  lmHead: 'lm_head',
  expert: 'experts',
};

/** `bf16`, or `bf16, router f32`. */
function describeFormats(formats: WeightFormats): string {
  return Object.entries(formats)
    .map(([key, format]) => (key === '*' ? format : `${key} ${format}`))
    .join(', ');
}

function describeAttention({ heads, headDim, kvHeads, window, sinks, clip }: Attention): string {
  return [
    `${heads} heads of ${headDim}, ${kvHeads} for keys and values`,
    ...(clip === null ? [] : [`qkv clipped at ${clip}`]),
    ...(window === null ? [] : [`a window of ${window} positions`]),
    ...(sinks ? ['sinks'] : []),
  ].join(', ');
}

function describeRotary(rotary: Rotary | null): string {
  if (rotary === null) return 'none';
  const { table, dims } = rotary;
  return `base ${table.theta}, ${dims} dimensions${table.kind === 'default' ? '' : `, ${table.kind}`}`;
}

function describeMlp(mlp: Mlp): (readonly [string, string])[] {
  if (mlp.kind === 'dense') return [['MLP', `dense, of inner width ${mlp.mlp.width}`]];
  const { router, expert, shared } = mlp;
  return [
    ['experts', `${router.experts} of inner width ${expert.width}, ${router.topK} for each token`],
    ...(shared === null ? [] : [['shared expert', `of inner width ${shared.mlp.width}`] as const]),
  ];
}
