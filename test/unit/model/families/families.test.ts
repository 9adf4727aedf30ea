// What every family has to do, and what each says of the model it is known for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expertShape } from '../../../../native/model-description.ts';
import { FAMILIES } from '../../../../workers/model/families/model-families.ts';
import { inspectModel } from '../../../../workers/model/inspect-model.ts';
import { planWeights } from '../../../../workers/model/plan-weights.ts';
import { sectionForm } from '../../../../workers/model/section-shapes.ts';
import { exampleModel } from '../../../../workers/model/size-config.ts';
import { matricesOf } from '../../../../workers/model/weight-plan.ts';
import { familyNamed, indexOf, outlineOf, outlineWith } from './family-checkpoint.ts';

/** Parameters of the published models, in billions. */
const PUBLISHED: Readonly<Record<string, number>> = {
  dbrx: 131.6,
  qwen3_moe: 30.5,
  mixtral: 46.7,
  olmoe: 6.9,
  qwen2_moe: 14.3,
  glm4_moe: 106.9,
  minimax_m2: 228.7,
  gpt_oss: 20.9,
  granitemoe: 3.3,
  ernie4_5_moe: 21.8,
  hunyuan_v1_moe: 80.4,
  phimoe: 41.9,
  qwen3: 8.2,
  qwen2: 7.6,
  llama: 8.0,
  mistral: 7.2,
};

for (const family of FAMILIES) {
  const { modelType } = family;

  test(`${modelType}: the published model has as many parameters as its publisher says`, () => {
    const { parameters } = inspectModel(exampleModel(family), 1);
    assert.equal(Number((parameters.total / 1e9).toFixed(1)), PUBLISHED[modelType]);
  });

  test(`${modelType}: each section has sources of its shape, and the checkpoint nothing else`, () => {
    const model = modelType === 'dbrx' ? outlineWith(modelType, { head_dim: undefined }) : outlineWith(modelType);
    for (const { role, content, outputs, inputs } of planWeights(family, model, indexOf(family, model))) {
      if (content.kind === 'vector') {
        assert.deepEqual([sectionForm(role), content.source.length], ['vector', inputs], role);
        continue;
      }
      const matrices = matricesOf(content);
      assert.equal(matrices.length, sectionForm(role) === 'paired' ? 2 : 1, role);
      for (const matrix of matrices) {
        assert.deepEqual([matrix.outputs, matrix.inputs], [outputs / matrices.length, inputs], role);
        const weights = matrix.tensorShape.reduce((product, size) => product * size, 1);
        const last = (matrix.outputs - 1) * matrix.outputStride + (matrix.inputs - 1) * matrix.inputStride;
        assert.ok(matrix.first >= 0 && matrix.first + last < weights, `${role} leaves ${matrix.tensor}`);
      }
    }
  });

  test(`${modelType}: all weights of a tensor are read, each once`, () => {
    const model = modelType === 'dbrx' ? outlineWith(modelType, { head_dim: undefined }) : outlineWith(modelType);
    const read = new Map<string, { readonly size: number; readonly elements: Set<number> }>();
    for (const { content } of planWeights(family, model, indexOf(family, model))) {
      const slices =
        content.kind === 'vector'
          ? [
              {
                ...content.source,
                outputs: content.source.length,
                inputs: 1,
                outputStride: content.source.stride,
                inputStride: 0,
              },
            ]
          : matricesOf(content);
      for (const { tensor, tensorShape, first, outputs, inputs, outputStride, inputStride } of slices) {
        const size = tensorShape.reduce((product, length) => product * length, 1);
        const { elements } = read.get(tensor) ?? { elements: new Set<number>() };
        read.set(tensor, { size, elements });
        for (let output = 0; output < outputs; output += 1) {
          for (let input = 0; input < inputs; input += 1) {
            const element = first + output * outputStride + input * inputStride;
            assert.ok(!elements.has(element), `${tensor} is read twice at ${element}`);
            elements.add(element);
          }
        }
      }
    }
    for (const [tensor, { size, elements }] of read) assert.equal(elements.size, size, tensor);
  });
}

for (const modelType of [
  'qwen3_moe',
  'mixtral',
  'olmoe',
  'qwen2_moe',
  'glm4_moe',
  'minimax_m2',
  'granitemoe',
  'ernie4_5_moe',
  'hunyuan_v1_moe',
  'phimoe',
]) {
  test(`${modelType}: takes experts as transformers 5 stacks them, and not both ways at once`, () => {
    const family = familyNamed(modelType);
    const model = outlineWith(modelType);
    const stacked = indexOf(family, model, {}, (name) => name.endsWith('experts.gate_up_proj'));
    const [layer] = expertShape(model).layers;
    assert.ok(
      [...stacked.tensors.keys()].some(
        (name) => name.includes(`layers.${layer}.`) && name.endsWith('experts.gate_up_proj'),
      ),
    );
    assert.equal(planWeights(family, model, stacked).length, planWeights(family, model, indexOf(family, model)).length);

    const both = { ...stacked, tensors: new Map([...indexOf(family, model).tensors, ...stacked.tensors]) };
    assert.throws(() => planWeights(family, model, both), {
      code: 'bad_checkpoint',
      message:
        /^The checkpoint has tensors "model\.layers\..*" and "model\.layers\..*gate_up_proj": expected experts that are all stored in one way$/,
    });
  });
}

for (const [modelType, sign] of [
  ['qwen3_moe', 'mlp.switch_mlp.gate_proj.weight'],
  ['mixtral', 'block_sparse_moe.switch_mlp.gate_proj.weight'],
  ['minimax_m2', 'block_sparse_moe.switch_mlp.gate_proj.weight'],
  ['glm4_moe', 'mlp.switch_mlp.gate_proj.weight'],
  ['granitemoe', 'block_sparse_moe.switch_mlp.gate_proj.weight'],
  ['phimoe', 'block_sparse_moe.switch_mlp.gate_proj.weight'],
  ['gpt_oss', 'mlp.experts.gate_proj.weight'],
  ['gpt_oss', 'mlp.experts.gate_up_proj_blocks'],
] as const) {
  test(`${modelType}: finds experts by ${sign}, and refuses a layer that is stored otherwise`, () => {
    const family = familyNamed(modelType);
    const model = outlineWith(modelType);
    const usual = indexOf(family, model);
    const converted = indexOf(family, model, {}, (name) => name.endsWith(sign));
    assert.ok([...converted.tensors.keys()].some((name) => name.endsWith(sign)));
    assert.equal(planWeights(family, model, converted).length, planWeights(family, model, usual).length);

    const mixed = { ...converted, tensors: new Map([...usual.tensors, ...converted.tensors]) };
    assert.throws(() => planWeights(family, model, mixed), { code: 'bad_checkpoint' });
  });
}

test('a config with no more than its type is the model of the configuration class', () => {
  for (const { modelType } of FAMILIES) {
    // GLM's class has heads that do not divide its width.
    const config = { model_type: modelType, ...(modelType === 'glm4_moe' && { head_dim: 128 }) };
    assert.equal(outlineOf(config).family, modelType);
  }
});
