#include "plain-shape.h"

#include "../core/failure.h"

namespace conclave {
namespace {

void requirePlain(bool plain, const char* what) {
  if (plain) return;
  throw Failure(FailureCode::unavailable,
                std::string("the GPU's kernels do not have ") + what + ": use the backend cpu");
}

void requirePlainNorm(const Norm& norm) {
  requirePlain(norm.kind == NormKind::layer && !norm.bias, "this model's norms");
}

void requirePlainAttention(const AttentionDescription& attention) {
  requirePlain(!attention.queryKeyValueBias && !attention.outputBias, "biases");
  requirePlain(!attention.queryKeyNorm.has_value(), "norms of queries and keys");
  requirePlain(!attention.window.has_value() && !attention.sinks, "sliding windows and attention sinks");
  requirePlain(attention.rotary.has_value() && attention.rotary->dims == attention.headDim &&
                   attention.rotary->pairing == RotaryPairing::halves,
               "this model's rotary embedding");
}

void requirePlainRouter(const Router& router) {
  requirePlain(router.scores == ScoreKind::softmax && !router.bias && !router.choiceBias &&
                   !router.groups.has_value() && router.scale == 1 && router.normalizationEpsilon.value_or(0) == 0 &&
                   router.normalizationMinimum == 0,
               "this model's router");
}

}  // namespace

PlainShape plainShapeOf(const ModelDescription& description) {
  requirePlain(description.blocks.size() == 1 && description.blocks[0].moe() != nullptr, "several kinds of blocks");
  const Block& block = description.blocks[0];
  const MoeMlp& moe = *block.moe();
  requirePlainNorm(block.attentionNorm);
  requirePlainNorm(block.mlpNorm);
  requirePlainNorm(description.finalNorm);
  requirePlainAttention(block.attention);
  requirePlainRouter(moe.router);
  requirePlain(!moe.shared.has_value(), "shared experts");
  requirePlain(moe.expert.activation.kind == ActivationKind::silu && !moe.expert.bias, "this model's experts");
  requirePlain(block.residualScale == 1 && description.embeddingScale == 1, "multipliers");
  const Head& head = description.head;
  requirePlain(!head.tied && !head.bias && head.scale == 1 && !head.softCap.has_value(), "this model's head");
  return {description.activations, description.layers(), description.dModel, description.vocab, description.maxContext,
          block.attentionNorm,     block.attention,      moe.router,         moe.expert.width};
}

}  // namespace conclave
