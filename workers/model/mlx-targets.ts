// The tensors of a checkpoint as MLX has it, and where their values are in another. In: sections with their sources, and the family's
// tensors in MLX. Out: targets in the order of execution. Pure.
import type { WeightRole } from '../../native/weight-sections.ts';
import type { SectionSource } from './families/model-family.ts';
import type { MatrixSource, PlannedSection, SectionContent, VectorSource } from './weight-plan.ts';

/** Rows of a matrix, or elements of a vector. */
export type TargetPart =
  | { readonly kind: 'matrix'; readonly role: WeightRole; readonly source: MatrixSource }
  | { readonly kind: 'vector'; readonly role: WeightRole; readonly source: VectorSource };

export interface MlxTarget {
  readonly name: string;
  readonly shape: readonly number[];
  /** What fills it, from its first element to its last. */
  readonly parts: readonly TargetPart[];
}

interface PlacedPart {
  readonly first: number;
  readonly part: TargetPart;
}

export function mlxTargets(sections: readonly PlannedSection[], mlx: SectionSource): readonly MlxTarget[] {
  const targets = new Map<string, { shape: readonly number[]; placed: PlacedPart[] }>();
  for (const section of sections) {
    const to = piecesOf(mlx(section));
    for (const [index, source] of piecesOf(section.content).entries()) {
      const place = to[index];
      if (place === undefined) throw new TypeError(`${section.role} has fewer tensors in MLX`);
      const { tensor, tensorShape, first } = place;
      const target = targets.get(tensor) ?? { shape: tensorShape, placed: [] };
      targets.set(tensor, target);
      target.placed.push({ first, part: partOf(section, source) });
    }
  }
  return [...targets].map(([name, { shape, placed }]) => {
    const parts = placed.toSorted((a, b) => a.first - b.first).map(({ part }) => part);
    return { name, shape, parts };
  });
}

function piecesOf(content: SectionContent): readonly (MatrixSource | VectorSource)[] {
  return content.kind === 'panels' ? content.sources : [content.source];
}

function partOf({ role }: PlannedSection, source: MatrixSource | VectorSource): TargetPart {
  return 'length' in source ? { kind: 'vector', role, source } : { kind: 'matrix', role, source };
}
