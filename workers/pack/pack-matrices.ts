// Matrices of a packed format -> the bytes of their section, piece by piece. Several of one shape are interleaved panel by
// panel, as gate and up are.
import type { ByteRows, PackedMatrix } from '../../native/packed-matrix.ts';
import { packMatrix } from '../../native/packed-matrix.ts';
import { PANEL_OUTPUTS, panelBytes } from '../../native/weight-format.ts';
import { panelCount } from './place-sections.ts';

/** Largest chunk, in bytes, unless one panel is larger. */
const CHUNK_BYTES = 16 * 1024 * 1024;

/** Throws NativeError `invalid_argument` naming output and input where a code or a scale is not a number. */
export function* packMatrices(matrices: readonly PackedMatrix[]): Generator<Uint8Array> {
  const [first] = matrices;
  if (first === undefined) return;
  const slotBytes = panelBytes(first.format, first.inputs) * matrices.length;
  const step = Math.max(1, Math.floor(CHUNK_BYTES / slotBytes));
  const count = panelCount(first.outputs);
  for (let panel = 0; panel < count; panel += step) {
    const panels = Math.min(step, count - panel);
    const out = new Uint8Array(panels * slotBytes);
    for (const [slot, matrix] of matrices.entries()) {
      packMatrix(outputsOf(matrix, panel, panels), out, { step: matrices.length, offset: slot });
    }
    yield out;
  }
}

/** Some panels' outputs of a matrix. */
function outputsOf(matrix: PackedMatrix, panel: number, panels: number): PackedMatrix {
  const first = panel * PANEL_OUTPUTS;
  const from = (rows: ByteRows): ByteRows => ({ ...rows, offset: rows.offset + first * rows.stride });
  return {
    ...matrix,
    outputs: Math.min(panels * PANEL_OUTPUTS, matrix.outputs - first),
    codes: from(matrix.codes),
    scales: from(matrix.scales),
    biases: matrix.biases === null ? null : from(matrix.biases),
  };
}
