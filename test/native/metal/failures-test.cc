// What goes wrong with a GPU is said with what to do, before it is used or in mid-step, and leaves everything else as
// it was.
#include "../../../native/core/failure.h"
#include "../../../native/metal/emulated/emulated-device.h"
#include "../../../native/metal/gpu-limits.h"
#include "../../../native/metal/metal-backend.h"
#include "../failure-of.h"
#include "../random-model.h"

using namespace conclave;
using namespace conclave::test;

namespace {

bool says(const std::optional<Failure>& failure, FailureCode code, const std::string& words) {
  return failure.has_value() && failure->code == code && std::string(failure->what()).find(words) != std::string::npos;
}

std::string textOf(const std::optional<Failure>& failure) {
  return failure.has_value() ? failure->what() : "no failure";
}

#define CHECK_SAYS(failure, code, words)                                      \
  {                                                                           \
    const std::optional<Failure> said = failure;                              \
    CHECK(says(said, code, words), std::string(words) + ": " + textOf(said)); \
  }

// With weights, whose format says which kernels there are to compile.
std::unique_ptr<ModelSession> filledSessionOn(const EmulatedOptions& options, const ModelDescription& model) {
  auto session =
      std::make_unique<ModelSession>(model, StepLimits{4, 128}, [&](const ModelDescription&, const StepLimits& limits) {
        return std::make_unique<MetalBackend>(std::make_unique<EmulatedDevice>(options), model, limits, "");
      });
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  pack.attachTo(*session);
  return session;
}

std::unique_ptr<ModelSession> sessionOn(const EmulatedOptions& options, const ModelDescription& model,
                                        const char* variant = "lanes") {
  return std::make_unique<ModelSession>(
      model, StepLimits{4, 128}, [&](const ModelDescription&, const StepLimits& limits) {
        return std::make_unique<MetalBackend>(std::make_unique<EmulatedDevice>(options), model, limits, variant);
      });
}

std::optional<Failure> stepFailure(ModelSession& session, const Sequence& sequence) {
  StepBatch batch = batchOf({{&sequence, 0, static_cast<int32_t>(sequence.tokens.size())}});
  std::vector<float> logits(batch.logitRows.size() * static_cast<size_t>(session.shape().vocab));
  return outcomeOf([&](ModelSession::Done done) { session.step(std::move(batch), logits.data(), std::move(done)); });
}

// The least working set in which a session opens: what it needs beside weights.
int64_t roomFor(const ModelDescription& model) {
  EmulatedOptions options;
  int64_t tooLittle = 0, enough = int64_t{1} << 32;
  while (enough - tooLittle > 1) {
    options.workingSetBytes = tooLittle + (enough - tooLittle) / 2;
    const bool opens = !failureOf([&] { sessionOn(options, model); }).has_value();
    (opens ? enough : tooLittle) = options.workingSetBytes;
  }
  return enough;
}

GpuProperties pretended(int64_t gigabytesOfMemory, int64_t gigabytesOfGpu) {
  GpuProperties gpu = EmulatedDevice().properties();
  gpu.memoryBytes = gigabytesOfMemory << 30;
  gpu.workingSetBytes = gigabytesOfGpu << 30;
  return gpu;
}

}  // namespace

TEST("a GPU that is lost in mid-step fails the step, and every call after it") {
  Random random(51);
  const ModelDescription model = plainModel(random);
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  const Sequence sequence = randomSequence(random, model, 5, 0);
  EmulatedOptions options;
  options.dispatchesUntilLost = 18 * model.layers();
  const auto session = sessionOn(options, model);
  pack.attachTo(*session);
  CHECK(!stepFailure(*session, sequence).has_value(), "the first step runs");
  CHECK_SAYS(stepFailure(*session, sequence), FailureCode::deviceLost, "restart this node");
  CHECK_SAYS(failureOf([&] { stepFailure(*session, sequence); }), FailureCode::deviceLost, "only a new session");
  CHECK_SAYS(failureOf([&] { session->detachExperts(std::vector<int32_t>{0}); }), FailureCode::deviceLost,
             "only a new session");

  const auto next = sessionOn({}, model);
  pack.attachTo(*next);
  CHECK(!stepFailure(*next, sequence).has_value(), "a new session has a new device");
}

