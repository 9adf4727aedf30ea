// Small random models for the C++ tests: a description, a pack file of its weights, sequences, and steps of rows of
// them.
#pragma once
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <future>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "../../native/core/float-bits.h"
#include "../../native/core/model-session.h"
#include "../../native/core/panel-layout.h"
#include "check.h"
#include "packed-formats.h"

namespace conclave::test {

inline bool flip(Random& random) { return random.below(2) == 0; }

template <typename T>
std::optional<T> maybe(Random& random, const T& value) {
  return flip(random) ? std::optional<T>(value) : std::nullopt;
}

inline Norm plainNorm() { return {NormKind::layer, 1e-5f, false, false}; }

// Identical blocks of what every backend computes: the GPU's kernels too.
inline ModelDescription plainModel(Random& random, int32_t layers, int32_t experts, int32_t topK) {
  const int32_t kvHeads = random.between(1, 3), heads = kvHeads * random.between(1, 3);
  const int32_t headDim = 2 * random.between(1, 20);
  const AttentionDescription attention{heads,
                                       kvHeads,
                                       headDim,
                                       1.0f / std::sqrt(static_cast<float>(headDim)),
                                       false,
                                       false,
                                       std::nullopt,
                                       maybe(random, 0.5f),
                                       Rotary{PlainFrequencies{10000}, headDim, RotaryPairing::halves},
                                       std::nullopt,
                                       false};
  const Router router{experts, topK, false, ScoreKind::softmax, 0, false, std::nullopt, maybe(random, 0.0f), 1};
  const GatedMlp expert{random.between(1, 70), {ActivationKind::silu, 0, 0}, false};
  return {random.of<DType>({DType::f32, DType::bf16}),
          random.between(3, 70),
          random.between(2, 100),
          400,
          1,
          {Block{plainNorm(), attention, plainNorm(), MoeMlp{router, expert, std::nullopt}, 1}},
          std::vector<int32_t>(static_cast<size_t>(layers)),
          plainNorm(),
          {false, false, 1, std::nullopt}};
}

// The same model with all widths multiples of 16, as most models have them and packed formats need them.
inline ModelDescription withWholeGroups(ModelDescription model) {
  const auto round = [](int32_t& width) { width = (width + 15) / 16 * 16; };
  round(model.dModel);
  for (Block& block : model.blocks) {
    if (DenseMlp* dense = std::get_if<DenseMlp>(&block.mlp)) round(dense->mlp.width);
    if (MoeMlp* moe = std::get_if<MoeMlp>(&block.mlp)) {
      round(moe->expert.width);
      if (moe->shared.has_value()) round(moe->shared->mlp.width);
    }
    while (block.attention.queryWidth() % 16 != 0) block.attention.heads += block.attention.kvHeads;
  }
  return model;
}

// A format of matrices that goes with a model's activations.
inline DType formatOf(const ModelDescription& model) { return model.activations; }

inline ModelDescription plainModel(Random& random) {
  // One after the other: in which order arguments are evaluated is up to the compiler.
  const int32_t layers = random.between(1, 3), experts = random.between(1, 6), topK = random.between(1, experts);
  return plainModel(random, layers, experts, topK);
}

inline Norm randomNorm(Random& random) {
  const NormKind kind = random.of<NormKind>({NormKind::rms, NormKind::layer});
  return {kind, random.of<float>({1e-5f, 1e-6f}), kind == NormKind::layer && flip(random), flip(random)};
}

inline RotaryFrequencies randomFrequencies(Random& random, int32_t dims) {
  switch (random.below(6)) {
    case 0:
      return LinearFrequencies{10000, 4};
    case 1:
      if (dims > 2) return DynamicFrequencies{10000, 2, 50};
      return PlainFrequencies{5e5};
    case 2:
      return Llama3Frequencies{5e5, 8, 1, 4, 80};
    case 3:
      return YarnFrequencies{15e4, 32, 32, 1, 60, flip(random), 1.3};
    case 4:
      return LongropeFrequencies{10000,
                                 70,
                                 std::vector<double>(static_cast<size_t>(dims / 2), 1.1),
                                 std::vector<double>(static_cast<size_t>(dims / 2), 3.5),
                                 1.0,
                                 1.2};
    default:
      return PlainFrequencies{10000};
  }
}

inline AttentionDescription randomAttention(Random& random) {
  const int32_t kvHeads = random.between(1, 3), headDim = 2 * random.between(1, 20);
  AttentionDescription attention{};
  attention.heads = kvHeads * random.between(1, 3);
  attention.kvHeads = kvHeads;
  attention.headDim = headDim;
  attention.scale = 1.0f / std::sqrt(static_cast<float>(headDim));
  attention.queryKeyValueBias = flip(random);
  attention.outputBias = flip(random);
  attention.queryKeyNorm =
      maybe(random, QueryKeyNorm{flip(random), flip(random), {NormKind::rms, 1e-6f, false, false}});
  attention.clip = maybe(random, 0.5f);
  if (random.below(4) > 0) {
    const int32_t dims = flip(random) ? headDim : std::max(2, headDim / 4 * 2);
    attention.rotary = Rotary{randomFrequencies(random, dims), dims,
                              random.of<RotaryPairing>({RotaryPairing::halves, RotaryPairing::adjacent})};
  }
  attention.window = maybe(random, random.of<int32_t>({1, 5, 63, 64, 65, 100}));
  attention.sinks = flip(random);
  return attention;
}

inline GatedMlp randomMlp(Random& random) {
  const ActivationKind kind = random.of<ActivationKind>(
      {ActivationKind::silu, ActivationKind::gelu, ActivationKind::geluTanh, ActivationKind::clampedSwiglu});
  return {random.between(1, 70), {kind, 2.0f, 1.7f}, flip(random)};
}

inline Router randomRouter(Random& random, int32_t experts, int32_t topK) {
  Router router{experts, topK, flip(random), ScoreKind::softmax, 0.02f, false, std::nullopt, std::nullopt, 1};
  router.scores = random.of<ScoreKind>(
      {ScoreKind::softmax, ScoreKind::softmaxOfChosen, ScoreKind::sigmoid, ScoreKind::sparseMixer});
  router.choiceBias = router.scores != ScoreKind::sparseMixer && flip(random);
  if (experts % 2 == 0 && topK <= experts / 2) router.groups = maybe(random, ExpertGroups{2, 1});
  router.normalizationEpsilon = maybe(random, 1e-20f);
  router.scale = random.of<float>({1, 2.5f});
  return router;
}

inline SharedExpert randomShared(Random& random) { return {randomMlp(random), flip(random)}; }

inline Block randomBlock(Random& random, std::optional<std::pair<int32_t, int32_t>> expertsAndTopK) {
  Block block{randomNorm(random), randomAttention(random), randomNorm(random), DenseMlp{randomMlp(random)},
              random.of<float>({1, 0.5f})};
  if (!expertsAndTopK.has_value()) return block;
  const auto [experts, topK] = *expertsAndTopK;
  block.mlp = MoeMlp{randomRouter(random, experts, topK), randomMlp(random), maybe(random, randomShared(random))};
  return block;
}

// Blocks of any kinds, `moeLayers` of them with experts, dense ones between.
inline ModelDescription randomModel(Random& random, int32_t moeLayers, int32_t experts, int32_t topK) {
  ModelDescription model{};
  model.activations = random.of<DType>({DType::f32, DType::bf16});
  model.dModel = random.between(3, 70);
  model.vocab = random.between(2, 100);
  model.maxContext = 400;
  model.embeddingScale = random.of<float>({1, 1, 3});
  for (int32_t kinds = random.between(1, 2); kinds > 0; --kinds) {
    model.blocks.push_back(randomBlock(random, std::pair{experts, topK}));
  }
  const int32_t moeKinds = static_cast<int32_t>(model.blocks.size());
  model.blocks.push_back(randomBlock(random, std::nullopt));
  for (int32_t layer = 0; layer < moeLayers; ++layer) {
    if (random.below(3) == 0) model.blockOfLayer.push_back(moeKinds);
    model.blockOfLayer.push_back(random.below(moeKinds));
  }
  if (random.below(3) == 0 || moeLayers == 0) model.blockOfLayer.push_back(moeKinds);
  model.finalNorm = randomNorm(random);
  model.head = {flip(random), flip(random), random.of<float>({1, 0.25f}), maybe(random, 30.0f)};
  return model;
}

inline ModelDescription randomModel(Random& random) {
  // One after the other: in which order arguments are evaluated is up to the compiler.
  const int32_t layers = random.between(1, 3), experts = random.between(1, 6), topK = random.between(1, experts);
  return randomModel(random, layers, experts, topK);
}

// Which formats matrices may have: any that fit the activations, or those whose rows are numbers.
enum class Formats { any, plain };

// A pack file of random weights, every section at a multiple of 64 bytes. Experts' matrices of a plain format have one.
class RandomPack {
 public:
  /** `only`: the format of all matrices; a packed one takes inputs that its group divides. */
  RandomPack(const ModelDescription& model, uint32_t seed, float embeddingScale = 1.0f,
             std::optional<WeightFormat> only = std::nullopt, Formats formats = Formats::plain)
      : activations_(model.activations),
        experts_(model.shape().experts),
        random_(seed),
        only_(only),
        formats_(formats) {
    static int count = 0;
    path_ = "/tmp/conclave-session-test-" + std::to_string(getpid()) + "-" + std::to_string(count++) + ".pack";
    expertFormat_ = only_.has_value()             ? *only_
                    : activations_ == DType::bf16 ? WeightFormat(DType::bf16)
                                                  : WeightFormat(random_.of<DType>({DType::f32, DType::f16}));
    for (const RequiredWeight& weight : modelWeights(model)) add(weight, -1, -1, embeddingScale);
    for (int32_t layer = 0; layer < model.layers(); ++layer) {
      const Block& block = model.block(layer);
      for (const RequiredWeight& weight : layerWeights(model, block)) add(weight, layer, -1, 1);
      if (block.moe() != nullptr) moeLayers_.push_back(layer);
      for (int32_t e = 0; block.moe() != nullptr && e < experts_; ++e) {
        for (const RequiredWeight& weight : expertWeights(model, *block.moe())) add(weight, layer, e, 1);
      }
    }
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes_.data()), static_cast<std::streamsize>(bytes_.size()));
  }
  ~RandomPack() { unlink(path_.c_str()); }

  const std::string& path() const { return path_; }
  int64_t bytes() const { return static_cast<int64_t>(bytes_.size()); }
  const std::vector<WeightSection>& sections() const { return sections_; }

  // Weights go to a session or to a ModelWeights.
  template <typename Holder>
  void attachTo(Holder& holder) const {
    attachSharedTo(holder);
    for (int32_t e = 0; e < experts_; ++e) attachExpertTo(holder, e);
  }
  /** As one file. */
  template <typename Holder>
  void attachWholeTo(Holder& holder) const {
    attachWhere(holder, [](const WeightSection&) { return true; });
  }
  template <typename Holder>
  void attachSharedTo(Holder& holder) const {
    attachExpertTo(holder, -1);
  }
  /** In every layer. */
  template <typename Holder>
  void attachExpertTo(Holder& holder, int32_t expert) const {
    attachWhere(holder, [&](const WeightSection& section) { return section.expert == expert; });
  }
  /** Of one layer: index among the MoE layers * experts + expert. */
  template <typename Holder>
  void attachIdTo(Holder& holder, int32_t id) const {
    const int32_t layer = moeLayers_[static_cast<size_t>(id / experts_)], expert = id % experts_;
    attachWhere(holder,
                [&](const WeightSection& section) { return section.layer == layer && section.expert == expert; });
  }

 private:
  template <typename Holder, typename Is>
  void attachWhere(Holder& holder, const Is& is) const {
    std::vector<WeightSection> own;
    for (const WeightSection& section : sections_) {
      if (is(section)) own.push_back(section);
    }
    holder.attach(std::make_shared<const MappedFile>(path_), own);
  }
  void add(const RequiredWeight& weight, int32_t layer, int32_t expert, float scale) {
    bytes_.resize((bytes_.size() + 63) / 64 * 64);
    const WeightFormat format = formatOf(weight, expert);
    sections_.push_back(
        {weight.role, layer, expert, format, weight.outputs, weight.inputs, static_cast<int64_t>(bytes_.size())});
    if (weight.layout == WeightLayout::vector) return addVector(weight);
    if (format.packed()) return addPacked(weight, format, scale);
    // Filled in the panels' own order, so padding inputs hold weights too: nothing may come of them. They meet zeros.
    const bool rows = weight.layout == WeightLayout::rows;
    const float deviation = rows ? scale : 2.0f * scale / std::sqrt(static_cast<float>(weight.inputs));
    const int64_t padded = weight.pairedPanels ? 2 * paddedOutputs(weight.outputs / 2) : paddedOutputs(weight.outputs);
    const int64_t elements = rows ? int64_t{weight.outputs} * weight.inputs : padded * paddedInputs(weight.inputs);
    for (int64_t i = 0; i < elements; ++i) append(format.plain(), random_.value(deviation));
  }
  void addPacked(const RequiredWeight& weight, const WeightFormat& format, float scale) {
    const int32_t halves = weight.pairedPanels ? 2 : 1, outputs = weight.outputs / halves;
    const float deviation =
        weight.layout == WeightLayout::rows ? scale : 2.0f * scale / std::sqrt(static_cast<float>(weight.inputs));
    const size_t begin = bytes_.size();
    bytes_.resize(begin + static_cast<size_t>(halves * matrixBytes(format, outputs, weight.inputs)));
    for (int32_t half = 0; half < halves; ++half) {
      RandomPackedMatrix(random_, format, outputs, weight.inputs, deviation)
          .packTo(bytes_.data() + begin, halves, half);
    }
  }
  void addVector(const RequiredWeight& weight) {
    const bool norm = std::string(weightRoleNames[indexOf(weight.role)]).ends_with("Norm");
    for (int32_t i = 0; i < (weight.inputs + 31) / 32 * 32; ++i) {
      append(DType::f32, norm ? 1.0f + random_.value(0.2f) : random_.value(0.3f));
    }
  }
  WeightFormat formatOf(const RequiredWeight& weight, int32_t expert) {
    if (weight.layout == WeightLayout::vector) return DType::f32;
    if (only_.has_value()) return *only_;
    if (formats_ == Formats::any && weight.inputs % 16 == 0 && random_.below(4) > 0) {
      return randomPackedFormat(random_, weight.inputs & -weight.inputs);
    }
    if (expert >= 0 || isMlp(weight.role)) return expertFormat_;
    if (activations_ == DType::f32) return random_.of<DType>({DType::f32, DType::f16});
    return random_.of<DType>({DType::bf16, DType::bf16, DType::f32, DType::f16});
  }
  static bool isMlp(WeightRole role) {
    return role == WeightRole::gateUp || role == WeightRole::down || role == WeightRole::sharedGateUp ||
           role == WeightRole::sharedDown;
  }
  void append(DType dtype, float value) {
    const uint32_t single = std::bit_cast<uint32_t>(value);
    // Numbers that are the same in f16: sign and 1.mmmm x 2^-4, with a little more variety from random bits.
    const uint16_t half = static_cast<uint16_t>((single >> 16 & 0x8000u) | 0x2800u | (random_.bits() & 0xfffu));
    const uint16_t brain = f32ToBf16(value);
    const void* from = dtype == DType::f32 ? static_cast<const void*>(&single) : dtype == DType::f16 ? &half : &brain;
    const std::byte* raw = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), raw, raw + bytesPerWeight(dtype));
  }

  DType activations_;
  int32_t experts_;
  std::vector<int32_t> moeLayers_;
  Random random_;
  std::optional<WeightFormat> only_;
  Formats formats_;
  WeightFormat expertFormat_;
  std::string path_;
  std::vector<std::byte> bytes_;
  std::vector<WeightSection> sections_;
};

