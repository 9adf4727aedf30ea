// What a step costs, in numbers that no busy machine moves: allocations here, instructions under callgrind
// (step-cost.test.ts).
#include <atomic>
#include <cstdlib>
#include <new>

#include "../../native/cpu/cpu-backend.h"
#include "random-model.h"

using namespace conclave;
using namespace conclave::test;

namespace {

std::atomic<int64_t> allocations{0};

}  // namespace

// Inlined, half of a pair looks mismatched to the compiler.
[[gnu::noinline]] void* operator new(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
// std::stable_sort asks for its buffer this way and gives it back to the delete below.
[[gnu::noinline]] void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(bytes);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace {

// A backend with its weights, and sequences that go on where they stopped.
class Steps {
 public:
  Steps(const ModelDescription& model, int threads)
      : pack_(model, 7, 1.0f, model.activations), weights_(model), backend_(model, limits, threads, "") {
    pack_.attachTo(weights_);
    Random random(3);
    for (int32_t s = 0; s < sequences; ++s) sequences_.push_back(randomSequence(random, model, length, s * blocks));
    logits_.resize(static_cast<size_t>(model.vocab) * maxRows);
  }

  // Rows [from, to) of the first `count` sequences; returns the allocations made by the step alone.
  int64_t run(int32_t count, int32_t from, int32_t to) {
    std::vector<Part> parts;
    for (int32_t s = 0; s < count; ++s) parts.push_back({&sequences_[static_cast<size_t>(s)], from, to});
    const StepBatch batch = batchOf(parts);
    const int64_t before = allocations.load();
    backend_.step(batch, weights_, logits_.data());
    return allocations.load() - before;
  }

  static constexpr int32_t sequences = 8, length = 192;

 private:
  static constexpr int32_t maxRows = 256, blocks = length / kvBlockTokens;
  static constexpr StepLimits limits{sequences * blocks, maxRows};

  RandomPack pack_;
  ModelWeights weights_;
  CpuBackend backend_;
  std::vector<Sequence> sequences_;
  std::vector<float> logits_;
};

// DBRX's kind of block, whose cost is counted.
ModelDescription smallModel() {
  Random random(1);
  ModelDescription model = plainModel(random, 2, 8, 2);
  model.activations = DType::bf16;
  model.dModel = 256;
  model.vocab = 512;
  AttentionDescription& attention = model.blocks[0].attention;
  attention.heads = 4;
  attention.kvHeads = 2;
  attention.headDim = attention.rotary->dims = 64;
  attention.scale = 0.125f;
  attention.clip = 8;
  MoeMlp& moe = std::get<MoeMlp>(model.blocks[0].mlp);
  moe.router.normalizationEpsilon = std::nullopt;
  moe.expert.width = 512;
  return model;
}

}  // namespace

TEST("a step allocates nothing, whatever its rows and its context") {
  for (int threads : {1, 3}) {
    Steps steps(smallModel(), threads);
    for (int32_t warm = 0; warm < 2; ++warm) {
      for (const int32_t rows : {128, 16, 1}) steps.run(1, 0, rows);
      steps.run(Steps::sequences, 0, 1);
    }
    CHECK(steps.run(1, 0, 128) == 0, "a prompt");
    CHECK(steps.run(1, 128, 129) == 0, "one row");
    for (int32_t row = 0; row < 16; ++row) steps.run(Steps::sequences, row, row + 1);
    CHECK(steps.run(Steps::sequences, 16, 17) == 0, "eight rows");
    CHECK(steps.run(1, 129, 192) == 0, "a chunk of a prompt");
  }
}

// Under callgrind, which counts what happens inside CpuBackend::step.
TEST("counted: a prompt of 128 tokens") { Steps(smallModel(), 1).run(1, 0, 128); }

TEST("counted: 16 steps of one token") {
  Steps steps(smallModel(), 1);
  for (int32_t row = 0; row < 16; ++row) steps.run(1, row, row + 1);
}

TEST("counted: 16 steps of eight tokens") {
  Steps steps(smallModel(), 1);
  for (int32_t row = 0; row < 16; ++row) steps.run(Steps::sequences, row, row + 1);
}