TEST("a GPU that is lost in a part of a step fails that part") {
  Random random(52);
  const ModelDescription model = plainModel(random);
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  EmulatedOptions options;
  options.dispatchesUntilLost = 5;
  const auto session = sessionOn(options, model);
  pack.attachTo(*session);
  const Sequence sequence = randomSequence(random, model, 3, 0);
  session->begin(batchOf({{&sequence, 0, 3}}));
  std::vector<int32_t> experts(static_cast<size_t>(3 * model.shape().topK));
  std::vector<float> weights(experts.size());
  const AttendResult result{experts.data(), weights.data(), nullptr};
  CHECK_SAYS(outcomeOf([&](ModelSession::Done done) { session->attend(0, {}, result, std::move(done)); }),
             FailureCode::deviceLost, "the GPU gave up a step");
}

TEST("kernels that do not compile are refused with the compiler's log") {
  Random random(53);
  const ModelDescription model = plainModel(random);
  EmulatedOptions options;
  options.refusedKernel = "attend_blocks";
  options.compilerLog = "program_source:12:3: error: use of undeclared identifier 'x'";
  CHECK_SAYS(failureOf([&] { filledSessionOn(options, model); }), FailureCode::unavailable, options.compilerLog);
  options.refusedKernel = "touch";
  options.residencySets = false;
  CHECK_SAYS(failureOf([&] { sessionOn(options, model); }), FailureCode::unavailable, options.compilerLog);
}

TEST("a kernel whose registers leave room for fewer threads is refused when it is compiled") {
  Random random(57);
  const ModelDescription model = plainModel(random);
  EmulatedOptions options;
  options.crampedKernel = "attend_blocks";
  CHECK_SAYS(failureOf([&] { filledSessionOn(options, model); }), FailureCode::unavailable,
             "kernel attend_blocks runs in threadgroups of 256 threads; its registers leave room for 32 on this GPU");
  EmulatedDevice device;
  CHECK_SAYS(failureOf([&] { device.pipeline(DType::f32, "add_rows", 512); }), FailureCode::unavailable, "512 threads");
  CHECK_SAYS(failureOf([&] { device.pipeline(DType::f32, "add_rows", 33); }), FailureCode::invalidArgument,
             "33 threads");
}

TEST("a model of more experts than fit into threadgroup memory is refused by their number") {
  Random random(58);
  const auto open = [&](int32_t experts) {
    const ModelDescription model = plainModel(random, 1, experts, 1);
    return failureOf([&] { MetalBackend(std::make_unique<EmulatedDevice>(), model, StepLimits{4, 128}, "lanes"); });
  };
  CHECK(!open(4096).has_value(), "exactly all of it");
  CHECK_SAYS(open(4097), FailureCode::unavailable,
             "kernel group_slots needs 32776 bytes of threadgroup memory for 4097 experts; a GPU has 32768");
}

TEST("a model that needs more than the GPU may hold is refused with the limit that would do") {
  CHECK(!failureOf([] { requireRoom(pretended(192, 144), int64_t{144} << 30); }).has_value(), "what fits exactly");
  CHECK_SAYS(failureOf([] { requireRoom(pretended(192, 144), int64_t{150} << 30); }), FailureCode::outOfMemory,
             "need 150.0 GiB on the GPU, which may hold 144.0 GiB; raise the limit with: sudo sysctl "
             "iogpu.wired_limit_mb=154624");
  CHECK_SAYS(failureOf([] { requireRoom(pretended(192, 144), int64_t{190} << 30); }), FailureCode::outOfMemory,
             "this machine has 192.0 GiB: hold fewer experts here, or a smaller KV cache");
  EmulatedOptions options;
  options.workingSetBytes = 1000;
  Random random(54);
  const ModelDescription model = plainModel(random);
  CHECK_SAYS(failureOf([&] { sessionOn(options, model); }), FailureCode::outOfMemory, "iogpu.wired_limit_mb");
}

