// A whole model on the emulated GPU. With products in lanes its logits have the CPU's bits, which says that every
// kernel, every binding and the order of everything is right. With products in matrices only sums are ordered
// differently: logits are close, and still the same bits however rows are run.
#include <cmath>
#include <set>

#include "../../../native/cpu/cpu-backend.h"
#include "../../../native/metal/emulated/emulated-device.h"
#include "../../../native/metal/metal-backend.h"
#include "../random-model.h"
#include "intercepted-device.h"
#include "step-in-parts.h"

using namespace conclave;
using namespace conclave::test;

namespace {

std::unique_ptr<ModelSession> emulatedSession(const ModelDescription& model, const StepLimits& limits,
                                              const char* variant, uint32_t seed) {
  EmulatedOptions options;
  options.seed = seed;
  return std::make_unique<ModelSession>(model, limits, [&](const ModelDescription&, const StepLimits&) {
    return std::make_unique<MetalBackend>(std::make_unique<EmulatedDevice>(options), model, limits, variant);
  });
}

// A session's device, for looking at what it did. It lives as long as the session.
struct Observed {
  EmulatedDevice* device = nullptr;
  std::unique_ptr<ModelSession> session;
};

Observed observedSession(const ModelDescription& model, const StepLimits& limits, const char* variant) {
  Observed observed;
  observed.session = std::make_unique<ModelSession>(model, limits, [&](const ModelDescription&, const StepLimits&) {
    auto device = std::make_unique<EmulatedDevice>();
    observed.device = device.get();
    return std::make_unique<MetalBackend>(std::move(device), model, limits, variant);
  });
  return observed;
}

// The sequence in random chunks, some of them beside a stranger.
std::vector<float> inChunks(Random& random, ModelSession& session, const Sequence& sequence, const Sequence& stranger) {
  std::vector<float> all;
  const int32_t length = static_cast<int32_t>(sequence.tokens.size()), vocab = session.shape().vocab;
  for (int32_t from = 0; from < length;) {
    const int32_t to = std::min(length, from + random.of<int32_t>({1, 2, 13, 40, 64}));
    std::vector<Part> parts{{&sequence, from, to}};
    if (random.below(2) == 0) parts.push_back({&stranger, 0, random.between(1, 20)});
    const std::vector<float> logits = step(session, parts);
    all.insert(all.end(), logits.begin(), logits.begin() + int64_t{to - from} * vocab);
    from = to;
  }
  return all;
}

float largest(const std::vector<float>& values) {
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

// Relative to the largest logit. bf16 rounds activations at many points; a sum that differs in its last bit may fall on
// the other side of one of them.
float tolerance(DType dtype) { return dtype == DType::bf16 ? 0.03f : 2e-5f; }

}  // namespace

TEST("any model in lanes on the emulated GPU has the CPU's bits, in any chunks") {
  Random random(31);
  for (int trial = 0; trial < 40; ++trial) {
    const ModelDescription model = trial % 8 == 0   ? plainModel(random)
                                   : trial % 8 == 1 ? randomModel(random, 0, 1, 1)
                                                    : randomModel(random);
    const RandomPack pack(model, random.bits());
    const int32_t length = random.of<int32_t>({1, 7, 64, 65, 130});
    const Sequence sequence = randomSequence(random, model, length, 0),
                   stranger = randomSequence(random, model, 20, 10);
    ModelSession cpu(model, {16, 256}, createCpuBackend(2, ""));
    pack.attachTo(cpu);
    const std::vector<float> expected = step(cpu, {{&sequence, 0, length}});
    const auto gpu = emulatedSession(model, {16, 256}, "lanes", random.bits());
    pack.attachTo(*gpu);
    const std::string which = "trial " + std::to_string(trial) + ", length " + std::to_string(length) + ": ";
    CHECK(std::isfinite(expected[0]), which + "logits are finite");
    CHECK(equal(step(*gpu, {{&sequence, 0, length}}), expected), which + "in one piece");
    CHECK(equal(inChunks(random, *gpu, sequence, stranger), expected), which + "in chunks");
    CHECK(gpu->routingCounts().size() == cpu.routingCounts().size(), which + "routing counts");
  }
}

// Groups of 16 divide every matrix's inputs.
ModelDescription packableModel(Random& random) {
  ModelDescription model = randomModel(random, 2, 4, 2);
  model.dModel = random.of<int32_t>({32, 48});
  for (Block& block : model.blocks) {
    block.attention.headDim = 16;
    if (block.attention.rotary.has_value()) {
      block.attention.rotary->dims = 16;
      block.attention.rotary->frequencies = PlainFrequencies{10000};
    }
    if (MoeMlp* moe = std::get_if<MoeMlp>(&block.mlp)) {
      moe->expert.width = random.of<int32_t>({16, 48});
      if (moe->shared.has_value()) moe->shared->mlp.width = 32;
    } else {
      std::get<DenseMlp>(block.mlp).mlp.width = 64;
    }
  }
  return model;
}

TEST("a model of packed weights in lanes on the emulated GPU has the CPU's bits, in any chunks") {
  Random random(39);
  const WeightFormat formats[] = {
      {WeightCodes::affine4, ScaleType::bf16, 16}, {WeightCodes::affine3, ScaleType::f16, 16},
      {WeightCodes::affine8, ScaleType::f32, 16},  {WeightCodes::e2m1, ScaleType::e8m0, 16},
      {WeightCodes::e2m1, ScaleType::e4m3, 16},    {WeightCodes::e4m3, ScaleType::f32, 16}};
  for (const WeightFormat& format : formats) {
    const ModelDescription model = packableModel(random);
    const RandomPack pack(model, random.bits(), 1.0f, format);
    const Sequence sequence = randomSequence(random, model, 40, 0), stranger = randomSequence(random, model, 20, 10);
    ModelSession cpu(model, {16, 256}, createCpuBackend(2, ""));
    pack.attachTo(cpu);
    const std::vector<float> expected = step(cpu, {{&sequence, 0, 40}});
    const auto gpu = emulatedSession(model, {16, 256}, "lanes", random.bits());
    pack.attachTo(*gpu);
    const std::string which = "codes " + std::to_string(static_cast<int>(format.codes)) + ": ";
    CHECK(std::isfinite(expected[0]), which + "logits are finite");
    CHECK(equal(step(*gpu, {{&sequence, 0, 40}}), expected), which + "in one piece");
    CHECK(equal(inChunks(random, *gpu, sequence, stranger), expected), which + "in chunks");
  }
}

// A router that hardly prefers one expert to another would turn a last bit into another expert, or an expert that is
// just close enough into one that is not: all are taken, for what they score.
ModelDescription steadyModel(Random& random) {
  const int32_t experts = random.between(1, 6);
  ModelDescription model = randomModel(random, random.between(1, 3), experts, experts);
  for (Block& block : model.blocks) {
    MoeMlp* moe = std::get_if<MoeMlp>(&block.mlp);
    if (moe != nullptr && moe->router.scores == ScoreKind::sparseMixer) moe->router.scores = ScoreKind::softmax;
  }
  return model;
}

TEST("any model in matrices on the emulated GPU is close to the CPU, with the same bits in any chunks") {
  Random random(32);
  for (int trial = 0; trial < 12; ++trial) {
    const ModelDescription model = steadyModel(random);
    const RandomPack pack(model, random.bits());
    const int32_t length = random.of<int32_t>({1, 7, 65, 100});
    const Sequence sequence = randomSequence(random, model, length, 0),
                   stranger = randomSequence(random, model, 20, 10);
    ModelSession cpu(model, {16, 256}, createCpuBackend(2, ""));
    pack.attachTo(cpu);
    const std::vector<float> expected = step(cpu, {{&sequence, 0, length}});
    const auto gpu = emulatedSession(model, {16, 256}, "matrices", random.bits());
    pack.attachTo(*gpu);
    const std::vector<float> actual = step(*gpu, {{&sequence, 0, length}});
    float error = 0;
    for (size_t i = 0; i < actual.size(); ++i) error = std::max(error, std::fabs(actual[i] - expected[i]));
    const std::string which = "trial " + std::to_string(trial) + ": ";
    CHECK(error <= tolerance(model.activations) * largest(expected),
          which + "error " + std::to_string(error / largest(expected)));
    CHECK(equal(inChunks(random, *gpu, sequence, stranger), actual), which + "in chunks");
  }
}

// What a session asked of its GPU since `events` was cleared: d a dispatch, e a signal, s a submission, w a wait.
struct Watched {
  std::string events;
  std::unique_ptr<ModelSession> session;

