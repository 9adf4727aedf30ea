// What a model computes, as data: kinds of blocks and which kind each layer is. Mirrors model-description.ts, where the
// fields are explained; the addon reads one into the other.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dtype.h"

namespace conclave {

enum class NormKind { rms, layer };

struct Norm {
  NormKind kind;
  float epsilon;
  bool bias;
  bool roundsBeforeWeight;
};

struct PlainFrequencies {
  double theta;
};
struct LinearFrequencies {
  double theta, factor;
};
struct DynamicFrequencies {
  double theta, factor;
  int32_t originalContext;
};
struct Llama3Frequencies {
  double theta, factor, lowFrequencyFactor, highFrequencyFactor;
  int32_t originalContext;
};
struct YarnFrequencies {
  double theta, factor, betaFast, betaSlow;
  int32_t originalContext;
  bool truncate;
  double attentionFactor;
};
struct LongropeFrequencies {
  double theta;
  int32_t originalContext;
  std::vector<double> shortFactors, longFactors;  // [dims / 2]
  double shortAttentionFactor, longAttentionFactor;
};
using RotaryFrequencies = std::variant<PlainFrequencies, LinearFrequencies, DynamicFrequencies, Llama3Frequencies,
                                       YarnFrequencies, LongropeFrequencies>;

enum class RotaryPairing { halves, adjacent };

struct Rotary {
  RotaryFrequencies frequencies;
  int32_t dims;
  RotaryPairing pairing;
};

struct QueryKeyNorm {
  bool wholeProjection;  // else each head by itself
  bool afterRotation;
  Norm norm;
};

struct AttentionDescription {
  int32_t heads, kvHeads, headDim;
  float scale;
  bool queryKeyValueBias, outputBias;
  std::optional<QueryKeyNorm> queryKeyNorm;
  std::optional<float> clip;
  std::optional<Rotary> rotary;
  std::optional<int32_t> window;
  bool sinks;

  int32_t queryWidth() const { return heads * headDim; }
  int32_t keyWidth() const { return kvHeads * headDim; }
  // Query, key and value side by side.
  int32_t projectedWidth() const { return queryWidth() + 2 * keyWidth(); }
  // Query heads that share a key/value head.
  int32_t groupSize() const { return heads / kvHeads; }
};

enum class ActivationKind { silu, gelu, geluTanh, clampedSwiglu };

struct Activation {
  ActivationKind kind;
  float limit, alpha;  // of clampedSwiglu
};

struct GatedMlp {
  int32_t width;
  Activation activation;
  bool bias;
};

enum class ScoreKind { softmax, softmaxOfChosen, sigmoid, sparseMixer };

struct ExpertGroups {
  int32_t count, chosen;
};

struct Router {
  int32_t experts, topK;
  bool bias;
  ScoreKind scores;
  float threshold;  // of sparseMixer
  bool choiceBias;
  std::optional<ExpertGroups> groups;
  std::optional<float> normalizationEpsilon;  // none: the scores are used as they are
  float scale;
  float normalizationMinimum = 0;  // of what the scores are divided by
};

struct SharedExpert {
  GatedMlp mlp;
  bool gate;
};

struct DenseMlp {
  GatedMlp mlp;
};
struct MoeMlp {
  Router router;
  GatedMlp expert;
  std::optional<SharedExpert> shared;
};

struct Block {
  Norm attentionNorm;
  AttentionDescription attention;
  Norm mlpNorm;
  std::variant<DenseMlp, MoeMlp> mlp;
  float residualScale;

  const MoeMlp* moe() const { return std::get_if<MoeMlp>(&mlp); }
};

struct Head {
  bool tied, bias;
  float scale;
  std::optional<float> softCap;
};

// What code beside the program needs: the sizes of a step's rows and of the exchange.
struct ModelShape {
  DType activations;  // f32 or bf16
  int32_t dModel, vocab, maxContext;
  int32_t layers;         // of all kinds
  int32_t moeLayers;      // numbered from 0 in the order of execution
  int32_t experts, topK;  // the same in all MoE layers; 0 without any
};

struct ModelDescription {
  DType activations;
  int32_t dModel, vocab, maxContext;
  float embeddingScale;
  std::vector<Block> blocks;
  std::vector<int32_t> blockOfLayer;
  Norm finalNorm;
  Head head;

  int32_t layers() const { return static_cast<int32_t>(blockOfLayer.size()); }
  const Block& block(int32_t layer) const {
    return blocks[static_cast<size_t>(blockOfLayer[static_cast<size_t>(layer)])];
  }
  ModelShape shape() const;
};

/** Throws Failure invalidArgument naming the first field that cannot be. */
void checkDescription(const ModelDescription& description);

}  // namespace conclave
