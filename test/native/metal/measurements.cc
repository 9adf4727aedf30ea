#include "measurements.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "../../../native/metal/emulated/kernels.h"
#include "../../../native/metal/residency.h"
#include "../../../native/metal/sized-commands.h"
#include "case-memory.h"

namespace conclave::test {
namespace {

constexpr DType measured = DType::bf16;
constexpr int repeats = 7;

double secondsOf(const std::function<void()>& call) {
  const auto began = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string milliseconds(double seconds) { return fixed(seconds * 1e3, 3) + " ms"; }

const char* nameOf(ProductKind kind) { return kind == ProductKind::lanes ? "lanes" : "matrices"; }

std::vector<ProductKind> kindsOf(const GpuDevice& device) {
  if (!device.properties().simdgroupMatrices) return {ProductKind::lanes};
  return {ProductKind::lanes, ProductKind::matrices};
}

// MLX's usual one.
constexpr WeightFormat fourBits{WeightCodes::affine4, ScaleType::bf16, 64};

MetalKernels compiledKernels(GpuDevice& device, ProductKind kind, const CommandBudget& budget) {
  MetalKernels kernels(device, activationType(measured), kind, budget);
  for (const WeightFormat& format : {WeightFormat(measured), fourBits}) kernels.compileFor(format);
  return kernels;
}

// Weights of any finite value: not zeros, which some hardware handles faster.
GpuView filled(Memory& memory, int64_t bytes) {
  const GpuView view = memory.empty(bytes);
  const uint16_t values[] = {0x3c00, 0x3c91, 0xbc33, 0x3d01};
  for (int64_t at = 0; at + int64_t{sizeof values} <= bytes; at += sizeof values) {
    std::memcpy(view.buffer->contents() + at, values, sizeof values);
  }
  return view;
}

Ids upTo(int32_t count) {
  Ids ids;
  for (int32_t i = 0; i < count; ++i) ids.push_back(i);
  return ids;
}

// A dense product, `multiply`, in memory of its own.
struct Dense {
  WeightFormat format;
  MultiplyArguments arguments;
  GpuView rowList, x, weights, y;

  Dense(Memory& memory, int32_t outputs, int32_t inputs, int32_t rows, const WeightFormat& weightFormat = measured)
      : format(weightFormat),
        arguments{inputs,
                  rows,
                  inputs,
                  outputs,
                  {{static_cast<int32_t>(panelCount(outputs)), outputs, 0}, {}, {}},
                  {},
                  packedFormat(format)},
        rowList(memory.holding(bytesOf(upTo(rows)))),
        x(filled(memory, int64_t{rows} * inputs * 2)),
        weights(filled(memory, matrixBytes(format, outputs, inputs))),
        y(memory.empty(int64_t{rows} * outputs * 4)) {}

  void encode(const MetalKernels& kernels, GpuCommands& to) const {
    kernels.multiply(to, format, arguments, {rowList, x, weights, weights, weights, y});
  }
};

// One product of 16 experts of one slab whose slots are spread evenly, of rows that each choose one of them.
struct Experts {
  static constexpr int32_t count = 16;
  ExpertArguments arguments;
  int32_t tileRows, tiles = 0;
  std::vector<GpuView> buffers;
  int64_t weightBytes = 0;

  Experts(Memory& memory, const MetalKernels& kernels, int32_t outputs, int32_t inputs, int32_t rows)
      : arguments{inputs, outputs, inputs, outputs, 0, 0, 0, 0, 0, 0}, tileRows(kernels.tileRows(rows)) {
    Ids tileList{0}, table;
    const int32_t used = std::min(rows, count);
    for (int32_t e = 0, first = 0; e < used; ++e) {
      const int32_t end = rows * (e + 1) / used;
      for (; first < end; first += tileRows)
        tileList.insert(tileList.end(), {e, first, std::min(tileRows, end - first)});
      first = end;
    }
    tiles = tileList[0] = static_cast<int32_t>(tileList.size() / 3);
    const int64_t each = matrixBytes(measured, outputs, inputs);
    weightBytes = used * each;
    for (int32_t e = 0; e < count; ++e) table.insert(table.end(), {0, static_cast<int32_t>(e * each / 16)});
    const GpuView noBias = memory.empty(4);
    buffers.assign(static_cast<size_t>(buffersPerDispatch), noBias);
    buffers.front() = filled(memory, count * each);
    buffers.insert(buffers.end(), {memory.holding(bytesOf(table)), memory.holding(bytesOf(tileList)),
                                   memory.holding(bytesOf(upTo(rows))), filled(memory, int64_t{rows} * inputs * 2),
                                   noBias, memory.empty(int64_t{rows} * outputs * 2)});
  }

  void encode(const MetalKernels& kernels, GpuCommands& to) const {
    kernels.down(to, measured, arguments, tileRows, tiles, buffers);
  }
};

// The median time on the GPU of what `encode` puts into commands, after a first run.
template <typename Encode>
double gpuSecondsOf(GpuDevice& device, const CommandBudget& budget, const Encode& encode) {
  std::vector<double> seconds;
  for (int i = 0; i <= repeats; ++i) {
    SizedCommands commands(device, budget, Submission::early);
    encode(commands);
    commands.submit();
    commands.wait();
    if (i > 0) seconds.push_back(commands.gpuSeconds());
  }
  return median(seconds);
}

std::string rateLine(const std::string& what, double seconds, int64_t bytes, double flops) {
  return what + " | " + milliseconds(seconds) + " | " + fixed(static_cast<double>(bytes) / seconds * 1e-9, 1) +
         " GB/s | " + fixed(flops / seconds * 1e-12, 3) + " TFLOPS";
}

}  // namespace

MeasuredSizes realSizes(const GpuProperties& gpu) {
  const int64_t rest = std::min<int64_t>(gpu.workingSetBytes / 4, int64_t{8} << 30);
  return {6144, 10752, 2048, 768, {1, 8, 32, 512}, 512, {0, 2, 10, 60}, rest};
}

Lines pipelineLimits(GpuDevice& device) {
  Lines lines;
  const std::pair<const char*, KernelTypes> compiled[] = {
      {"f32", DType::f32}, {"f16", DType::f16}, {"bf16", DType::bf16}, {"4 bit", {fourBits, DType::bf16}}};
  for (const auto& [typesName, types] : compiled) {
    const std::string warnings = device.warnings(types);
    lines.push_back(std::string("compiler, ") + typesName + ": " + (warnings.empty() ? "no warnings" : warnings));
    for (const emulated::Kernel& kernel : emulated::kernelsFor(types)) {
      const std::string name = kernel.name;
      if (name.find("_matrices_") != std::string::npos && !device.properties().simdgroupMatrices) continue;
      const PipelineLimits limits = device.pipeline(types, name, simdgroupThreads)->limits;
      lines.push_back(name + " " + typesName + " | " + std::to_string(limits.threads) + " threads | " +
                      std::to_string(limits.threadgroupBytes) + " bytes of threadgroup memory");
    }
  }
  return lines;
}

Lines roundTrip(GpuDevice& device) {
  std::vector<double> seconds;
  for (int i = 0; i < 100; ++i) {
    seconds.push_back(secondsOf([&] {
      const auto commands = device.commands();
      commands->submit();
      commands->wait();
    }));
  }
  return {"an empty command buffer, submitted and waited for: " + fixed(median(seconds) * 1e6, 1) + " us"};
}

Lines products(GpuDevice& device, const MeasuredSizes& sizes) {
  const CommandBudget budget(device.properties().rates);
  Lines lines;
  for (const ProductKind kind : kindsOf(device)) {
    const MetalKernels kernels = compiledKernels(device, kind, budget);
    for (const int32_t rows : sizes.rows) {
      Memory memory(device);
      const std::string which = std::string(", ") + nameOf(kind) + ", " + std::to_string(rows) + " rows";
      const Dense dense(memory, sizes.outputs, sizes.inputs, rows);
      const double seconds = gpuSecondsOf(device, budget, [&](GpuCommands& to) { dense.encode(kernels, to); });
      const double flops = 2.0 * rows * sizes.outputs * sizes.inputs;
      lines.push_back(rateLine("dense bf16" + which, seconds, dense.weights.bytes, flops));
      const Dense packed(memory, sizes.outputs, sizes.inputs, rows, fourBits);
      const double packedSeconds = gpuSecondsOf(device, budget, [&](GpuCommands& to) { packed.encode(kernels, to); });
      lines.push_back(rateLine("dense 4 bit" + which, packedSeconds, packed.weights.bytes, flops));
      const Experts experts(memory, kernels, sizes.expertOutputs, sizes.expertInputs, rows);
      const double each = gpuSecondsOf(device, budget, [&](GpuCommands& to) { experts.encode(kernels, to); });
      const double expertFlops = 2.0 * rows * sizes.expertOutputs * sizes.expertInputs;
      lines.push_back(rateLine("16 of 128 experts bf16" + which, each, experts.weightBytes, expertFlops));
    }
  }
  return lines;
}

Lines prefill(GpuDevice& device, const MeasuredSizes& sizes) {
  const CommandBudget budget(device.properties().rates);
  const ProductKind kind = kindsOf(device).back();
  const MetalKernels kernels = compiledKernels(device, kind, budget);
  Memory memory(device);
  const Dense square(memory, sizes.inputs, sizes.inputs, sizes.prefillRows);
  const Dense wide(memory, sizes.outputs, sizes.inputs, sizes.prefillRows);
  SizedCommands commands(device, budget, Submission::early);
  // qkv and wo; then three matrices of four experts, which every row goes through.
  for (int i = 0; i < 2; ++i) square.encode(kernels, commands);
  for (int i = 0; i < 12; ++i) wide.encode(kernels, commands);
  commands.submit();
  commands.wait();
  const std::vector<double> seconds = commands.secondsOfBuffers();
  return {"products of a layer of " + std::to_string(sizes.prefillRows) +
          " rows: " + milliseconds(commands.gpuSeconds()) + " in " + std::to_string(seconds.size()) +
          " command buffers, the longest " + milliseconds(*std::max_element(seconds.begin(), seconds.end())) +
          ", predicted at most " + milliseconds(budget.seconds())};
}

Lines rests(GpuDevice& device, const MeasuredSizes& sizes) {
  const CommandBudget budget(device.properties().rates);
  const MetalKernels kernels = compiledKernels(device, ProductKind::lanes, budget);
  Memory memory(device);
  std::vector<Dense> matrices;
  const int64_t bytes = matrixBytes(measured, sizes.outputs, sizes.inputs);
  for (int64_t at = 0; at < sizes.restBytes; at += bytes) matrices.emplace_back(memory, sizes.outputs, sizes.inputs, 1);
  BufferList weights;
  for (const Dense& matrix : matrices) weights.push_back(matrix.weights.buffer);
  const auto read = [&] {
    SizedCommands commands(device, budget, Submission::early);
    for (const Dense& matrix : matrices) matrix.encode(kernels, commands);
    commands.submit();
    commands.wait();
  };
  Lines lines;
  for (const bool kept : {false, true}) {
    std::unique_ptr<Residency> residency;
    if (kept) {
      residency = std::make_unique<Residency>(device, measured);
      residency->keep(weights);
    }
    read();
    for (const double rest : sizes.restSeconds) {
      std::this_thread::sleep_for(std::chrono::duration<double>(rest));
      lines.push_back("reading " + fixed(static_cast<double>(bytes) * static_cast<double>(matrices.size()) * 1e-9, 1) +
                      " GB after " + fixed(rest, 0) + " s, " + (kept ? "kept wired: " : "left alone: ") +
                      milliseconds(secondsOf(read)));
    }
  }
  return lines;
}

}  // namespace conclave::test
