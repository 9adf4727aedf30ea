// Kernels that work on rows one by one, and the one that only uses a buffer.
#include <cmath>
#include <numeric>

#include "case-memory.h"

namespace conclave::test {
namespace {

KernelCase embedCase(Random& random, DType dtype) {
  const int32_t width = random.between(257, 300), vocab = 5;
  const Values embedding = stored(random, dtype, vocab * width);
  const Ids tokens{4, 0, 3};
  std::vector<double> expected;
  for (const int32_t token : tokens) {
    for (int32_t i = 0; i < width; ++i)
      expected.push_back(roundedTo(dtype, embedding[static_cast<size_t>(token * width + i)]));
  }
  return {titled("embed", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView x = memory.empty(3 * width * 4);
                     kernels.embed(to, {width}, 3, memory.holding(bytesOf(tokens)),
                                   memory.holding(encode(dtype, embedding)), x);
                     return [=] { return Memory::read(x, DType::f32); };
                   }),
          expected, 0};
}

KernelCase normCase(Random& random, DType dtype) {
  const int32_t width = random.between(257, 300), stride = static_cast<int32_t>(paddedInputs(width));
  const Ids rows{2, 0};
  const Values x = stored(random, DType::f32, 3 * width), weight = stored(random, DType::f32, width);
  std::vector<double> expected;
  for (const int32_t row : rows) {
    const float* at = &x[static_cast<size_t>(row * width)];
    const double mean = std::accumulate(at, at + width, 0.0) / width;
    double variance = 0;
    for (int32_t i = 0; i < width; ++i) variance += (at[i] - mean) * (at[i] - mean) / width;
    for (int32_t i = 0; i < stride; ++i) {
      expected.push_back(i < width ? (at[i] - mean) / std::sqrt(variance + 1e-5) * weight[static_cast<size_t>(i)] : 0);
    }
  }
  return {titled("layer_norm", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView out = memory.empty(2 * stride * activationBytes(dtype));
                     // The kernel leaves the padding of the last row alone.
                     kernels.layerNorm(to, {width, stride, 1e-5f}, 2, memory.holding(bytesOf(rows)),
                                       memory.holding(bytesOf(x)), memory.holding(bytesOf(weight)),
                                       out.part(0, (stride + width) * activationBytes(dtype)));
                     return [=] { return Memory::read(out, activations(dtype)); };
                   }),
          expected, toleranceOf(activations(dtype))};
}

KernelCase combineCase(Random& random, DType dtype, bool accumulate) {
  const int32_t width = random.between(257, 300), topK = 3;
  const Ids places{3, 0, 5, 1, 4, 2};
  const Values weights = stored(random, DType::f32, 6), x = stored(random, DType::f32, 2 * width);
  const Values outputs = stored(random, activations(dtype), 6 * width);
  std::vector<double> expected;
  for (int32_t i = 0; i < 2 * width; ++i) {
    double sum = accumulate ? x[static_cast<size_t>(i)] : 0;
    for (int32_t rank = 0; rank < topK; ++rank) {
      const size_t slot = static_cast<size_t>(i / width * topK + rank);
      sum += double{weights[slot]} * outputs[static_cast<size_t>(places[slot] * width + i % width)];
    }
    expected.push_back(sum);
  }
  return {titled(accumulate ? "combine" : "combine without x", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView result = memory.holding(bytesOf(x));
                     kernels.combine(to, {width, topK, width, accumulate ? 1 : 0}, 2, memory.holding(bytesOf(places)),
                                     memory.holding(bytesOf(weights)),
                                     memory.holding(encode(activations(dtype), outputs)), result);
                     return [=] { return Memory::read(result, DType::f32); };
                   }),
          expected, toleranceOf(DType::f32)};
}

KernelCase addCase(Random& random, DType dtype) {
  const int32_t width = random.between(257, 300);
  const Values x = stored(random, DType::f32, 2 * width), y = stored(random, DType::f32, 2 * width, 3.0f);
  std::vector<double> expected;
  for (size_t i = 0; i < x.size(); ++i) expected.push_back(double{x[i]} + y[i]);
  return {titled("add", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView result = memory.holding(bytesOf(x));
                     kernels.add(to, {width}, 2, memory.holding(bytesOf(y)), result);
                     return [=] { return Memory::read(result, DType::f32); };
                   }),
          expected, toleranceOf(DType::f32)};
}

KernelCase touchCase(Random& random, DType dtype) {
  const Ids words{random.between(1, 1000), -7};
  return {titled("touch", dtype),
          [=](GpuDevice& device) {
            const auto pipeline = device.pipeline(dtype, "touch", 32);
            Memory memory(device);
            const GpuView noted = memory.empty(12);
            const auto commands = device.commands();
            for (int32_t place : {2, 0}) {
              const TouchArguments arguments{place};
              const GpuView word = memory.holding(bytesOf(Ids{words[static_cast<size_t>(place / 2)]}));
              commands->dispatch(
                  {pipeline.get(), {}, &arguments, sizeof arguments, {word, noted.part(0, (place + 1) * 4)}});
            }
            commands->submit();
            commands->wait();
            return Memory::readIds(noted);
          },
          {static_cast<double>(words[0]), 0, static_cast<double>(words[1])},
          0};
}

}  // namespace

void addRowCases(Random& random, DType dtype, std::vector<KernelCase>& cases) {
  cases.push_back(embedCase(random, dtype));
  cases.push_back(normCase(random, dtype));
  cases.push_back(combineCase(random, dtype, true));
  cases.push_back(combineCase(random, dtype, false));
  cases.push_back(addCase(random, dtype));
  cases.push_back(touchCase(random, dtype));
}

}  // namespace conclave::test