// A model every other of which has widths for packed formats, and a pack of any formats for it.
inline ModelDescription randomPackableModel(Random& random) {
  const ModelDescription model = randomModel(random);
  return flip(random) ? withWholeGroups(model) : model;
}
inline RandomPack packOfAnyFormats(const ModelDescription& model, uint32_t seed) {
  return RandomPack(model, seed, 1.0f, std::nullopt, Formats::any);
}

struct Sequence {
  std::vector<int32_t> tokens;
  std::vector<int32_t> blocks;
};

// Rows [from, to) of each listed sequence in one step; all their logits.
struct Part {
  const Sequence* sequence;
  int32_t from, to;
};

inline StepBatch batchOf(const std::vector<Part>& parts) {
  StepBatch batch;
  for (const Part& part : parts) {
    batch.blockTableWidth = std::max(batch.blockTableWidth, static_cast<int32_t>(part.sequence->blocks.size()));
  }
  for (size_t s = 0; s < parts.size(); ++s) {
    for (int32_t position = parts[s].from; position < parts[s].to; ++position) {
      batch.tokens.push_back(parts[s].sequence->tokens[static_cast<size_t>(position)]);
      batch.positions.push_back(position);
      batch.sequences.push_back(static_cast<int32_t>(s));
      batch.logitRows.push_back(static_cast<int32_t>(batch.logitRows.size()));
    }
    std::vector<int32_t> table = parts[s].sequence->blocks;
    table.resize(static_cast<size_t>(batch.blockTableWidth), -1);
    batch.blockTables.insert(batch.blockTables.end(), table.begin(), table.end());
  }
  return batch;
}

