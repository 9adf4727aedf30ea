// A whole model gives the same bits however it is run: one row at a time or in chunks, alone or beside strangers, on
// any number of threads, with every variant, in KV blocks that another sequence left full of NaNs (DESIGN.md, Numerics
// v1).
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <future>
#include <limits>

#include "../../native/core/failure.h"
#include "../../native/core/float-bits.h"
#include "../../native/core/model-session.h"
#include "check.h"

using namespace conclave;
using conclave::test::Random;

namespace {

ModelShape randomShape(Random& random) {
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

  void attachTo(ModelSession& session) const {
    const auto file = std::make_shared<const MappedFile>(path_);
    session.attachShared(file, shared_);
    for (size_t e = 0; e < experts_.size(); ++e) session.attachExpert(static_cast<int32_t>(e), file, experts_[e]);
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

std::vector<float> step(ModelSession& session, const std::vector<Part>& parts) {
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
  std::vector<float> logits(batch.logitRows.size() * static_cast<size_t>(session.shape().vocab));
  std::promise<std::string> done;
  session.step(std::move(batch), logits.data(), [&](const std::string& failure) { done.set_value(failure); });
  const std::string failure = done.get_future().get();
  CHECK(failure.empty(), failure);
  return logits;
}

Sequence randomSequence(Random& random, const ModelShape& shape, int32_t length, int32_t firstBlock) {
  Sequence sequence;
  for (int32_t i = 0; i < length; ++i) sequence.tokens.push_back(random.below(shape.vocab));
  for (int32_t b = 0; b <= (length - 1) / kvBlockTokens; ++b) sequence.blocks.push_back(firstBlock + b);
  // Blocks need not be in order.
  std::reverse(sequence.blocks.begin(), sequence.blocks.end());
  return sequence;
}

bool equal(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// The sequence in random chunks, now and then with rows of a stranger before or behind it in the step.
std::vector<float> inChunks(Random& random, ModelSession& session, const Sequence& sequence, const Sequence* stranger) {
  std::vector<float> all;
  const int32_t length = static_cast<int32_t>(sequence.tokens.size()), vocab = session.shape().vocab;
  for (int32_t from = 0; from < length;) {
    const int32_t to = std::min(length, from + random.of<int32_t>({1, 1, 2, 13, 40, 64, 100}));
    std::vector<Part> parts{{&sequence, from, to}};
    int64_t skip = 0;
    if (stranger != nullptr) {
      const int32_t rows = std::min(random.between(1, 30), static_cast<int32_t>(stranger->tokens.size()));
      const bool before = random.below(2) == 0;
      parts.insert(before ? parts.begin() : parts.end(), {stranger, 0, rows});
      skip = before ? int64_t{rows} * vocab : 0;
    }
    const std::vector<float> logits = step(session, parts);
    all.insert(all.end(), logits.begin() + skip, logits.begin() + skip + int64_t{to - from} * vocab);
    from = to;
  }
  return all;
}

}  // namespace

TEST("a model's logits have the same bits however its rows are run") {
  Random random(11);
  for (int trial = 0; trial < 12; ++trial) {
    const ModelShape shape = randomShape(random);
    const RandomPack pack(shape, random.bits());
    const int32_t length = random.of<int32_t>({1, 7, 63, 64, 65, 130, 200});
    const Sequence sequence = randomSequence(random, shape, length, 0);
    const Sequence stranger = randomSequence(random, shape, 100, 10);
    std::vector<float> expected;
    for (const Kernels* kernels : availableKernels()) {
      for (int threads : {1, 2, 3}) {
        ModelSession session(shape, {16, 256}, threads, kernels->name);
        pack.attachTo(session);
        const std::vector<float> whole = step(session, {{&sequence, 0, length}});
        if (expected.empty()) expected = whole;
        const std::string which = "trial " + std::to_string(trial) + ", " + kernels->name + ", " +
                                  std::to_string(threads) + " threads, dtype " +
                                  std::to_string(static_cast<int>(shape.dtype)) + ": ";
        CHECK(std::isfinite(whole[0]), which + "logits are finite");
        CHECK(equal(whole, expected), which + "in one piece");
        CHECK(equal(inChunks(random, session, sequence, nullptr), expected), which + "in chunks");
        CHECK(equal(inChunks(random, session, sequence, &stranger), expected), which + "beside a stranger");
      }
    }
  }
}

TEST("what a block's former owner left there is never read") {
  Random random(12);
  for (DType dtype : {DType::f32, DType::bf16}) {
    ModelShape shape = randomShape(random);
    shape.dtype = dtype;
    const RandomPack pack(shape, 99), poison(shape, 98, std::numeric_limits<float>::quiet_NaN());
    const Sequence sequence = randomSequence(random, shape, 101, 0), former = randomSequence(random, shape, 128, 0);
    ModelSession fresh(shape, {4, 256}, 2, "");
    pack.attachTo(fresh);
    const std::vector<float> expected = inChunks(random, fresh, sequence, nullptr);

    ModelSession used(shape, {4, 256}, 2, "");
    poison.attachTo(used);
    CHECK(std::isnan(step(used, {{&former, 0, 128}})[0]), "the former owner left NaNs");
    pack.attachTo(used);
    CHECK(equal(inChunks(random, used, sequence, nullptr), expected), "blocks were used before");
  }
}

// native.test.ts compares this line between builds for different processors.
TEST("logits of a fixed model are printed for comparison between architectures") {
  Random random(15);
  uint64_t digest = 14695981039346656037u;  // FNV-1a
  for (int trial = 0; trial < 6; ++trial) {
    const ModelShape shape = randomShape(random);
    const RandomPack pack(shape, random.bits());
    ModelSession session(shape, {16, 256}, 2, "");
    pack.attachTo(session);
    const Sequence sequence = randomSequence(random, shape, 150, 0);
    for (float logit : step(session, {{&sequence, 0, 150}})) {
      digest = (digest ^ std::bit_cast<uint32_t>(logit)) * 1099511628211u;
    }
  }
  std::printf("digest %016llx\n", static_cast<unsigned long long>(digest));
}

TEST("a bad batch is refused and changes nothing") {
  Random random(13);
  const ModelShape shape = randomShape(random);
  const RandomPack pack(shape, 5);
  ModelSession session(shape, {4, 64}, 2, "");
  pack.attachTo(session);
  const Sequence sequence = randomSequence(random, shape, 10, 0);
  const std::vector<float> expected = step(session, {{&sequence, 0, 10}});
  float logits[1];
  int refused = 0;
  for (int trial = 0; trial < 5000; ++trial) {
    StepBatch batch;
    const int32_t rows = random.between(1, 4);
    for (int32_t r = 0; r < rows; ++r) {
      batch.tokens.push_back(random.of<int32_t>({0, 1, -1, shape.vocab, INT32_MAX, INT32_MIN}));
      batch.positions.push_back(random.of<int32_t>({r, r, 0, -1, 63, 64, 399, 400, INT32_MAX}));
      batch.sequences.push_back(random.of<int32_t>({0, 0, 1, -1, 2, INT32_MAX}));
    }
    batch.blockTableWidth = random.of<int32_t>({1, 2, 0, -1, INT32_MAX});
    for (int i = random.below(5); i > 0; --i) batch.blockTables.push_back(random.of<int32_t>({3, 2, -1, 4, INT32_MAX}));
    if (random.below(2) == 0) batch.logitRows.push_back(random.of<int32_t>({-1, 4, INT32_MAX}));
    if (random.below(4) == 0) batch.positions.pop_back();
    try {
      checkBatch(batch, shape, {4, 64});
    } catch (const Failure&) {
      ++refused;
      try {
        session.step(batch, logits, [](const std::string&) {});
        CHECK(false, "the session took what checkBatch refuses");
      } catch (const Failure& failure) {
        CHECK(failure.code == FailureCode::invalidArgument, failure.what());
      }
    }
  }
  CHECK(refused > 4000, "most of these batches are bad");
  CHECK(equal(step(session, {{&sequence, 0, 10}}), expected), "the cache is as before");
}

TEST("impossible shapes are refused by name") {
  Random random(14);
  for (int trial = 0; trial < 2000; ++trial) {
    ModelShape shape = randomShape(random);
    int32_t* fields[] = {&shape.layers,  &shape.dModel,  &shape.vocab, &shape.heads, &shape.kvHeads,
                         &shape.headDim, &shape.experts, &shape.topK,  &shape.ffn,   &shape.maxContext};
    *fields[random.below(10)] = random.of<int32_t>({0, -1, INT32_MIN, INT32_MAX});
    bool refused = false;
    try {
      checkShape(shape);
    } catch (const Failure& failure) {
      refused = std::string(failure.what()).size() > 5;
    }
    CHECK(refused, "shape");
  }
}
