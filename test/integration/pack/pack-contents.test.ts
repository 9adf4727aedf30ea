// What is in a pack, against the plainest reading of the checkpoint and of core/panel-layout.h.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { PlainFormat } from '../../../native/weight-format.ts';
import type { WeightRole } from '../../../native/weight-sections.ts';
import { readCheckpointIndex } from '../../../workers/model/checkpoint-index.ts';
import { loadModel } from '../../../workers/model/load-model.ts';
import { openCheckpoint } from '../../../workers/model/open-checkpoint.ts';
import type { OpenedPack, OpenedPacks } from '../../../workers/pack/open-packs.ts';
import { widenFloats } from '../../../workers/pack/widen-floats.ts';
import { syntheticModel } from '../../synthetic-model.ts';
import { temporaryFolder } from '../../temporary-folder.ts';

const SILENT = { onProgress: () => undefined, onWait: () => undefined };

interface Fixture {
  readonly packs: OpenedPacks;
  readonly dtype: PlainFormat;
  /** A tensor of the checkpoint, as floats. */
  tensor(name: string): Float32Array;
  /** `count` weights of a file from `offset` on, as floats. */
  section(file: { read(offset: number, length: number): Uint8Array }, offset: number, count: number): Float32Array;
}

async function fixture(context: TestContext, dtype: PlainFormat): Promise<Fixture> {
  const parent = await temporaryFolder(context);
  const folder = await syntheticModel(parent, 'model', { dtype });
  const packs = await loadModel({ folder, home: parent, packs: 'all', events: SILENT });
  const checkpoint = openCheckpoint(await readCheckpointIndex(folder));
  context.after(() => {
    packs.close();
    checkpoint.close();
  });
  const bytes = dtype === 'f32' ? 4 : 2;
  return {
    packs,
    dtype,
    tensor(name) {
      const { file, offset, shape } = checkpoint.tensor(name);
      return widenFloats(
        file.read(
          offset,
          shape.reduce((product, size) => product * size, bytes),
        ),
        dtype,
      );
    },
    section: (file, offset, count) => widenFloats(file.read(offset, count * bytes), dtype),
  };
}

/** Panels of the matrix whose element (output, input) is `at(output, input)`; `slots` matrices take turns, panel by panel. */
function panels(
  dtype: PlainFormat,
  outputs: number,
  inputs: number,
  slots: readonly ((output: number, input: number) => number | undefined)[],
): Float32Array {
  const paddedInputs = inputs + (inputs % 2);
  const result: number[] = [];
  for (let panel = 0; panel * 32 < outputs; panel += 1) {
    for (const at of slots) {
      const value = (lane: number, input: number): number =>
        panel * 32 + lane < outputs && input < inputs ? (at(panel * 32 + lane, input) ?? Number.NaN) : 0;
      const step = dtype === 'bf16' ? 2 : 1;
      for (let input = 0; input < paddedInputs; input += step) {
        for (let lane = 0; lane < 32; lane += 1) {
          for (let odd = 0; odd < step; odd += 1) result.push(value(lane, input + odd));
        }
      }
    }
  }
  return Float32Array.from(result);
}

function offsetOf({ sections }: OpenedPack, role: WeightRole, layer: number | null): number {
  const section = sections.find((one) => one.role === role && one.layer === layer);
  assert.ok(section !== undefined, `${role} of layer ${layer}`);
  return section.offset;
}

// The small model: dModel 60, vocabulary 301, ffn 37, 3 experts, heads 6 + 2 * 2 of 10.
for (const dtype of ['bf16', 'f16', 'f32'] as const) {
  test(`shared pack of a ${dtype} model: rows, panels and f32 norms`, async (t) => {
    const { packs, tensor, section } = await fixture(t, dtype);
    const { shared } = packs;
    assert.ok(shared !== null);
    const { file } = shared;
    const block = 'transformer.blocks.1.norm_attn_norm';

    const embedding = tensor('transformer.wte.weight');
    assert.deepEqual(section(file, offsetOf(shared, 'embedding', null), 301 * 60), embedding);
    const head = tensor('lm_head.weight');
    const headPanels = panels(dtype, 301, 60, [(output, input) => head[output * 60 + input]]);
    assert.deepEqual(section(file, offsetOf(shared, 'lmHead', null), headPanels.length), headPanels);
    const qkv = tensor(`${block}.attn.Wqkv.weight`);
    for (const [role, firstRow, rows] of [
      ['query', 0, 60],
      ['key', 60, 20],
      ['value', 80, 20],
    ] as const) {
      const expected = panels(dtype, rows, 60, [(output, input) => qkv[(firstRow + output) * 60 + input]]);
      assert.deepEqual(section(file, offsetOf(shared, role, 1), expected.length), expected, role);
    }
    const norm = Float32Array.from([...tensor(`${block}.norm_2.weight`), 0, 0, 0, 0]);
    assert.deepEqual(widenFloats(file.read(offsetOf(shared, 'mlpNorm', 1), 64 * 4), 'f32'), norm);
  });

  test(`expert of a layer of a ${dtype} model: w1 and v1 take turns, w2 is turned round`, async (t) => {
    const { packs, tensor, section } = await fixture(t, dtype);
    const expert = packs.experts.get(3 + 2);
    assert.ok(expert !== undefined);
    const mlp = 'transformer.blocks.1.ffn.experts.mlp';
    const firstRow = 2 * 37;
    const [w1, v1, w2] = ['w1', 'v1', 'w2'].map((name) => tensor(`${mlp}.${name}`)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const gateUp = panels(dtype, 37, 60, [
      (output, input) => w1[(firstRow + output) * 60 + input],
      (output, input) => v1[(firstRow + output) * 60 + input],
    ]);
    assert.deepEqual(section(expert.file, offsetOf(expert, 'gateUp', 1), gateUp.length), gateUp);
    const down = panels(dtype, 60, 37, [(output, input) => w2[(firstRow + input) * 60 + output]]);
    assert.deepEqual(section(expert.file, offsetOf(expert, 'down', 1), down.length), down);
  });
}
