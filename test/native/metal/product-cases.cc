// Products with one matrix, and with those of the experts.
#include <cmath>

#include "grouped-slots.h"

namespace conclave::test {
namespace {

KernelCase multiplyCase(Random& random, DType dtype, ProductKind kind, int32_t rows, bool accumulate) {
  const int32_t inputs = random.between(41, 71), outputs = random.between(33, 95), many = rows + 2;
  const int32_t stride = static_cast<int32_t>(paddedInputs(inputs));
  const Values w = stored(random, dtype, outputs * inputs), x = stored(random, activations(dtype), many * inputs);
  const Values y = stored(random, DType::f32, rows * outputs);
  // All of x's rows but some in the middle, backwards.
  Ids list;
  for (int32_t r = 0; r < rows; ++r) list.push_back(many - 1 - r - (r > rows / 2 ? 2 : 0));
  std::vector<double> expected;
  for (int32_t i = 0; i < rows * outputs; ++i) {
    const int32_t row = list[static_cast<size_t>(i / outputs)], output = i % outputs;
    std::vector<float> exact;
    for (int32_t k = 0; k < inputs; ++k) exact.push_back(roundedTo(dtype, w[static_cast<size_t>(output * inputs + k)]));
    expected.push_back(dot(exact.data(), &x[static_cast<size_t>(row * inputs)], inputs) +
                       (accumulate ? y[static_cast<size_t>(i)] : 0));
  }
  const std::string name = kind == ProductKind::lanes ? "multiply lanes, " : "multiply matrices, ";
  return {titled((name + std::to_string(rows) + " rows").c_str(), dtype),
          onDevice(dtype, kind,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView result = memory.holding(bytesOf(y));
                     kernels.multiply(to, {stride, outputs, rows, stride, outputs, accumulate ? 1 : 0},
                                      memory.holding(bytesOf(list)), memory.holding(padded(dtype, x, many, inputs)),
                                      memory.holding(panels(dtype, w, outputs, inputs)), result);
                     return [=] { return Memory::read(result, DType::f32); };
                   }),
          expected, toleranceOf(DType::f32)};
}

// One product of the experts, or the gated pair of them.
KernelCase expertCase(Random& random, DType dtype, ProductKind kind, int32_t slots, bool gated) {
  const int32_t experts = expertsPerDispatch, rows = 5;
  // More than 8 inputs for each of a threadgroup's 4 simdgroups.
  const int32_t inputs = random.between(41, 61), outputs = random.between(33, 63);
  const int32_t stride = static_cast<int32_t>(paddedInputs(inputs)),
                outStride = static_cast<int32_t>(paddedInputs(outputs));
  const int32_t tileRows = kind == ProductKind::lanes ? (slots == experts ? 1 : 8) : (slots <= experts + 8 ? 8 : 32);
  const Grouped g = randomGroups(random, slots, rows, experts, tileRows);
  const Values x = stored(random, activations(dtype), rows * inputs);
  std::vector<Values> gates, ups;
  std::vector<std::vector<std::byte>> weights;
  for (int32_t e = 0; e < experts; ++e) {
    gates.push_back(stored(random, dtype, outputs * inputs));
    ups.push_back(stored(random, dtype, outputs * inputs));
    const int64_t bytes = matrixBytes(dtype, outputs, inputs);
    std::vector<std::byte> packed(static_cast<size_t>(gated ? 2 * bytes : bytes));
    const std::vector<std::byte> gate = encode(dtype, gates.back()), up = encode(dtype, ups.back());
    packPanels({gate.data(), dtype, outputs, inputs, inputs, 1}, packed.data(), gated ? 2 : 1, 0);
    if (gated) packPanels({up.data(), dtype, outputs, inputs, inputs, 1}, packed.data(), 2, 1);
    weights.push_back(packed);
  }
  std::vector<double> expected;
  for (int32_t i = 0; i < slots * outStride; ++i) {
    const size_t place = static_cast<size_t>(i / outStride);
    const int32_t output = i % outStride;
    if (output >= outputs) {
      expected.push_back(0);
      continue;
    }
    const size_t expert = static_cast<size_t>(g.placeExperts[place]);
    const auto product = [&](const Values& w) {
      Values exact;
      for (int32_t k = 0; k < inputs; ++k)
        exact.push_back(roundedTo(dtype, w[static_cast<size_t>(output * inputs + k)]));
      return dot(exact.data(), &x[static_cast<size_t>(g.placeRows[place] * inputs)], inputs);
    };
    const double gate = product(gates[expert]);
    expected.push_back(gated ? gate / (1 + std::exp(-gate)) * product(ups[expert]) : gate);
  }
  const std::string name = std::string(gated ? "expert_gate_up " : "expert_down ") +
                           (kind == ProductKind::lanes ? "lanes, " : "matrices, ") + std::to_string(slots) + " slots";
  return {titled(name.c_str(), dtype),
          onDevice(dtype, kind,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView y = memory.empty(slots * outStride * activationBytes(dtype));
                     const int64_t written = ((slots - 1) * outStride + outputs) * activationBytes(dtype);
                     std::vector<GpuView> buffers{memory.holding(bytesOf(g.tiles)),
                                                  memory.holding(bytesOf(g.placeRows)),
                                                  memory.holding(padded(dtype, x, rows, inputs)), y.part(0, written)};
                     for (const auto& packed : weights) buffers.push_back(memory.holding(packed));
                     const ExpertArguments arguments{stride, outputs, stride, outStride, 0};
                     // One tile more than there are: it must do nothing.
                     if (gated)
                       kernels.gateUp(to, arguments, tileRows, g.tiles[0] + 1, buffers);
                     else
                       kernels.down(to, arguments, tileRows, g.tiles[0] + 1, buffers);
                     return [=] { return Memory::read(y, activations(dtype)); };
                   }),
          expected, toleranceOf(activations(dtype))};
}

}  // namespace

void addProductCases(Random& random, DType dtype, std::vector<KernelCase>& cases) {
  for (const ProductKind kind : {ProductKind::lanes, ProductKind::matrices}) {
    for (const int32_t rows : {1, 11}) cases.push_back(multiplyCase(random, dtype, kind, rows, rows == 11));
    for (const bool gated : {false, true}) {
      for (const int32_t slots : {16, 45}) cases.push_back(expertCase(random, dtype, kind, slots, gated));
    }
  }
}

}  // namespace conclave::test
