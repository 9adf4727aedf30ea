// A whole model gives the same bits however it is run: one row at a time or in chunks, alone or beside strangers, on
// any number of threads, with every variant, in KV blocks that another sequence left full of NaNs
// (docs/design.md#numerics-v1).
#include <bit>
#include <cmath>
#include <limits>

#include "../../native/core/failure.h"
#include "../../native/cpu/cpu-backend.h"
#include "../../native/cpu/kernels.h"
#include "random-model.h"

using namespace conclave;
using namespace conclave::test;

namespace {

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
  for (int trial = 0; trial < 14; ++trial) {
    const ModelDescription model = randomPackableModel(random);
    const RandomPack pack = packOfAnyFormats(model, random.bits());
    const int32_t length = random.of<int32_t>({1, 7, 63, 64, 65, 130, 200});
    const Sequence sequence = randomSequence(random, model, length, 0);
    const Sequence stranger = randomSequence(random, model, 100, 10);
    std::vector<float> expected;
    for (const Kernels* kernels : availableKernels()) {
      for (int threads : {1, 2, 3}) {
        ModelSession session(model, {16, 256}, createCpuBackend(threads, kernels->name));
        pack.attachTo(session);
        const std::vector<float> whole = step(session, {{&sequence, 0, length}});
        if (expected.empty()) expected = whole;
        const std::string which =
            "trial " + std::to_string(trial) + ", " + kernels->name + ", " + std::to_string(threads) + " threads: ";
        CHECK(std::isfinite(whole[0]), which + "logits are finite");
        CHECK(equal(whole, expected), which + "in one piece");
        CHECK(equal(inChunks(random, session, sequence, nullptr), expected), which + "in chunks");
        CHECK(equal(inChunks(random, session, sequence, &stranger), expected), which + "beside a stranger");
      }
    }
  }
}

// A row whose window begins with a block has no sums of the block before it, unlike its neighbours in a tile.
TEST("a window that begins with a block has the same bits however its rows are run") {
  Random random(17);
  for (int32_t window : {64, 128}) {
    ModelDescription model = randomModel(random);
    for (Block& block : model.blocks) {
      block.attention.kvHeads = block.attention.heads = 2;
      block.attention.window = window;
    }
    const RandomPack pack(model, random.bits());
    const Sequence sequence = randomSequence(random, model, 200, 0);
    ModelSession whole(model, {16, 256}, createCpuBackend(1, "")), single(model, {16, 256}, createCpuBackend(1, ""));
    pack.attachTo(whole);
    pack.attachTo(single);
    std::vector<float> expected;
    for (int32_t row = 0; row < 200; ++row) {
      const std::vector<float> one = step(single, {{&sequence, row, row + 1}});
      expected.insert(expected.end(), one.begin(), one.end());
    }
    CHECK(equal(step(whole, {{&sequence, 0, 200}}), expected), "window " + std::to_string(window));
  }
}

// Decoded rows with fewer KV heads than threads: the context is shared out by blocks.
TEST("a long context has the same bits however many threads share it") {
  Random random(16);
  for (int trial = 0; trial < 4; ++trial) {
    ModelDescription model = randomModel(random);
    for (Block& block : model.blocks) {
      block.attention.kvHeads = 1;
      block.attention.heads = 3;
    }
    const RandomPack pack(model, random.bits());
    const Sequence sequence = randomSequence(random, model, 330, 0);
    std::vector<float> expected;
    for (int threads : {1, 2, 5}) {
      ModelSession session(model, {16, 400}, createCpuBackend(threads, ""));
      pack.attachTo(session);
      std::vector<float> logits = step(session, {{&sequence, 0, 300}});
      for (int32_t row = 300; row < 330; ++row) {
        const std::vector<float> one = step(session, {{&sequence, row, row + 1}});
        logits.insert(logits.end(), one.begin(), one.end());
      }
      if (expected.empty()) expected = logits;
      CHECK(equal(logits, expected), std::to_string(threads) + " threads");
    }
  }
}

