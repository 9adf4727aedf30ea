#include "program.h"

namespace conclave {
namespace {

constexpr int32_t noLayer = -1;

void addQueryKeyNorm(std::vector<RowOperation>& to, const AttentionDescription& attention) {
  const auto& [wholeProjection, afterRotation, norm] = *attention.queryKeyNorm;
  const int32_t queries = attention.queryWidth(), keys = attention.keyWidth();
  const NormalizeHeads query{norm, WeightRole::queryNorm, 0, wholeProjection ? 1 : attention.heads,
                             wholeProjection ? queries : attention.headDim};
  const NormalizeHeads key{norm, WeightRole::keyNorm, queries, wholeProjection ? 1 : attention.kvHeads,
                           wholeProjection ? keys : attention.headDim};
  to.push_back(query);
  to.push_back(key);
}

EachRow shapeHeads(const AttentionDescription& attention) {
  EachRow rows;
  std::vector<RowOperation>& to = rows.operations;
  const int32_t queries = attention.queryWidth(), keys = attention.keyWidth();
  if (attention.queryKeyValueBias) {
    to.push_back(AddBias{FloatRows::projected, WeightRole::queryBias, 0});
    to.push_back(AddBias{FloatRows::projected, WeightRole::keyBias, queries});
    to.push_back(AddBias{FloatRows::projected, WeightRole::valueBias, queries + keys});
  }
  const bool norm = attention.queryKeyNorm.has_value();
  if (norm && !attention.queryKeyNorm->afterRotation) addQueryKeyNorm(to, attention);
  if (attention.clip.has_value()) to.push_back(Clip{*attention.clip});
  if (attention.rotary.has_value()) {
    to.push_back(Rotate{attention.heads + attention.kvHeads, attention.headDim, attention.rotary->dims,
                        attention.rotary->pairing});
  }
  if (norm && attention.queryKeyNorm->afterRotation) addQueryKeyNorm(to, attention);
  to.push_back(StoreHeads{});
  return rows;
}

std::vector<Operation> attentionProgram(const Block& block) {
  const AttentionDescription& attention = block.attention;
  const int32_t queries = attention.queryWidth(), keys = attention.keyWidth();
  return {EachRow{{Normalize{block.attentionNorm, WeightRole::attentionNorm, WeightRole::attentionNormBias}}},
          Multiply{ActivationRowsOf::normalized,
                   FloatRows::projected,
                   {{WeightRole::query, 0}, {WeightRole::key, queries}, {WeightRole::value, queries + keys}}},
          shapeHeads(attention), Attend{},
          Multiply{ActivationRowsOf::attended, FloatRows::mixed, {{WeightRole::attentionOutput}}}};
}

// residual += mixed; normalized = norm(residual)
EachRow enterMlp(const Block& block) {
  EachRow rows;
  if (block.attention.outputBias) {
    rows.operations.push_back(AddBias{FloatRows::mixed, WeightRole::attentionOutputBias});
  }
  rows.operations.push_back(AddMixed{block.residualScale});
  rows.operations.push_back(Normalize{block.mlpNorm, WeightRole::mlpNorm, WeightRole::mlpNormBias});
  return rows;
}

EachRow choose(const Router& router) {
  EachRow rows;
  if (router.bias) rows.operations.push_back(AddBias{FloatRows::routerLogits, WeightRole::routerBias});
  rows.operations.push_back(Choose{router});
  return rows;
}

std::vector<Operation> sharedProgram(const std::optional<SharedExpert>& shared) {
  std::vector<Operation> operations;
  if (!shared.has_value()) return operations;
  operations.push_back(RunMlp{shared->mlp, true, FloatRows::shared});
  if (shared->gate) {
    operations.push_back(Multiply{ActivationRowsOf::normalized, FloatRows::sharedGate, {{WeightRole::sharedGate}}});
  }
  return operations;
}

EachRow leaveExperts(const MoeMlp& moe, float residualScale) {
  EachRow rows{{Combine{}}};
  if (moe.shared.has_value()) rows.operations.push_back(AddShared{moe.shared->gate});
  rows.operations.push_back(AddMixed{residualScale});
  return rows;
}

std::vector<Operation> finishProgram(const ModelDescription& description) {
  const Head& head = description.head;
  std::vector<Operation> operations{
      EachRow{{Normalize{description.finalNorm, WeightRole::finalNorm, WeightRole::finalNormBias}}},
      Multiply{ActivationRowsOf::normalized, FloatRows::logits, {{WeightRole::lmHead}}}};
  EachRow rows;
  if (head.bias) rows.operations.push_back(AddBias{FloatRows::logits, WeightRole::lmHeadBias});
  if (head.scale != 1) rows.operations.push_back(ScaleLogits{head.scale});
  if (head.softCap.has_value()) rows.operations.push_back(CapLogits{*head.softCap});
  if (!rows.operations.empty()) operations.push_back(std::move(rows));
  return operations;
}

}  // namespace

Program::BlockProgram Program::blockProgram(const Block& block) {
  BlockProgram program{attentionProgram(block), {enterMlp(block)}, {}, {}, {}};
  if (const MoeMlp* moe = block.moe()) {
    program.mlp.push_back(Multiply{ActivationRowsOf::normalized, FloatRows::routerLogits, {{WeightRole::router}}});
    program.mlp.push_back(choose(moe->router));
    program.expert = moe->expert;
    program.beside = sharedProgram(moe->shared);
    program.after = {leaveExperts(*moe, block.residualScale)};
  } else {
    program.mlp.push_back(RunMlp{std::get<DenseMlp>(block.mlp).mlp, false, FloatRows::mixed});
    program.mlp.push_back(EachRow{{AddMixed{block.residualScale}}});
  }
  return program;
}

Program::Program(const ModelDescription& description)
    : begin_{EachRow{{Embed{description.head.tied, description.embeddingScale}}}},
      finish_(finishProgram(description)),
      blockOfLayer_(description.blockOfLayer) {
  for (const Block& block : description.blocks) blocks_.push_back(blockProgram(block));
  pieces_.push_back({{noLayer, begin_}});
  for (int32_t layer = 0; layer < description.layers(); ++layer) {
    const BlockProgram& block = blockOf(layer);
    pieces_.back().push_back({layer, block.attention});
    pieces_.back().push_back({layer, block.mlp});
    if (description.block(layer).moe() == nullptr) continue;
    moeLayers_.push_back(layer);
    pieces_.push_back({{layer, block.after}});
  }
  pieces_.back().push_back({noLayer, finish_, true});
}

Passage Program::beside(int32_t index) const { return {layerOf(index), blockOf(layerOf(index)).beside}; }

}  // namespace conclave
