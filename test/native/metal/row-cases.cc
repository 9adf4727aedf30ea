// Kernels that work on rows one by one, and the one that only uses a buffer. Every option is on, so that no buffer is
// without effect; whole models (metal-session-test.cc) have them off.
#include <cmath>
#include <numeric>

#include "case-memory.h"

namespace conclave::test {
namespace {

KernelCase embedCase(Random& random, DType dtype, bool tied) {
  const int32_t width = random.between(257, 300), vocab = 37;
  const float scale = 1.5f;
  const Values embedding = stored(random, dtype, vocab * width);
  // The last of the table: a table that ends earlier shows.
  const Ids tokens{vocab - 1, 0, 33};
  std::vector<double> expected;
  for (const int32_t token : tokens) {
    for (int32_t i = 0; i < width; ++i)
      expected.push_back(double{scale} * roundedTo(dtype, embedding[static_cast<size_t>(token * width + i)]));
  }
  // Panels hold 32 tokens: of the second one, what the last token has.
  const int64_t unused = dtype == DType::bf16 ? 4 : static_cast<int64_t>(bytesPerWeight(dtype));
  const int64_t panelEnd = matrixBytes(dtype, 32, width) + matrixBytes(dtype, 32, width) - (63 - (vocab - 1)) * unused;
  return {titled(tied ? "embed_panels" : "embed", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView x = memory.empty(3 * width * 4), ids = memory.holding(bytesOf(tokens));
                     if (tied) {
                       const GpuView table = memory.holding(panels(dtype, embedding, vocab, width));
                       kernels.embedPanels(to, dtype, {width, scale}, 3, ids, table.part(0, panelEnd), x);
                     } else {
                       kernels.embed(to, dtype, {width, scale}, 3, ids, memory.holding(encode(dtype, embedding)), x);
                     }
                     return [=] { return Memory::read(x, DType::f32); };
                   }),
          expected, toleranceOf(DType::f32)};
}

// How a row is normalized.
struct NormKindCase {
  const char* name;
  bool centred, adds;
};

KernelCase normCase(Random& random, DType dtype, const NormKindCase& kind) {
  // More than a threadgroup stages at a time.
  const int32_t width = random.between(1060, 1100), stride = static_cast<int32_t>(paddedInputs(width));
  const Ids rows = kind.adds ? Ids{0, 1} : Ids{2, 0};
  const int32_t count = kind.adds ? 2 : 3;
  const float scale = 0.75f;
  const Values x = stored(random, DType::f32, count * width), y = stored(random, DType::f32, 2 * width),
               weight = stored(random, DType::f32, width), bias = stored(random, DType::f32, width);
  std::vector<double> expected, sums;
  for (const int32_t row : rows) {
    std::vector<double> at;
    for (int32_t i = row * width; i < (row + 1) * width; ++i) {
      at.push_back(x[static_cast<size_t>(i)] + (kind.adds ? double{scale} * y[static_cast<size_t>(i)] : 0));
    }
    sums.insert(sums.end(), at.begin(), at.end());
    const double mean = kind.centred ? std::accumulate(at.begin(), at.end(), 0.0) / width : 0;
    double variance = 0;
    for (const double value : at) variance += (value - mean) * (value - mean) / width;
    for (int32_t i = 0; i < stride; ++i) {
      const size_t at_i = static_cast<size_t>(i);
      expected.push_back(i < width ? (at[at_i] - mean) / std::sqrt(variance + 1e-5) * weight[at_i] + bias[at_i] : 0);
    }
  }
  if (kind.adds) expected.insert(expected.end(), sums.begin(), sums.end());
  return {titled(kind.name, dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView out = memory.empty(2 * stride * activationBytes(dtype)),
                                   stream = memory.holding(bytesOf(x)), weights = memory.holding(bytesOf(weight)),
                                   biases = memory.holding(bytesOf(bias)),
                                   // The kernel leaves the padding of the last row alone.
                         written = out.part(0, (stride + width) * activationBytes(dtype));
                     const NormArguments norm{width, kind.centred ? 1 : 0, 0, 1e-5f};
                     if (kind.adds) {
                       kernels.addAndNormalize(to, {norm, stride, 1, scale}, 2,
                                               {memory.holding(bytesOf(y)), stream, weights, biases, written});
                     } else {
                       kernels.normalize(to, {norm, stride, 1}, 2,
                                         {memory.holding(bytesOf(rows)), stream, weights, biases, written});
                     }
                     return [=] {
                       Values all = Memory::read(out, activations(dtype));
                       const Values added = kind.adds ? Memory::read(stream, DType::f32) : Values{};
                       all.insert(all.end(), added.begin(), added.end());
                       return all;
                     };
                   }),
          expected, toleranceOf(activations(dtype))};
}

// What columns of rows become, longer than what a threadgroup takes.
enum class ColumnChange { bias, scale, cap };

