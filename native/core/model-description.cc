#include "model-description.h"

#include <cmath>

#include "failure.h"

namespace conclave {
namespace {

constexpr int32_t largestDimension = 1 << 24;
constexpr int32_t mostExperts = 4096;

void requireDimension(const char* name, int64_t value) {
  require(value >= 1 && value <= largestDimension,
          std::string(name) + " must be 1 to " + std::to_string(largestDimension) + " but is " + std::to_string(value));
}

void requireFinite(const char* name, float value) {
  require(std::isfinite(value), std::string(name) + " must be a finite number");
}

void checkNorm(const Norm& norm) {
  require(norm.epsilon >= 0 && std::isfinite(norm.epsilon), "a norm's epsilon must not be negative");
  require(norm.kind == NormKind::layer || !norm.bias, "an RMS norm has no bias");
}

void checkRotary(const Rotary& rotary, int32_t headDim) {
  require(rotary.dims >= 2 && rotary.dims <= headDim && rotary.dims % 2 == 0,
          "rotary dims must be even and at most headDim");
  std::visit([](const auto& frequencies) { require(frequencies.theta > 0, "theta must be positive"); },
             rotary.frequencies);
  const auto* longrope = std::get_if<LongropeFrequencies>(&rotary.frequencies);
  const size_t pairs = static_cast<size_t>(rotary.dims) / 2;
  require(longrope == nullptr || (longrope->shortFactors.size() == pairs && longrope->longFactors.size() == pairs),
          "longrope needs a factor for each pair of rotary dims");
  require(!std::holds_alternative<DynamicFrequencies>(rotary.frequencies) || rotary.dims > 2,
          "dynamic frequencies need more than two rotary dims");
}

void checkAttention(const AttentionDescription& attention) {
  requireDimension("heads", attention.heads);
  requireDimension("kvHeads", attention.kvHeads);
  requireDimension("headDim", attention.headDim);
  require(attention.heads % attention.kvHeads == 0, "kvHeads must divide heads");
  require((int64_t{attention.heads} + 2 * attention.kvHeads) * attention.headDim <= largestDimension,
          "heads * headDim is too large");
  require(attention.headDim % 2 == 0, "headDim must be even");
  requireFinite("the attention's scale", attention.scale);
  require(!attention.clip.has_value() || *attention.clip > 0, "clip must be positive");
  require(!attention.window.has_value() || *attention.window >= 1, "window must be at least 1");
  if (attention.rotary.has_value()) checkRotary(*attention.rotary, attention.headDim);
  if (attention.queryKeyNorm.has_value()) checkNorm(attention.queryKeyNorm->norm);
}

void checkMlp(const GatedMlp& mlp) {
  requireDimension("width", mlp.width);
  requireFinite("the activation's limit", mlp.activation.limit);
  requireFinite("the activation's alpha", mlp.activation.alpha);
}

void checkRouter(const Router& router) {
  requireDimension("experts", router.experts);
  require(router.experts <= mostExperts, "experts must be at most " + std::to_string(mostExperts));
  require(router.topK >= 1 && router.topK <= router.experts, "topK must be 1 to the number of experts");
  require(!router.normalizationEpsilon.has_value() || *router.normalizationEpsilon >= 0,
          "the router's epsilon must not be negative");
  require(router.normalizationMinimum >= 0, "what the router divides by must not be negative");
  requireFinite("the router's scale", router.scale);
  if (!router.groups.has_value()) return;
  const auto [count, chosen] = *router.groups;
  require(count >= 1 && router.experts % count == 0 && chosen >= 1 && chosen <= count,
          "the router's groups must divide the experts");
  require(router.topK <= chosen * (router.experts / count), "the chosen groups have fewer experts than topK");
}

void checkBlock(const Block& block) {
  checkNorm(block.attentionNorm);
  checkAttention(block.attention);
  checkNorm(block.mlpNorm);
  requireFinite("residualScale", block.residualScale);
  if (const MoeMlp* moe = block.moe()) {
    checkRouter(moe->router);
    checkMlp(moe->expert);
    if (moe->shared.has_value()) checkMlp(moe->shared->mlp);
  } else {
    checkMlp(std::get<DenseMlp>(block.mlp).mlp);
  }
}

// Experts are placed and exchanged by number, whatever the layer.
void checkExpertsAgree(const ModelDescription& description) {
  const MoeMlp* first = nullptr;
  for (const Block& block : description.blocks) {
    const MoeMlp* moe = block.moe();
    if (moe == nullptr) continue;
    if (first == nullptr) first = moe;
    require(moe->router.experts == first->router.experts && moe->router.topK == first->router.topK,
            "all MoE blocks must have the same numbers of experts and chosen experts");
  }
}

}  // namespace

ModelShape ModelDescription::shape() const {
  ModelShape shape{activations, dModel, vocab, maxContext, layers(), 0, 0, 0};
  for (int32_t layer = 0; layer < layers(); ++layer) {
    const MoeMlp* moe = block(layer).moe();
    if (moe == nullptr) continue;
    ++shape.moeLayers;
    shape.experts = moe->router.experts;
    shape.topK = moe->router.topK;
  }
  return shape;
}

void checkDescription(const ModelDescription& description) {
  require(description.activations == DType::f32 || description.activations == DType::bf16,
          "activations must be f32 or bf16");
  requireDimension("dModel", description.dModel);
  requireDimension("vocab", description.vocab);
  requireDimension("maxContext", description.maxContext);
  requireDimension("layers", description.layers());
  for (const Block& block : description.blocks) checkBlock(block);
  for (int32_t block : description.blockOfLayer) {
    require(block >= 0 && static_cast<size_t>(block) < description.blocks.size(),
            "there is no block " + std::to_string(block));
  }
  checkExpertsAgree(description);
  checkNorm(description.finalNorm);
  requireFinite("embeddingScale", description.embeddingScale);
  requireFinite("the head's scale", description.head.scale);
  require(!description.head.softCap.has_value() || *description.head.softCap > 0, "softCap must be positive");
}

}  // namespace conclave
