// Command buffers end before the watchdog would end them: work is split by predicted time, with the same bits, and what
// was ended all the same runs again in smaller pieces.
#include "../../../native/metal/command-budget.h"

#include "../../../native/cpu/cpu-backend.h"
#include "../../../native/metal/command-failure.h"
#include "../../../native/metal/metal-backend.h"
#include "../random-model.h"
#include "intercepted-device.h"
#include "step-in-parts.h"

using namespace conclave;
using namespace conclave::test;

namespace {

// A GPU whose commands are counted.
struct Counted {
  std::vector<double> predicted;  // seconds of each command buffer
  int64_t dispatches = 0;
  double flops = 0;
  std::unique_ptr<ModelSession> session;

  Counted(const ModelDescription& model, const EmulatedOptions& options) {
    Interception interception;
    interception.dispatch = [this, rates = options.rates](GpuDispatch& dispatch, size_t index) {
      if (index == 0) predicted.push_back(0);
      predicted.back() += predictedSeconds(rates, dispatch.work);
      flops += dispatch.work.flops;
      ++dispatches;
    };
    session = std::make_unique<ModelSession>(
        model, StepLimits{4, 128}, [&](const ModelDescription&, const StepLimits& limits) {
          return std::make_unique<MetalBackend>(std::make_unique<InterceptedDevice>(interception, options), model,
                                                limits, "lanes");
        });
  }
};

// Keeps what it is given, runs nothing.
class Recorded final : public GpuCommands {
 public:
  void dispatch(const GpuDispatch& dispatch) override { dispatches.push_back(dispatch); }
  void barrier() override {}
  void signal(GpuEvent&, uint64_t) override {}
  void submit() override {}
  void wait() override {}
  bool haveEnded() const override { return true; }
  double gpuSeconds() const override { return 0; }
  std::vector<GpuDispatch> dispatches;
};

std::vector<float> onCpu(const ModelDescription& model, const RandomPack& pack, const Sequence& sequence) {
  ModelSession cpu(model, {4, 128}, createCpuBackend(2, ""));
  pack.attachTo(cpu);
  return step(cpu, {{&sequence, 0, static_cast<int32_t>(sequence.tokens.size())}});
}

std::vector<float> inParts(ModelSession& session, const ModelDescription& model, const RandomPack& pack,
                           const Sequence& sequence) {
  Counted other(model, {});
  for (int32_t e = 0; e < model.shape().experts; ++e) pack.attachExpertTo(*other.session, e);
  StepBatch batch = batchOf({{&sequence, 0, static_cast<int32_t>(sequence.tokens.size())}});
  return stepInParts(session, *other.session, std::move(batch), false);
}

std::optional<Failure> failureOf(CommandError error, const char* reason) {
  try {
    throwCommandFailure(error, reason);
  } catch (const Failure& failure) {
    return failure;
  }
}

}  // namespace

TEST("rates go by the name's tier, and an unknown GPU is taken for the slowest") {
  const GpuRates ultra = conservativeRates("Apple M2 Ultra"), max = conservativeRates("Apple M4 Max"),
                 pro = conservativeRates("Apple M3 Pro"), base = conservativeRates("Apple M1");
  CHECK(ultra.flops > max.flops && max.flops > pro.flops && pro.flops > base.flops, "in order");
  CHECK(ultra.bytesPerSecond <= 200e9 && base.bytesPerSecond <= 17e9, "a quarter of what is published");
  CHECK(conservativeRates("Apple Paravirtual device").flops == base.flops, "unknown");
}

TEST("a piece of a grid fits the budget, or is one threadgroup column") {
  Random random(61);
  const CommandBudget budget(conservativeRates("Apple M1"));
  for (int trial = 0; trial < 2000; ++trial) {
    const GpuGrid grid{random.between(1, 400), random.between(1, 90), random.between(1, 3)};
    const GpuWork work{std::pow(10.0, random.between(6, 14)), std::pow(10.0, random.between(4, 13))};
    const GpuGrid piece = budget.piece(grid, work);
    const double share = static_cast<double>(piece.x) * piece.y / (static_cast<double>(grid.x) * grid.y);
    const double seconds = budget.predicted({work.flops * share, work.bytes * share});
    const std::string which = std::to_string(piece.x) + " x " + std::to_string(piece.y) + " of " +
                              std::to_string(grid.x) + " x " + std::to_string(grid.y);
    CHECK(piece.x >= 1 && piece.y >= 1 && piece.x <= grid.x && piece.y <= grid.y && piece.z == grid.z, which);
    CHECK(seconds <= budget.seconds() || (piece.x == 1 && piece.y == 1), which + ": " + std::to_string(seconds));
    CHECK(budget.predicted(work) > budget.seconds() || share == 1, which + " though the whole fits");
  }
}

// An M2 Ultra at DBRX's sizes: the products of 512 rows, which would take 0.2 s each.
TEST("products of 512 rows are split, and those of one row are not") {
  EmulatedOptions options;
  options.rates = conservativeRates("Apple M2 Ultra");
  EmulatedDevice device(options);
  const CommandBudget budget(options.rates);
  MetalKernels kernels(device, DType::bf16, ProductKind::matrices, budget);
  kernels.compileFor(DType::bf16);
  for (const int32_t rows : {512, 1}) {
    Recorded recorded;
    const int32_t tile = kernels.tileRows(rows), tiles = rows * 4 / tile + 4;
    kernels.gateUp(recorded, DType::bf16, {6144, 10752, 6144, 10752, 0, 0, 0, siluFunction, 0, 0}, tile, tiles, {});
    int64_t threadgroups = 0;
    for (const GpuDispatch& dispatch : recorded.dispatches) {
      CHECK(budget.predicted(dispatch.work) <= 0.05, std::to_string(budget.predicted(dispatch.work)) + " s");
      threadgroups += int64_t{dispatch.groups.x} * dispatch.groups.y;
    }
    CHECK(threadgroups == int64_t{10752 / 32} * tiles, "every threadgroup once");
    CHECK((recorded.dispatches.size() > 1) == (rows == 512), std::to_string(recorded.dispatches.size()));
  }
}