KernelCase columnCase(Random& random, ColumnChange change) {
  const int32_t width = random.between(4097, 4200), stride = width + 3;
  const float value = 1.75f;
  const Values y = stored(random, DType::f32, 2 * stride, 3.0f), bias = stored(random, DType::f32, width);
  std::vector<double> expected(y.begin(), y.end());
  for (int32_t row = 0; row < 2; ++row) {
    for (int32_t i = 0; i < width; ++i) {
      double& at = expected[static_cast<size_t>(row * stride + i)];
      if (change == ColumnChange::bias) at += bias[static_cast<size_t>(i)];
      if (change == ColumnChange::scale) at *= value;
      if (change == ColumnChange::cap) at = value * std::tanh(at / value);
    }
  }
  const char* name = change == ColumnChange::bias    ? "add_bias"
                     : change == ColumnChange::scale ? "scale_rows"
                                                     : "cap_rows";
  return {titled(name, DType::f32),
          onDevice(DType::f32, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView whole = memory.holding(bytesOf(y)), written = whole.part(0, (stride + width) * 4);
                     const ColumnArguments arguments{width, stride, value};
                     if (change == ColumnChange::bias) {
                       kernels.addBias(to, arguments, 2, memory.holding(bytesOf(bias)), written);
                     } else if (change == ColumnChange::scale) {
                       kernels.scaleRows(to, arguments, 2, written);
                     } else {
                       kernels.capRows(to, arguments, 2, written);
                     }
                     return [=] { return Memory::read(whole, DType::f32); };
                   }),
          expected, toleranceOf(DType::f32)};
}

KernelCase widenCase(Random& random, DType dtype) {
  const int32_t width = random.between(257, 300);
  const Values x = stored(random, activations(dtype), 2 * width);
  return {titled("widen", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView y = memory.empty(2 * width * 4);
                     kernels.widen(to, {width, width, 0}, 2, memory.holding(encode(activations(dtype), x)), y);
                     return [=] { return Memory::read(y, DType::f32); };
                   }),
          std::vector<double>(x.begin(), x.end()), 0};
}

// What the experts of a layer left, in places.
struct Outputs {
  int32_t width, topK = 3;
  Ids places{3, 0, 5, 1, 4, 2};
  Values weights, outputs;

  double sum(int32_t i) const {
    double sum = 0;
    for (int32_t rank = 0; rank < topK; ++rank) {
      const size_t slot = static_cast<size_t>(i / width * topK + rank);
      sum += double{weights[slot]} * outputs[static_cast<size_t>(places[slot] * width + i % width)];
    }
    return sum;
  }
};

Outputs randomOutputs(Random& random, DType dtype) {
  Outputs o;
  o.width = random.between(257, 300);
  o.weights = stored(random, DType::f32, 6);
  o.outputs = stored(random, activations(dtype), 6 * o.width);
  return o;
}

KernelCase sumOutputsCase(Random& random, DType dtype) {
  const Outputs o = randomOutputs(random, dtype);
  std::vector<double> expected;
  for (int32_t i = 0; i < 2 * o.width; ++i) expected.push_back(o.sum(i));
  return {titled("sum_outputs", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView sums = memory.empty(2 * o.width * 4);
                     kernels.sumOutputs(to, {o.width, o.topK}, 2, memory.holding(bytesOf(o.places)),
                                        memory.holding(bytesOf(o.weights)),
                                        memory.holding(encode(activations(dtype), o.outputs)), sums);
                     return [=] { return Memory::read(sums, DType::f32); };
                   }),
          expected, toleranceOf(DType::f32)};
}

// What a MoE layer adds to the stream, with a gated shared expert: outputs in places, or rows of sums.
KernelCase contributionCase(Random& random, DType dtype, bool sums) {
  const Outputs o = randomOutputs(random, dtype);
  const float scale = 0.5f;
  const auto rowsOf = [&] { return stored(random, DType::f32, 2 * o.width); };
  const Values x = rowsOf(), y = rowsOf(), shared = rowsOf(), gates = stored(random, DType::f32, 2, 2.0f);
  std::vector<double> expected;
  for (int32_t i = 0; i < 2 * o.width; ++i) {
    const size_t at = static_cast<size_t>(i);
    const double gate = 1 / (1 + std::exp(-double{gates[static_cast<size_t>(i / o.width)]}));
    expected.push_back(x[at] + scale * ((sums ? double{y[at]} : o.sum(i)) + gate * shared[at]));
  }
  return {titled(sums ? "add_rows" : "add_outputs", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView result = memory.holding(bytesOf(x)), other = memory.holding(bytesOf(shared)),
                                   gate = memory.holding(bytesOf(gates));
                     if (sums) {
                       kernels.addRows(to, {o.width, gatedSharedPart, scale}, 2,
                                       {memory.holding(bytesOf(y)), other, gate, result});
                     } else {
                       kernels.addOutputs(to, {o.width, o.topK, gatedSharedPart, scale}, 2,
                                          {memory.holding(bytesOf(o.places)), memory.holding(bytesOf(o.weights)),
                                           memory.holding(encode(activations(dtype), o.outputs)), other, gate, result});
                     }
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

void addEmbeddingCases(Random& random, DType dtype, std::vector<KernelCase>& cases) {
  for (const bool tied : {false, true}) cases.push_back(embedCase(random, dtype, tied));
}

void addRowCases(Random& random, DType dtype, std::vector<KernelCase>& cases) {
  cases.push_back(normCase(random, dtype, {"normalize, layer", true, false}));
  cases.push_back(normCase(random, dtype, {"normalize, rms", false, false}));
  cases.push_back(normCase(random, dtype, {"add_and_normalize, layer", true, true}));
  cases.push_back(widenCase(random, dtype));
  cases.push_back(sumOutputsCase(random, dtype));
  for (const bool sums : {false, true}) cases.push_back(contributionCase(random, dtype, sums));
  cases.push_back(touchCase(random, dtype));
  if (dtype != DType::f32) return;
  for (const ColumnChange change : {ColumnChange::bias, ColumnChange::scale, ColumnChange::cap}) {
    cases.push_back(columnCase(random, change));
  }
}

}  // namespace conclave::test
