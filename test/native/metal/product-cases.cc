// Products with up to three matrices, and with those of the experts.
#include <algorithm>
#include <cmath>

#include "grouped-slots.h"

namespace conclave::test {
namespace {

// Three matrices at once, whose outputs leave a column free between them.
KernelCase multiplyCase(Random& random, DType dtype, ProductKind kind, int32_t rows) {
  const int32_t inputs = random.between(41, 71), many = rows + 2;
  const int32_t stride = static_cast<int32_t>(paddedInputs(inputs));
  const Ids outputs{random.between(33, 95), random.between(3, 40), random.between(33, 70)};
  MultiplyArguments arguments{stride, rows, stride, 0, {}};
  std::vector<Values> matrices;
  for (size_t part = 0; part < 3; ++part) {
    matrices.push_back(stored(random, dtype, outputs[part] * inputs));
    arguments.parts[part] = {static_cast<int32_t>(panelCount(outputs[part])), outputs[part], arguments.yStride};
    arguments.yStride += outputs[part] + 1;
  }
  const Values x = stored(random, activations(dtype), many * inputs);
  // All of x's rows but some in the middle, backwards.
  Ids list;
  for (int32_t r = 0; r < rows; ++r) list.push_back(many - 1 - r - (r > rows / 2 ? 2 : 0));
  std::vector<double> expected;
  for (const int32_t row : list) {
    for (size_t part = 0; part < 3; ++part) {
      for (int32_t output = 0; output < outputs[part]; ++output) {
        std::vector<float> exact;
        for (int32_t k = 0; k < inputs; ++k)
          exact.push_back(roundedTo(dtype, matrices[part][static_cast<size_t>(output * inputs + k)]));
        expected.push_back(dot(exact.data(), &x[static_cast<size_t>(row * inputs)], inputs));
      }
      expected.push_back(0);
    }
  }
  const std::string name = kind == ProductKind::lanes ? "multiply lanes, " : "multiply matrices, ";
  return {
      titled((name + std::to_string(rows) + " rows").c_str(), dtype),
      onDevice(
          dtype, kind,
          [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
            const GpuView y = memory.empty(int64_t{rows} * arguments.yStride * 4);
            std::vector<GpuView> buffers{memory.holding(bytesOf(list)), memory.holding(padded(dtype, x, many, inputs))};
            for (size_t part = 0; part < 3; ++part) {
              buffers.push_back(memory.holding(panels(dtype, matrices[part], outputs[part], inputs)));
            }
            buffers.push_back(y.part(0, y.bytes - 4));
            kernels.multiply(to, dtype, arguments, buffers);
            return [=] { return Memory::read(y, DType::f32); };
          }),
      expected, toleranceOf(DType::f32)};
}

double activated(ActivationFunction function, double gate, double up) {
  switch (function) {
    case geluFunction:
      return 0.5 * gate * (1 + std::erf(gate / std::sqrt(2.0))) * up;
    case geluTanhFunction:
      return 0.5 * gate * (1 + std::tanh(std::sqrt(2 / M_PI) * (gate + 0.044715 * gate * gate * gate))) * up;
    case clampedSwigluFunction: {
      const double g = std::min(gate, 2.0), u = std::clamp(up, -2.0, 2.0);
      return (u + 1) * g / (1 + std::exp(-1.7 * g));
    }
    default:
      return gate / (1 + std::exp(-gate)) * up;
  }
}

// Vectors of the experts of places.
KernelCase gatherCase(Random& random, DType dtype) {
  const int32_t experts = expertsPerDispatch, slots = 45, width = random.between(257, 300);
  const Grouped g = randomGroups(random, slots, 5, experts, 8);
  std::vector<Values> vectors;
  for (int32_t e = 0; e < experts; ++e) vectors.push_back(stored(random, DType::f32, width));
  std::vector<double> expected;
  for (const int32_t expert : g.placeExperts) {
    const Values& vector = vectors[static_cast<size_t>(expert)];
    expected.insert(expected.end(), vector.begin(), vector.end());
  }
  return {titled("gather_vectors", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView y = memory.empty(int64_t{slots} * width * 4);
                     std::vector<GpuView> buffers;
                     for (const Values& vector : vectors) buffers.push_back(memory.holding(bytesOf(vector)));
                     buffers.insert(buffers.end(), {memory.holding(bytesOf(g.tiles)), y});
                     kernels.gatherVectors(to, {width, 0}, g.tiles[0] + 1, buffers);
                     return [=] { return Memory::read(y, DType::f32); };
                   }),
          expected, 0};
}

// One product of the experts, or the gated pair of them.
KernelCase expertCase(Random& random, DType dtype, ProductKind kind, int32_t slots, bool gated,
                      ActivationFunction function) {
  const int32_t experts = expertsPerDispatch, rows = 5;
  // More than 8 inputs for each of a threadgroup's 4 simdgroups.
  const int32_t inputs = random.between(41, 61), outputs = random.between(33, 63);
  const int32_t stride = static_cast<int32_t>(paddedInputs(inputs)),
                outStride = static_cast<int32_t>(paddedInputs(outputs));
  const int32_t tileRows = kind == ProductKind::lanes ? (slots == experts ? 1 : 8) : (slots <= experts + 8 ? 8 : 32);
  const Grouped g = randomGroups(random, slots, rows, experts, tileRows);
  const Values x = stored(random, activations(dtype), rows * inputs);
  const Values gateBias = stored(random, DType::f32, slots * outputs),
               upBias = stored(random, DType::f32, slots * outputs);
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
    const size_t bias = place * static_cast<size_t>(outputs) + static_cast<size_t>(output);
    const double gate = product(gates[expert]) + gateBias[bias];
    expected.push_back(gated ? activated(function, gate, product(ups[expert]) + upBias[bias]) : gate);
  }
  const std::string name = std::string(gated ? "expert_gate_up " : "expert_down ") +
                           (kind == ProductKind::lanes ? "lanes, " : "matrices, ") + std::to_string(slots) +
                           " slots, function " + std::to_string(function);
  return {titled(name.c_str(), dtype),
          onDevice(dtype, kind,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView y = memory.empty(slots * outStride * activationBytes(dtype));
                     std::vector<GpuView> buffers;
                     for (const auto& packed : weights) buffers.push_back(memory.holding(packed));
                     buffers.insert(
                         buffers.end(),
                         {memory.holding(bytesOf(g.tiles)), memory.holding(bytesOf(g.placeRows)),
                          memory.holding(padded(dtype, x, rows, inputs)), memory.holding(bytesOf(gateBias))});
                     if (gated) buffers.push_back(memory.holding(bytesOf(upBias)));
                     buffers.push_back(y);
                     const ExpertArguments arguments{stride, outputs, stride,   outStride, 0,
                                                     1,      outputs, function, 2.0f,      1.7f};
                     // One tile more than there are: it must do nothing.
                     if (gated)
                       kernels.gateUp(to, dtype, arguments, tileRows, g.tiles[0] + 1, buffers);
                     else
                       kernels.down(to, dtype, arguments, tileRows, g.tiles[0] + 1, buffers);
                     return [=] { return Memory::read(y, activations(dtype)); };
                   }),
          expected, toleranceOf(activations(dtype))};
}

}  // namespace

void addProductCases(Random& random, DType dtype, std::vector<KernelCase>& cases) {
  for (const ProductKind kind : {ProductKind::lanes, ProductKind::matrices}) {
    for (const int32_t rows : {1, 11}) cases.push_back(multiplyCase(random, dtype, kind, rows));
    for (const int32_t slots : {16, 45}) {
      cases.push_back(expertCase(random, dtype, kind, slots, false, siluFunction));
      cases.push_back(expertCase(random, dtype, kind, slots, true, slots == 16 ? siluFunction : clampedSwigluFunction));
    }
  }
  cases.push_back(expertCase(random, dtype, ProductKind::lanes, 16, true, geluFunction));
  cases.push_back(expertCase(random, dtype, ProductKind::lanes, 16, true, geluTanhFunction));
  if (dtype != DType::f16) cases.push_back(gatherCase(random, dtype));
}

}  // namespace conclave::test