  Watched(const ModelDescription& model, const StepLimits& limits) {
    Interception interception;
    interception.dispatch = [this](GpuDispatch&, size_t) { events += 'd'; };
    interception.signal = [this] { events += 'e'; };
    interception.submit = [this] { events += 's'; };
    interception.wait = [this] { events += 'w'; };
    session = std::make_unique<ModelSession>(model, limits, [&](const ModelDescription&, const StepLimits&) {
      return std::make_unique<MetalBackend>(std::make_unique<InterceptedDevice>(interception), model, limits, "lanes");
    });
    events.clear();
  }
};

TEST("weights, KV cache and step memory are resident") {
  Random random(37);
  const ModelDescription model = plainModel(random);
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  const Sequence sequence = randomSequence(random, model, 3, 0);
  InterceptedDevice* device = nullptr;
  std::set<const GpuBuffer*> resident, others;
  Interception interception;
  interception.dispatch = [&](GpuDispatch& dispatch, size_t) {
    for (const GpuView& view : dispatch.buffers) {
      (device->emulated().isResident(*view.buffer) ? resident : others).insert(view.buffer);
    }
  };
  const auto session =
      std::make_unique<ModelSession>(model, StepLimits{4, 128}, [&](const ModelDescription&, const StepLimits& limits) {
        auto intercepted = std::make_unique<InterceptedDevice>(interception);
        device = intercepted.get();
        return std::make_unique<MetalBackend>(std::move(intercepted), model, limits, "lanes");
      });
  pack.attachTo(*session);
  step(*session, {{&sequence, 0, 3}});
  const size_t caches = static_cast<size_t>(model.layers()), packs = static_cast<size_t>(model.shape().experts) + 1;
  CHECK(resident.size() > caches + packs, std::to_string(resident.size()) + " resident buffers");
  // Where there are fewer experts than a dispatch takes, the page in place of one.
  CHECK(others.size() == (model.shape().experts % buffersPerDispatch != 0 ? 1 : 0),
        std::to_string(others.size()) + " others");
}

TEST("while the GPU runs some layers of a step, the next are encoded") {
  Random random(35);
  const ModelDescription model = plainModel(random, 6, 4, 2);
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  const Sequence sequence = randomSequence(random, model, 3, 0);
  Watched watched(model, {4, 128});
  pack.attachTo(*watched.session);
  watched.events.clear();
  step(*watched.session, {{&sequence, 0, 3}});
  const std::string four(4 * 12 + 1, 'd'), two(2 * 12 + 2, 'd');
  CHECK(watched.events == four + 's' + two + "sww", watched.events);
}

TEST("while the GPU runs a part of a step, the next part is encoded, and an exchange waits for no encoding") {
  Random random(36);
  const ModelDescription model = plainModel(random, 2, 4, 2);
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  const Sequence sequence = randomSequence(random, model, 3, 0);
  for (const bool sums : {false, true}) {
    Watched watched(model, {4, 128});
    const auto other = emulatedSession(model, {4, 128}, "lanes", 1);
    pack.attachSharedTo(*watched.session);
    for (int32_t e = 0; e < 4; ++e) pack.attachExpertTo(*other, e);
    watched.events.clear();
    stepInParts(*watched.session, *other, batchOf({{&sequence, 0, 3}}), sums);
    // Embedding and attention to the router, and nothing behind it; then with the experts' contribution; then norm and
    // logits. No part is waited for: its signals are.
    const std::string first = std::string(9, 'd') + "ee", second = first, logits = "ddde";
    const std::string whole = first + 's' + second + 's' + logits + 's';
    // That rows are to be summed by their owners shows after the first layer.
    const std::string owners = first + 's' + second + "dsw" + second + 's' + logits + "dsw" + "s";
    CHECK(watched.events == (sums ? owners : whole), watched.events);
  }
}

// docs/performance-log.md counts on it.
TEST("a decode step of one row of DBRX's blocks is 13 dispatches per layer and 3 more") {
  Random random(33);
  const ModelDescription model = plainModel(random);
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  const Sequence sequence = randomSequence(random, model, 70, 0);
  const Observed observed = observedSession(model, {4, 128}, "lanes");
  pack.attachTo(*observed.session);
  step(*observed.session, {{&sequence, 0, 69}});
  const int64_t before = observed.device->dispatches();
  step(*observed.session, {{&sequence, 69, 70}});
  const int64_t dispatches = observed.device->dispatches() - before;
  CHECK(dispatches == 13 * model.layers() + 3,
        std::to_string(dispatches) + " dispatches, " + std::to_string(model.layers()) + " layers");
}

TEST("a product of many experts is one dispatch where they lie in one file, and one per 16 files elsewhere") {
  Random random(40);
  const ModelDescription model = plainModel(random, 2, 40, 8);
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  const Sequence sequence = randomSequence(random, model, 3, 0);
  const auto dispatchesOf = [&](bool whole, std::vector<float>& logits) {
    const Observed observed = observedSession(model, {4, 128}, "lanes");
    if (whole) {
      pack.attachWholeTo(*observed.session);
    } else {
      pack.attachTo(*observed.session);
    }
    logits = step(*observed.session, {{&sequence, 0, 3}});
    return observed.device->dispatches();
  };
  std::vector<float> slab, files;
  CHECK(dispatchesOf(true, slab) == 12 * 2 + 3, "one file");
  CHECK(dispatchesOf(false, files) == (12 + 2 * 2) * 2 + 3, "forty files");
  CHECK(equal(slab, files), "the same bits");
}

TEST("a step in parts on the emulated GPU, with experts elsewhere, has the bits of the whole") {
  Random random(34);
  for (int trial = 0; trial < 12; ++trial) {
    const ModelDescription model = randomModel(random, 2, 4, 2);
    const RandomPack pack(model, random.bits());
    const int32_t length = random.of<int32_t>({1, 9, 70});
    const Sequence sequence = randomSequence(random, model, length, 0);
    const char* variant = trial < 6 ? "lanes" : "matrices";
    const auto whole = emulatedSession(model, {4, 128}, variant, 1);
    pack.attachTo(*whole);
    const std::vector<float> expected = step(*whole, {{&sequence, 0, length}});

    const auto leader = emulatedSession(model, {4, 128}, variant, 2),
               other = emulatedSession(model, {4, 128}, variant, 3);
    pack.attachSharedTo(*leader);
    for (int32_t e = 0; e < 4; ++e) pack.attachExpertTo(*other, e);
    // None of the experts is the leader's; or some are, of which one has a replica.
    const int32_t own = trial / 2 % 3;
    for (int32_t e = 0; e < own; ++e) pack.attachExpertTo(*leader, e);
    const IsOwn isOwn = [&](int32_t row, int32_t expert) { return expert < own && (expert > 0 || row % 2 == 0); };
    for (int again = 0; again < 2; ++again) {
      const std::vector<float> parts =
          stepInParts(*leader, *other, batchOf({{&sequence, 0, length}}), trial % 2 == 0, isOwn);
      CHECK(equal(parts, expected), "trial " + std::to_string(trial));
    }
  }
}

TEST("a node's own experts are computed behind the router, but for those that have a replica") {
  Random random(38);
  const ModelDescription model = plainModel(random, 2, 4, 4);
  const RandomPack pack(model, 1, 1.0f, formatOf(model));
  const Sequence sequence = randomSequence(random, model, 2, 0);
  Watched watched(model, {4, 128});
  const auto other = emulatedSession(model, {4, 128}, "lanes", 1);
  pack.attachSharedTo(*watched.session);
  for (const int32_t e : {0, 1, 2}) pack.attachExpertTo(*watched.session, e);
  for (const int32_t e : {0, 3}) pack.attachExpertTo(*other, e);
  const IsOwn isOwn = [](int32_t row, int32_t expert) {
    return expert == 1 || expert == 2 || (expert == 0 && row == 1);
  };
  const auto run = [&] {
    watched.events.clear();
    stepInParts(*watched.session, *other, batchOf({{&sequence, 0, 2}}), false, isOwn);
    return watched.events;
  };
  const std::string piece(9, 'd'), experts(3, 'd'), part = piece + 'e' + experts + 'e', last = "ddde";
  const std::string first = part + 's' + part + 's' + last + 's';
  CHECK(run() == first, watched.events);
  // The rest of the replica's rows apart.
  const std::string replica = experts + "sw";
  CHECK(run() == part + 's' + part + replica + 's' + last + replica + 's', watched.events);
}
