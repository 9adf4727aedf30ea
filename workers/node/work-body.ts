// The body of a work frame: rows and experts of its slots, i32 each, then the experts' input of every row that occurs. Pure.
import type { LayerFrame } from '../../infra/messages/layer-frame.ts';
import type { ExpertWork } from '../../native/model-session.ts';

const WORD = Int32Array.BYTES_PER_ELEMENT;

/** What is known of the layer at hand. */
export interface RoutedRows {
  readonly topK: number;
  /** Bytes of a row. */
  readonly rowBytes: number;
  /** [rows, topK] */
  readonly experts: Int32Array;
}

/** slots ascend; `padding` experts are added for the first of their rows. hidden: [rows, dModel] of the whole step. */
export function encodeWork(
  slots: Int32Array,
  padding: readonly number[],
  { topK, rowBytes, experts }: RoutedRows,
  hidden: Uint8Array,
): { readonly body: Buffer; readonly rows: number } {
  const count = slots.length + padding.length;
  const words = new Int32Array(count * 2);
  const sent: number[] = [];
  for (let index = 0; index < slots.length; index += 1) {
    const slot = slots[index] ?? 0;
    const row = Math.floor(slot / topK);
    if (sent.at(-1) !== row) sent.push(row);
    words[index] = sent.length - 1;
    words[count + index] = experts[slot] ?? 0;
  }
  // Padding alone still needs a row to be computed with.
  if (sent.length === 0) sent.push(0);
  words.set(padding, count + slots.length);
  const body = Buffer.allocUnsafeSlow(words.byteLength + sent.length * rowBytes);
  body.set(new Uint8Array(words.buffer));
  for (const [index, row] of sent.entries()) {
    body.set(hidden.subarray(row * rowBytes, (row + 1) * rowBytes), words.byteLength + index * rowBytes);
  }
  return { body, rows: sent.length };
}

/** The work of a frame whose sizes are known to be right, to be computed into `outputs`. */
export function decodeWork(frame: LayerFrame, outputs: Uint8Array): ExpertWork {
  const words = new Int32Array(new Uint8Array(frame.body.subarray(0, frame.slots * 2 * WORD)).buffer);
  return {
    layer: frame.layer,
    rows: words.subarray(0, frame.slots),
    experts: words.subarray(frame.slots),
    hidden: { data: frame.body.subarray(words.byteLength), rows: frame.rows },
    outputs,
  };
}
