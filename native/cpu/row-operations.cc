#include "row-operations.h"

#include <algorithm>
#include <cstring>

#include "../core/float-bits.h"
#include "../core/packed-matrix.h"
#include "choose-experts.h"

namespace conclave {
namespace {

float valueAt(const std::byte* data, DType format, int64_t index) {
  if (format == DType::f32) return reinterpret_cast<const float*>(data)[index];
  const uint16_t bits = reinterpret_cast<const uint16_t*>(data)[index];
  return format == DType::bf16 ? bf16ToF32(bits) : f16ToF32(bits);
}

}  // namespace

RowOperations::RowOperations(const ModelDescription& description, const Kernels& kernels, StepRows& rows,
                             KvCache& cache, int32_t maxRows, int threads)
    : shape_(description.shape()),
      kernels_(kernels),
      rows_(rows),
      cache_(cache),
      scratch_(static_cast<size_t>(threads),
               std::vector<float>(static_cast<size_t>(std::max(shape_.dModel, shape_.experts)))) {
  for (int32_t layer = 0; layer < shape_.layers; ++layer) {
    attentionOfLayer_.push_back(description.block(layer).attention);
    blockOfLayer_.push_back(static_cast<size_t>(description.blockOfLayer[static_cast<size_t>(layer)]));
  }
  for (const Block& block : description.blocks) {
    angles_.emplace_back();
    if (!block.attention.rotary.has_value()) continue;
    const size_t count = static_cast<size_t>(maxRows) * static_cast<size_t>(block.attention.rotary->dims / 2);
    angles_.back() = Angles{RotaryTable(*block.attention.rotary), std::vector<float>(count), std::vector<float>(count)};
  }
  const size_t slots = static_cast<size_t>(maxRows) * static_cast<size_t>(shape_.topK);
  routing_.experts.resize(slots);
  routing_.weights.resize(slots);
}

void RowOperations::computeAngles(int32_t row) {
  const int32_t position = batch_->positions[static_cast<size_t>(row)];
  for (std::optional<Angles>& angles : angles_) {
    if (!angles.has_value()) continue;
    const int64_t first = row * angles->table.pairs();
    angles->table.at(position, angles->cosine.data() + first, angles->sine.data() + first);
  }
}

void RowOperations::enter(const Passage& passage, const ModelWeights& weights) {
  weights_ = &weights;
  layer_ = passage.layer;
  ofLogitRows_ = passage.ofLogitRows;
}

void RowOperations::apply(std::span<const RowOperation> operations, int32_t row, int thread) {
  for (const RowOperation& operation : operations) {
    std::visit([&](const auto& kind) { apply(kind, row, thread); }, operation);
  }
}

void RowOperations::apply(const Embed& embed, int32_t row, int) {
  const int64_t token = batch_->tokens[static_cast<size_t>(row)];
  const Weight& table = weight(embed.tied ? WeightRole::lmHead : WeightRole::embedding);
  const int64_t width = shape_.dModel;
  float* x = floats(FloatRows::residual, row);
  const std::byte* panel = table.data + token / panelOutputs * panelBytes(table.format, width);
  const int64_t lane = token % panelOutputs;
  if (table.format.packed()) {
    for (int64_t i = 0; i < width; ++i) x[i] = packedWeight(panel, table.format, width, i, lane);
  } else if (embed.tied) {
    const DType format = table.format.plain();
    for (int64_t i = 0; i < width; ++i) x[i] = valueAt(panel, format, panelIndex(format, i, lane));
  } else {
    for (int64_t i = 0; i < width; ++i) x[i] = valueAt(table.data, table.format.plain(), token * width + i);
  }
  if (embed.scale != 1) kernels_.scale(x, shape_.dModel, embed.scale);
}

void RowOperations::norm(const Norm& norm, const float* x, WeightRole role, int32_t width, float* y) const {
  const bool rounds = norm.roundsBeforeWeight && shape_.activations == DType::bf16;
  if (norm.kind == NormKind::layer) {
    kernels_.layerNorm(x, weight(role).vector(), width, norm.epsilon, y);
  } else {
    kernels_.rmsNorm(x, weight(role).vector(), width, norm.epsilon, rounds, y);
  }
}

void RowOperations::apply(const Normalize& normalize, int32_t row, int thread) {
  const int32_t from = ofLogitRows_ ? batch_->logitRows[static_cast<size_t>(row)] : row;
  float* y = scratch_[static_cast<size_t>(thread)].data();
  norm(normalize.norm, floats(FloatRows::residual, from), normalize.weight, shape_.dModel, y);
  if (normalize.norm.bias) kernels_.add(y, weight(normalize.bias).vector(), shape_.dModel);
  rows_.normalized.set(kernels_, row, 0, y, shape_.dModel);
}

void RowOperations::apply(const AddBias& add, int32_t row, int) {
  const Weight& bias = weight(add.bias);
  kernels_.add(floats(add.to, row) + add.column, bias.vector(), bias.inputs);
}

void RowOperations::apply(const NormalizeHeads& normalize, int32_t row, int) {
  float* head = floats(FloatRows::projected, row) + normalize.column;
  for (int32_t h = 0; h < normalize.heads; ++h, head += normalize.width) {
    norm(normalize.norm, head, normalize.weight, normalize.width, head);
  }
}

void RowOperations::apply(const Clip& clip, int32_t row, int) {
  const AttentionDescription& attention = attentionOfLayer_[static_cast<size_t>(layer_)];
  kernels_.clip(floats(FloatRows::projected, row), attention.projectedWidth(), clip.limit);
}

void RowOperations::apply(const Rotate& rotate, int32_t row, int) {
  const Angles& angles = *angles_[blockOfLayer_[static_cast<size_t>(layer_)]];
  const int32_t pairs = rotate.dims / 2;
  const float *cosine = angles.cosine.data() + int64_t{row} * pairs, *sine = angles.sine.data() + int64_t{row} * pairs;
  const auto kernel = rotate.pairing == RotaryPairing::halves ? kernels_.rotate : kernels_.rotateAdjacent;
  float* head = floats(FloatRows::projected, row);
  for (int32_t h = 0; h < rotate.heads; ++h, head += rotate.headDim) kernel(head, cosine, sine, pairs);
}

void RowOperations::apply(const StoreHeads&, int32_t row, int) {
  const AttentionDescription& attention = attentionOfLayer_[static_cast<size_t>(layer_)];
  const float* projected = floats(FloatRows::projected, row);
  rows_.query.set(kernels_, row, 0, projected, attention.queryWidth());
  rows_.keyValue.set(kernels_, row, 0, projected + attention.queryWidth(), 2 * attention.keyWidth());
  const int32_t position = batch_->positions[static_cast<size_t>(row)];
  const int32_t block = batch_->blockOf(batch_->sequences[static_cast<size_t>(row)], position / kvBlockTokens);
  for (int32_t kvHead = 0; kvHead < attention.kvHeads; ++kvHead) {
    cache_.append({layer_, block, kvHead}, position % kvBlockTokens,
                  rows_.keyValue.at(row, int64_t{kvHead} * attention.headDim),
                  rows_.keyValue.at(row, int64_t{attention.kvHeads + kvHead} * attention.headDim));
  }
}

void RowOperations::apply(const Choose& choose, int32_t row, int thread) {
  const size_t experts = static_cast<size_t>(shape_.experts), first = static_cast<size_t>(row * shape_.topK);
  const float* choiceBias = choose.router.choiceBias ? weight(WeightRole::choiceBias).vector() : nullptr;
  chooseExperts(choose.router, kernels_, {floats(FloatRows::routerLogits, row), experts}, choiceBias,
                {scratch_[static_cast<size_t>(thread)].data(), experts},
                {routing_.experts.data() + first, routing_.weights.data() + first});
}

size_t RowOperations::outputBytes() const {
  return static_cast<size_t>(shape_.dModel) * bytesPerWeight(shape_.activations);
}

void RowOperations::apply(const Combine&, int32_t row, int) {
  float* mixed = floats(FloatRows::mixed, row);
  if (outputs_.sent.sums != nullptr) {
    std::copy_n(outputs_.sent.sums + int64_t{row} * shape_.dModel, shape_.dModel, mixed);
  } else if (outputs_.sent.outputs != nullptr) {
    sumRanks(
        row, [&](size_t i) { return outputs_.sent.outputs + i * outputBytes(); }, mixed);
  } else {
    sumRanks(
        row, [&](size_t i) { return rows_.outputs.row(outputs_.own->placeOf(i)); }, mixed);
  }
}

void RowOperations::apply(const AddShared& add, int32_t row, int) {
  float* mixed = floats(FloatRows::mixed, row);
  const float* shared = floats(FloatRows::shared, row);
  if (!add.gate) return kernels_.add(mixed, shared, shape_.dModel);
  float gate = *floats(FloatRows::sharedGate, row);
  kernels_.sigmoid(&gate, 1);
  kernels_.addScaled(mixed, shared, DType::f32, gate, shape_.dModel);
}

void RowOperations::apply(const AddMixed& add, int32_t row, int) {
  float* x = floats(FloatRows::residual, row);
  const float* mixed = floats(FloatRows::mixed, row);
  if (add.scale == 1) {
    kernels_.add(x, mixed, shape_.dModel);
  } else {
    kernels_.addScaled(x, mixed, DType::f32, add.scale, shape_.dModel);
  }
}

void RowOperations::apply(const ScaleLogits& scale, int32_t row, int) {
  kernels_.scale(floats(FloatRows::logits, row), shape_.vocab, scale.factor);
}

void RowOperations::apply(const CapLogits& cap, int32_t row, int) {
  kernels_.cap(floats(FloatRows::logits, row), shape_.vocab, cap.limit);
}

}  // namespace conclave