TEST("what a block's former owner left there is never read") {
  Random random(12);
  for (DType dtype : {DType::f32, DType::bf16}) {
    ModelDescription model = randomModel(random);
    model.activations = dtype;
    const RandomPack pack(model, 99), poison(model, 98, std::numeric_limits<float>::quiet_NaN());
    const Sequence sequence = randomSequence(random, model, 101, 0), former = randomSequence(random, model, 128, 0);
    ModelSession fresh(model, {4, 256}, createCpuBackend(2, ""));
    pack.attachTo(fresh);
    const std::vector<float> expected = inChunks(random, fresh, sequence, nullptr);

    ModelSession used(model, {4, 256}, createCpuBackend(2, ""));
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
  for (int trial = 0; trial < 8; ++trial) {
    const ModelDescription model = randomPackableModel(random);
    const RandomPack pack = packOfAnyFormats(model, random.bits());
    ModelSession session(model, {16, 256}, createCpuBackend(2, ""));
    pack.attachTo(session);
    const Sequence sequence = randomSequence(random, model, 150, 0);
    for (float logit : step(session, {{&sequence, 0, 150}})) {
      digest = (digest ^ std::bit_cast<uint32_t>(logit)) * 1099511628211u;
    }
  }
  std::printf("digest %016llx\n", static_cast<unsigned long long>(digest));
}

TEST("a bad batch is refused and changes nothing") {
  Random random(13);
  const ModelDescription model = randomModel(random);
  const RandomPack pack(model, 5);
  ModelSession session(model, {4, 64}, createCpuBackend(2, ""));
  pack.attachTo(session);
  const Sequence sequence = randomSequence(random, model, 10, 0);
  const std::vector<float> expected = step(session, {{&sequence, 0, 10}});
  float logits[1];
  int refused = 0;
  for (int trial = 0; trial < 5000; ++trial) {
    StepBatch batch;
    const int32_t rows = random.between(1, 4);
    for (int32_t r = 0; r < rows; ++r) {
      batch.tokens.push_back(random.of<int32_t>({0, 1, -1, model.vocab, INT32_MAX, INT32_MIN}));
      batch.positions.push_back(random.of<int32_t>({r, r, 0, -1, 63, 64, 399, 400, INT32_MAX}));
      batch.sequences.push_back(random.of<int32_t>({0, 0, 1, -1, 2, INT32_MAX}));
    }
    batch.blockTableWidth = random.of<int32_t>({1, 2, 0, -1, INT32_MAX});
    for (int i = random.below(5); i > 0; --i) batch.blockTables.push_back(random.of<int32_t>({3, 2, -1, 4, INT32_MAX}));
    if (random.below(2) == 0) batch.logitRows.push_back(random.of<int32_t>({-1, 4, INT32_MAX}));
    if (random.below(4) == 0) batch.positions.pop_back();
    try {
      checkBatch(batch, model.shape(), {4, 64});
    } catch (const Failure&) {
      ++refused;
      try {
        session.step(batch, logits, [](const std::optional<Failure>&) {});
        CHECK(false, "the session took what checkBatch refuses");
      } catch (const Failure& failure) {
        CHECK(failure.code == FailureCode::invalidArgument, failure.what());
      }
    }
  }
  CHECK(refused > 4000, "most of these batches are bad");
  CHECK(equal(step(session, {{&sequence, 0, 10}}), expected), "the cache is as before");
}

TEST("impossible descriptions are refused by name") {
  Random random(14);
  for (int trial = 0; trial < 2000; ++trial) {
    ModelDescription model = randomModel(random);
    Block& block = model.blocks[static_cast<size_t>(random.below(static_cast<int32_t>(model.blocks.size())))];
    AttentionDescription& attention = block.attention;
    MoeMlp* moe = std::get_if<MoeMlp>(&block.mlp);
    int32_t& width = moe == nullptr ? std::get<DenseMlp>(block.mlp).mlp.width : moe->expert.width;
    int32_t* fields[] = {&model.dModel,      &model.vocab, &model.maxContext,  &attention.heads,
                         &attention.kvHeads, &width,       &attention.headDim, &model.blockOfLayer[0]};
    *fields[random.below(8)] = random.of<int32_t>({-1, INT32_MIN, INT32_MAX});
    bool refused = false;
    try {
      checkDescription(model);
    } catch (const Failure& failure) {
      refused = std::string(failure.what()).size() > 5;
    }
    CHECK(refused, "description");
  }
}