TEST("a step whose every dispatch is split has the bits of the whole, in one piece and in parts") {
  Random random(62);
  for (const int32_t length : {5, 70}) {
    const ModelDescription model = randomModel(random);
    const RandomPack pack(model, random.bits());
    const Sequence sequence = randomSequence(random, model, length, 0);
    const std::vector<float> expected = onCpu(model, pack, sequence);
    EmulatedOptions options;
    options.rates = {1e3, 1e15};
    options.watchdogSeconds = 1e9;
    Counted slow(model, options), usual(model, {});
    for (Counted* each : {&slow, &usual}) {
      pack.attachTo(*each->session);
      CHECK(equal(step(*each->session, {{&sequence, 0, length}}), expected), "whole");
    }
    CHECK(slow.dispatches > usual.dispatches, "there is something to split");
    CHECK(slow.predicted.size() > 10 * usual.predicted.size(), std::to_string(slow.predicted.size()) + " buffers");
    CHECK(equal(inParts(*slow.session, model, pack, sequence), expected), "in parts");
  }
}

TEST("commands that the watchdog ends run again in smaller pieces, with the same bits") {
  Random random(63);
  const ModelDescription model = plainModel(random, 3, 4, 2);
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  const Sequence sequence = randomSequence(random, model, 40, 0);
  const std::vector<float> expected = onCpu(model, pack, sequence);
  Counted usual(model, {});
  pack.attachTo(*usual.session);
  step(*usual.session, {{&sequence, 0, 40}});
  // A step is predicted to take 40 ms and takes 400.
  EmulatedOptions options;
  options.rates = {usual.flops / 0.04, 1e15};
  options.slowdown = 10;
  for (const bool parts : {false, true}) {
    options.watchdogSeconds = parts ? 0.05 : 0.1;
    Counted slow(model, options);
    pack.attachTo(*slow.session);
    const std::vector<float> logits =
        parts ? inParts(*slow.session, model, pack, sequence) : step(*slow.session, {{&sequence, 0, 40}});
    CHECK(equal(logits, expected), parts ? "in parts" : "whole");
    const double longest = *std::max_element(slow.predicted.begin(), slow.predicted.end());
    CHECK(longest * options.slowdown > options.watchdogSeconds, "something was ended");
    slow.predicted.clear();
    step(*slow.session, {{&sequence, 0, 40}});
    CHECK(*std::max_element(slow.predicted.begin(), slow.predicted.end()) <= 0.01 + 1e-9, "and the budget stays small");
  }
}

TEST("a part of a step that is ended when all of it has run leaves no trace") {
  Random random(65);
  ModelDescription model = plainModel(random, 2, 4, 2);
  std::get<MoeMlp>(model.blocks[0].mlp).shared = randomShared(random);
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  const Sequence sequence = randomSequence(random, model, 5, 0);
  const std::vector<float> expected = onCpu(model, pack, sequence);
  // Embedding to router, what comes behind it, the same of the next layer, logits.
  for (int ended = 1; ended <= 5; ++ended) {
    int seen = 0;
    Interception interception;
    interception.seen = [&] {
      if (++seen == ended) throw GpuTimeout("late");
    };
    ModelSession session(model, {4, 128}, [&](const ModelDescription&, const StepLimits& limits) {
      return std::make_unique<MetalBackend>(std::make_unique<InterceptedDevice>(interception), model, limits, "lanes");
    });
    pack.attachTo(session);
    CHECK(equal(inParts(session, model, pack, sequence), expected), "the " + std::to_string(ended) + ". value");
    CHECK(seen >= 5, std::to_string(seen) + " values");
  }
}

TEST("a GPU that ends the smallest pieces is lost, and the failure names the watchdog and what helps") {
  Random random(64);
  const ModelDescription model = plainModel(random);
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  const Sequence sequence = randomSequence(random, model, 3, 0);
  EmulatedOptions options;
  options.watchdogSeconds = 0;
  Counted hung(model, options);
  pack.attachTo(*hung.session);
  const auto failure = outcomeOf([&](ModelSession::Done done) {
    hung.session->step(batchOf({{&sequence, 0, 3}}), std::vector<float>(3 * static_cast<size_t>(model.vocab)).data(),
                       std::move(done));
  });
  CHECK(failure.has_value() && failure->code == FailureCode::deviceLost, "lost");
  const std::string words = failure.has_value() ? failure->what() : "";
  CHECK(words.find("watchdog") != std::string::npos && words.find("worker.maxRows") != std::string::npos, words);
}

TEST("the watchdog is known by its error, or with a display by its words") {
  const auto timeout = failureOf(CommandError::timeout, "Caused GPU Timeout Error (00000002)");
  const auto display = failureOf(CommandError::other, "Impacting Interactivity (0000000e:kIOGPU)");
  for (const auto& failure : {timeout, display}) {
    CHECK(std::string(failure->what()).find("watchdog") != std::string::npos, failure->what());
  }
  const auto other = failureOf(CommandError::other, "page fault");
  CHECK(other->code == FailureCode::deviceLost, "lost");
  CHECK(std::string(other->what()).find("watchdog") == std::string::npos, other->what());
  CHECK(failureOf(CommandError::outOfMemory, "no memory")->code == FailureCode::outOfMemory, "memory");
}
