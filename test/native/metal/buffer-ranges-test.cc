// A pack that is larger than a buffer may be: covered by several, and no matrix across a border.
#include "../../../native/metal/buffer-ranges.h"

#include <set>

#include "../../../native/cpu/cpu-backend.h"
#include "../../../native/metal/emulated/emulated-device.h"
#include "../../../native/metal/metal-backend.h"
#include "../random-model.h"
#include "intercepted-device.h"

using namespace conclave;
using namespace conclave::test;

namespace {

GpuProperties gpuOf(int64_t page, int64_t largestBuffer) {
  EmulatedOptions options;
  options.pageBytes = page;
  options.largestBufferBytes = largestBuffer;
  return EmulatedDevice(options).properties();
}

}  // namespace

TEST("ranges are whole pages that fit a buffer, and whatever is not too large lies in one") {
  Random random(71);
  for (int trial = 0; trial < 500; ++trial) {
    const int64_t page = random.of<int64_t>({4096, 16384});
    const int64_t most = page * random.between(4, 40) + random.below(100);
    const int64_t largest = random.between(1, static_cast<int32_t>((most / page / 2 - 1) * page));
    const int64_t bytes = random.between(1, 3'000'000);
    const auto ranges = bufferRanges(gpuOf(page, most), "pack", bytes, largest);
    for (const ByteRange& range : ranges) {
      CHECK(range.begin % page == 0 && range.end % page == 0, "whole pages");
      CHECK(range.end - range.begin > 0 && range.end - range.begin <= most, "fits a buffer");
    }
    CHECK(ranges.front().begin == 0 && ranges.back().end >= bytes && ranges.back().end < bytes + page, "covers all");
    for (int i = 0; i < 50; ++i) {
      const int64_t length = std::min<int64_t>(bytes, random.between(1, static_cast<int32_t>(largest)));
      const int64_t offset = random.between(0, static_cast<int32_t>(bytes - length));
      const ByteRange& range = ranges[rangeOf(ranges, offset, length)];
      CHECK(offset >= range.begin && offset + length <= range.end, "in one range");
    }
  }
}

TEST("a matrix that is too large for a buffer is refused with the sizes") {
  std::string words;
  try {
    bufferRanges(gpuOf(4096, 40960), "expert-3.pack", 100'000, 30'000);
  } catch (const Failure& failure) {
    words = failure.what();
  }
  CHECK(words.find("expert-3.pack has 100000 bytes and matrices of up to 30000") != std::string::npos, words);
  CHECK(words.find("buffers of up to 40960") != std::string::npos, words);
}

TEST("a model whose packs take several buffers each has the CPU's bits") {
  Random random(72);
  ModelDescription model = plainModel(random, 3, 4, 2);
  model.activations = DType::f32;
  model.dModel = 70;
  model.vocab = 100;
  const RandomPack pack(model, 1, 1.0f, DType::f32);
  const Sequence sequence = randomSequence(random, model, 20, 0);
  ModelSession cpu(model, {4, 128}, createCpuBackend(2, ""));
  pack.attachTo(cpu);
  EmulatedOptions options;
  options.pageBytes = sysconf(_SC_PAGESIZE);
  options.largestBufferBytes = 128 * 1024;
  std::set<const GpuBuffer*> weights;
  Interception interception;
  interception.dispatch = [&](GpuDispatch& dispatch, size_t) {
    // Those of a product (metal-kernels.h): x, rows and y come before or after.
    if (dispatch.argumentBytes == sizeof(MultiplyArguments)) weights.insert(dispatch.buffers[2].buffer);
  };
  ModelSession gpu(model, {2, 32}, [&](const ModelDescription&, const StepLimits& limits) {
    return std::make_unique<MetalBackend>(std::make_unique<InterceptedDevice>(interception, options), model, limits,
                                          "lanes");
  });
  pack.attachTo(gpu);
  CHECK(pack.bytes() > 2 * options.largestBufferBytes, std::to_string(pack.bytes()) + " bytes");
  CHECK(equal(step(gpu, {{&sequence, 0, 20}}), step(cpu, {{&sequence, 0, 20}})), "the same logits");
  CHECK(weights.size() > 1, std::to_string(weights.size()) + " buffers of weights");
}
