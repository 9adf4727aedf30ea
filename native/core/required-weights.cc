#include "required-weights.h"

namespace conclave {
namespace {

using Weights = std::vector<RequiredWeight>;

void addMatrix(Weights& to, WeightRole role, int32_t outputs, int32_t inputs) {
  to.push_back({role, WeightLayout::panels, outputs, inputs});
}

void addVector(Weights& to, WeightRole role, int32_t length) { to.push_back({role, WeightLayout::vector, 1, length}); }

void addNorm(Weights& to, const Norm& norm, WeightRole weight, WeightRole bias, int32_t width) {
  addVector(to, weight, width);
  if (norm.bias) addVector(to, bias, width);
}

void addAttention(Weights& to, const AttentionDescription& attention, int32_t dModel) {
  const int32_t queries = attention.queryWidth(), keys = attention.keyWidth();
  addMatrix(to, WeightRole::query, queries, dModel);
  addMatrix(to, WeightRole::key, keys, dModel);
  addMatrix(to, WeightRole::value, keys, dModel);
  if (attention.queryKeyValueBias) {
    addVector(to, WeightRole::queryBias, queries);
    addVector(to, WeightRole::keyBias, keys);
    addVector(to, WeightRole::valueBias, keys);
  }
  if (attention.queryKeyNorm.has_value()) {
    const bool whole = attention.queryKeyNorm->wholeProjection;
    addVector(to, WeightRole::queryNorm, whole ? queries : attention.headDim);
    addVector(to, WeightRole::keyNorm, whole ? keys : attention.headDim);
  }
  if (attention.sinks) addVector(to, WeightRole::sinks, attention.heads);
  addMatrix(to, WeightRole::attentionOutput, dModel, queries);
  if (attention.outputBias) addVector(to, WeightRole::attentionOutputBias, dModel);
}

void addGateUp(Weights& to, WeightRole role, const GatedMlp& mlp, int32_t dModel) {
  to.push_back({role, WeightLayout::panels, 2 * mlp.width, dModel, true});
}

void addMlp(Weights& to, const GatedMlp& mlp, int32_t dModel) {
  addGateUp(to, WeightRole::gateUp, mlp, dModel);
  addMatrix(to, WeightRole::down, dModel, mlp.width);
  if (!mlp.bias) return;
  addVector(to, WeightRole::gateBias, mlp.width);
  addVector(to, WeightRole::upBias, mlp.width);
  addVector(to, WeightRole::downBias, dModel);
}

void addMoe(Weights& to, const MoeMlp& moe, int32_t dModel) {
  addMatrix(to, WeightRole::router, moe.router.experts, dModel);
  if (moe.router.bias) addVector(to, WeightRole::routerBias, moe.router.experts);
  if (moe.router.choiceBias) addVector(to, WeightRole::choiceBias, moe.router.experts);
  if (!moe.shared.has_value()) return;
  addGateUp(to, WeightRole::sharedGateUp, moe.shared->mlp, dModel);
  addMatrix(to, WeightRole::sharedDown, dModel, moe.shared->mlp.width);
  if (moe.shared->gate) addMatrix(to, WeightRole::sharedGate, 1, dModel);
  if (!moe.shared->mlp.bias) return;
  addVector(to, WeightRole::sharedGateBias, moe.shared->mlp.width);
  addVector(to, WeightRole::sharedUpBias, moe.shared->mlp.width);
  addVector(to, WeightRole::sharedDownBias, dModel);
}

}  // namespace

std::vector<RequiredWeight> modelWeights(const ModelDescription& description) {
  Weights weights;
  const int32_t vocab = description.vocab, dModel = description.dModel;
  if (!description.head.tied) weights.push_back({WeightRole::embedding, WeightLayout::rows, vocab, dModel});
  addNorm(weights, description.finalNorm, WeightRole::finalNorm, WeightRole::finalNormBias, dModel);
  addMatrix(weights, WeightRole::lmHead, vocab, dModel);
  if (description.head.bias) addVector(weights, WeightRole::lmHeadBias, vocab);
  return weights;
}

std::vector<RequiredWeight> layerWeights(const ModelDescription& description, const Block& block) {
  Weights weights;
  const int32_t dModel = description.dModel;
  addNorm(weights, block.attentionNorm, WeightRole::attentionNorm, WeightRole::attentionNormBias, dModel);
  addAttention(weights, block.attention, dModel);
  addNorm(weights, block.mlpNorm, WeightRole::mlpNorm, WeightRole::mlpNormBias, dModel);
  if (const MoeMlp* moe = block.moe()) {
    addMoe(weights, *moe, dModel);
  } else {
    addMlp(weights, std::get<DenseMlp>(block.mlp).mlp, dModel);
  }
  return weights;
}

std::vector<RequiredWeight> expertWeights(const ModelDescription& description, const MoeMlp& moe) {
  Weights weights;
  addMlp(weights, moe.expert, description.dModel);
  return weights;
}

}  // namespace conclave
