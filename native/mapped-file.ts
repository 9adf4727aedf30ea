// A read-only memory-mapped file: checkpoints are read and packs are served through it.
import type { AddonMappedFile } from './addon-types.ts';
import { loadAddon } from './load-addon.ts';
import { NativeError, toNativeError } from './native-error.ts';
import { formatNumber, type PlainFormat } from './weight-format.ts';

/** Where a matrix lies in a file: element (o, i) at `offset + (o * outputStride + i * inputStride) * bytesPerWeight`. */
export interface StridedMatrix {
  readonly offset: number;
  readonly dtype: PlainFormat;
  readonly outputs: number;
  readonly inputs: number;
  readonly outputStride: number;
  readonly inputStride: number;
}

/** Panel p of a matrix goes to slot `p * step + offset`: step 2 interleaves two matrices. */
export interface PanelSlots {
  readonly step: number;
  readonly offset: number;
}

export class MappedFile {
  readonly path: string;
  readonly size: number;
  #raw: AddonMappedFile | null;

  private constructor(path: string, raw: AddonMappedFile) {
    this.path = path;
    this.size = raw.size;
    this.#raw = raw;
  }

  /** Maps the file. Throws NativeError `io` naming the path. */
  static open(path: string): MappedFile {
    return new MappedFile(
      path,
      guarded(() => loadAddon().mapFile(path)),
    );
  }

  /** The addon's object, for other classes of this folder. */
  get raw(): AddonMappedFile {
    if (this.#raw === null) throw new NativeError('closed', `${this.path} is closed`);
    return this.#raw;
  }

  read(offset: number, length: number): Uint8Array {
    return guarded(() => this.raw.read(offset, length));
  }

  populate(offset: number, length: number): void {
    guarded(() => this.raw.populate(offset, length));
  }

  release(offset: number, length: number): void {
    guarded(() => this.raw.release(offset, length));
  }

  /** Writes a matrix of this file into `out` in the kernels' layout (core/panel-layout.h). */
  packPanels(matrix: StridedMatrix, out: Uint8Array, slots: PanelSlots): void {
    const { offset, dtype, outputs, inputs, outputStride, inputStride } = matrix;
    guarded(() =>
      this.raw.packPanels(
        offset,
        formatNumber(dtype),
        outputs,
        inputs,
        outputStride,
        inputStride,
        out,
        slots.step,
        slots.offset,
      ),
    );
  }

  /** Unmaps once no session uses it any more; the object is unusable at once. */
  close(): void {
    this.#raw?.close();
    this.#raw = null;
  }
}

function guarded<T>(call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    throw toNativeError(thrown);
  }
}