TEST("a pack that the GPU has no room for is not attached, and those before it are as they were") {
  Random random(55);
  const ModelDescription model = plainModel(random, 2, 2, 1);
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  for (const bool residencySets : {true, false}) {
    EmulatedOptions options;
    options.residencySets = residencySets;
    options.memoryBytes = int64_t{64} << 30;
    options.workingSetBytes = roomFor(model) + pack.bytes();
    const auto session = sessionOn(options, model);
    pack.attachExpertTo(*session, 0);
    CHECK_SAYS(failureOf([&] { pack.attachExpertTo(*session, 1); }), FailureCode::outOfMemory, "raise the limit");
    std::vector<std::byte> hidden(static_cast<size_t>(session->activationBytes())), outputs(hidden.size());
    const auto run = [&](int32_t expert) {
      ExpertWork work{0, {0}, {expert}, hidden.data(), 1, outputs.data()};
      return outcomeOf([&](ModelSession::Done done) { session->runExperts(std::move(work), std::move(done)); });
    };
    CHECK(!run(0).has_value(), "the first expert computes");
    CHECK_SAYS(failureOf([&] { run(1); }), FailureCode::invalidArgument, "expert 1 of layer 0 is not attached");
  }
}

TEST("a pack that is not mapped at a page of the GPU is refused by name") {
  Random random(56);
  const ModelDescription model = plainModel(random);
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  EmulatedOptions options;
  options.pageBytes = int64_t{1} << 30;
  const auto session = sessionOn(options, model);
  CHECK_SAYS(failureOf([&] { pack.attachSharedTo(*session); }), FailureCode::unavailable, pack.path());
  CHECK_SAYS(failureOf([&] { pack.attachSharedTo(*session); }), FailureCode::unavailable, "let them be built again");
}

TEST("a GPU that is not Apple silicon's is refused") {
  GpuProperties gpu = pretended(16, 12);
  requireAppleSilicon(gpu);
  gpu.appleSilicon = false;
  gpu.name = "AMD Radeon Pro 5300M";
  CHECK_SAYS(failureOf([&] { requireAppleSilicon(gpu); }), FailureCode::unavailable,
             "AMD Radeon Pro 5300M is no GPU of Apple silicon");
}

TEST("a buffer that the GPU does not take is refused by its size") {
  EmulatedOptions options;
  options.largestBufferBytes = 4096;
  EmulatedDevice device(options);
  CHECK_SAYS(failureOf([&] { device.allocate(5000); }), FailureCode::outOfMemory, "5000 bytes");
  alignas(16384) static const std::byte pages[65536] = {};
  CHECK_SAYS(failureOf([&] { device.wrap(pages, 65536); }), FailureCode::outOfMemory, "65536 bytes");
  CHECK_SAYS(failureOf([&] { device.allocate(0); }), FailureCode::invalidArgument, "a buffer of no bytes");
  CHECK_SAYS(failureOf([&] { device.wrap(pages, 0); }), FailureCode::invalidArgument, "a buffer of no bytes");
  CHECK_SAYS(failureOf([&] { device.wrap(reinterpret_cast<const std::byte*>(16), 4096); }),
             FailureCode::invalidArgument, "page boundary");
}

TEST("a KV cache that is too large for a buffer is refused with what helps") {
  Random random(59);
  EmulatedOptions options;
  options.largestBufferBytes = 1 << 20;
  CHECK_SAYS(failureOf([&] { requireBuffer(pretended(8, 6), "a layer's KV cache", int64_t{1} << 50, "ask for less"); }),
             FailureCode::outOfMemory, "a layer's KV cache needs a buffer of 1048576.0 GiB");
  ModelDescription model = plainModel(random);
  model.blocks[0].attention.headDim = 64;
  model.blocks[0].attention.rotary->dims = 64;
  CHECK_SAYS(failureOf([&] {
               MetalBackend(std::make_unique<EmulatedDevice>(options), model, StepLimits{100'000, 1}, "lanes");
             }),
             FailureCode::outOfMemory, "worker.kvTokens");
}

TEST("shapes and variants that the kernels cannot do are refused by name") {
  Random random(42);
  ModelDescription model = plainModel(random);
  const auto open = [&](const char* variant, bool matrices) {
    EmulatedOptions options;
    options.simdgroupMatrices = matrices;
    return failureOf([&] { sessionOn(options, model, variant); });
  };
  CHECK(!open("", false).has_value(), "without matrices products go in lanes");
  CHECK_SAYS(open("matrices", false), FailureCode::invalidArgument, "no simdgroup matrices");
  CHECK_SAYS(open("avx2", true), FailureCode::invalidArgument, "lanes, matrices");
  model.blocks[0].attention.headDim = 258;
  model.blocks[0].attention.rotary->dims = 258;
  CHECK_SAYS(open("", true), FailureCode::invalidArgument, "heads of up to 256");
}
