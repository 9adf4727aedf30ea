// Small random models for the C++ tests: a shape, a pack file of its weights, sequences, and steps of rows of them.
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

namespace conclave::test {

inline ModelShape randomShape(Random& random) {
  const int32_t kvHeads = random.between(1, 3), experts = random.between(1, 6);
  ModelShape shape{};
  shape.dtype = random.of<DType>({DType::f32, DType::f16, DType::bf16});
  shape.layers = random.between(1, 3);
  shape.dModel = random.between(3, 70);
  shape.vocab = random.between(2, 100);
  shape.maxContext = 400;
  shape.normEpsilon = 1e-5f;
  shape.kvHeads = kvHeads;
  shape.heads = kvHeads * random.between(1, 3);
  shape.headDim = 2 * random.between(1, 20);
  shape.clipQkv = random.below(2) == 0 ? std::numeric_limits<float>::infinity() : 0.5f;
  shape.ropeTheta = 10000;
  shape.experts = experts;
  shape.topK = random.between(1, experts);
  shape.routerNormalization = random.below(2) == 0 ? RouterNormalization::none : RouterNormalization::l1;
  shape.ffn = random.between(1, 70);
  return shape;
}

// A pack file of random weights, every section at a multiple of 64 bytes.
class RandomPack {
 public:
  RandomPack(const ModelShape& shape, uint32_t seed, float embeddingScale = 1.0f) : shape_(shape), random_(seed) {
    static int count = 0;
    path_ = "/tmp/conclave-session-test-" + std::to_string(getpid()) + "-" + std::to_string(count++) + ".pack";
    for (int32_t layer = 0; layer < shape.layers; ++layer) {
      shared_.push_back(norm());
      shared_.push_back(matrix(shape.qkvWidth(), shape.dModel));
      shared_.push_back(matrix(shape.dModel, shape.qWidth()));
      shared_.push_back(norm());
      shared_.push_back(matrix(shape.experts, shape.dModel));
    }
    shared_.push_back(weights(int64_t{shape.vocab} * shape.dModel, embeddingScale));
    shared_.push_back(norm());
    shared_.push_back(matrix(shape.vocab, shape.dModel));
    for (int32_t expert = 0; expert < shape.experts; ++expert) {
      std::vector<int64_t>& offsets = experts_.emplace_back();
      for (int32_t layer = 0; layer < shape.layers; ++layer) {
        offsets.push_back(matrix(2 * static_cast<int32_t>(paddedOutputs(shape.ffn)), shape.dModel));
        offsets.push_back(matrix(shape.dModel, shape.ffn));
      }
    }
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes_.data()), static_cast<std::streamsize>(bytes_.size()));
  }
  ~RandomPack() { unlink(path_.c_str()); }

  const std::string& path() const { return path_; }
  int64_t bytes() const { return static_cast<int64_t>(bytes_.size()); }

  // Weights go to a session or to a ModelWeights.
  template <typename Holder>
  void attachTo(Holder& holder) const {
    attachSharedTo(holder);
    for (int32_t e = 0; e < shape_.experts; ++e) attachExpertTo(holder, e);
  }
  template <typename Holder>
  void attachSharedTo(Holder& holder) const {
    holder.attachShared(std::make_shared<const MappedFile>(path_), shared_);
  }
  template <typename Holder>
  void attachExpertTo(Holder& holder, int32_t expert) const {
    holder.attachExpert(expert, std::make_shared<const MappedFile>(path_), experts_[static_cast<size_t>(expert)]);
  }

 private:
  int64_t section() {
    bytes_.resize((bytes_.size() + 63) / 64 * 64);
    return static_cast<int64_t>(bytes_.size());
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
  int64_t weights(int64_t count, float scale) {
    const int64_t offset = section();
    for (int64_t i = 0; i < count; ++i) append(shape_.dtype, random_.value(scale));
    return offset;
  }
  int64_t norm() {
    const int64_t offset = section();
    for (int32_t i = 0; i < shape_.dModel; ++i) append(DType::f32, 1.0f + random_.value(0.2f));
    return offset;
  }
  // Filled in the panels' own order, so padding inputs hold weights too: nothing may come of them. They meet zeros.
  int64_t matrix(int32_t outputs, int32_t inputs) {
    return weights(matrixBytes(shape_.dtype, outputs, inputs) / static_cast<int64_t>(bytesPerWeight(shape_.dtype)),
                   2.0f / std::sqrt(static_cast<float>(inputs)));
  }

  ModelShape shape_;
  Random random_;
  std::string path_;
  std::vector<std::byte> bytes_;
  std::vector<int64_t> shared_;
  std::vector<std::vector<int64_t>> experts_;
};

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

inline Sequence randomSequence(Random& random, const ModelShape& shape, int32_t length, int32_t firstBlock) {
  Sequence sequence;
  for (int32_t i = 0; i < length; ++i) sequence.tokens.push_back(random.below(shape.vocab));
  for (int32_t b = 0; b <= (length - 1) / kvBlockTokens; ++b) sequence.blocks.push_back(firstBlock + b);
  // Blocks need not be in order.
  std::reverse(sequence.blocks.begin(), sequence.blocks.end());
  return sequence;
}

inline bool equal(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace conclave::test