/** Starts a call of a session and waits until it has ended; returns why it
 * failed. */
template <typename Start>
std::optional<Failure> outcomeOf(const Start& start) {
  std::promise<std::optional<Failure>> done;
  start([&](const std::optional<Failure>& failure) { done.set_value(failure); });
  return done.get_future().get();
}

/** Starts a call of a session and waits until it has ended well. */
template <typename Start>
void await(const Start& start) {
  const std::optional<Failure> failure = outcomeOf(start);
  CHECK(!failure.has_value(), failure->what());
}

inline std::vector<float> step(ModelSession& session, const std::vector<Part>& parts) {
  StepBatch batch = batchOf(parts);
  std::vector<float> logits(batch.logitRows.size() * static_cast<size_t>(session.shape().vocab));
  await([&](ModelSession::Done done) { session.step(std::move(batch), logits.data(), std::move(done)); });
  return logits;
}

inline Sequence randomSequence(Random& random, const ModelDescription& model, int32_t length, int32_t firstBlock) {
  Sequence sequence;
  for (int32_t i = 0; i < length; ++i) sequence.tokens.push_back(random.below(model.vocab));
  for (int32_t b = 0; b <= (length - 1) / kvBlockTokens; ++b) sequence.blocks.push_back(firstBlock + b);
  // Blocks need not be in order.
  std::reverse(sequence.blocks.begin(), sequence.blocks.end());
  return sequence;
}

inline bool equal(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace conclave::test
