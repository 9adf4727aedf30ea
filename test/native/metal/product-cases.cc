// Products with up to three matrices, and with those of the experts.
#include <algorithm>
#include <cmath>

#include "../../../native/cpu/variants.h"
#include "case-matrix.h"
#include "grouped-slots.h"

namespace conclave::test {
namespace {

// What a product of a packed matrix is, to the bit: the CPU's reference.
std::vector<double> packedProduct(const CaseMatrix& matrix, const float* x, DType activations) {
  const std::vector<std::byte> row = encode(activations, Values(x, x + matrix.inputs));
  const void* rows[] = {row.data()};
  const Panels panels{matrix.panels.data(), matrix.format, panelBytes(matrix.format, matrix.inputs), matrix.inputs,
                      matrix.outputs};
  Values y(static_cast<size_t>(matrix.outputs));
  referenceKernels.matmul(panels, {rows, activations}, 1, y.data(), matrix.outputs);
  return {y.begin(), y.end()};
}

std::vector<double> exactProduct(const CaseMatrix& matrix, const float* x) {
  std::vector<double> y;
  for (int32_t output = 0; output < matrix.outputs; ++output) y.push_back(dot(matrix.row(output), x, matrix.inputs));
  return y;
}

// Three matrices at once, whose outputs leave a column free between them.
KernelCase multiplyCase(Random& random, const CaseTypes& types, ProductKind kind, int32_t rows) {
  const int32_t inputs = randomInputs(random, types.weights, 41, 71), many = rows + 2;
  const int32_t stride = static_cast<int32_t>(paddedInputs(inputs));
  const Ids outputs{random.between(33, 95), random.between(3, 40), random.between(33, 70)};
  MultiplyArguments arguments{stride, rows, stride, 0, {}, {}, packedFormat(types.weights)};
  std::vector<CaseMatrix> matrices;
  for (size_t part = 0; part < 3; ++part) {
    matrices.push_back(randomMatrix(random, types.weights, outputs[part], inputs));
    arguments.parts[part] = {static_cast<int32_t>(panelCount(outputs[part])), outputs[part], arguments.yStride};
    arguments.yStride += outputs[part] + 1;
  }
  const Values x = stored(random, types.activations, many * inputs);
  // All of x's rows but some in the middle, backwards.
  Ids list;
  for (int32_t r = 0; r < rows; ++r) list.push_back(many - 1 - r - (r > rows / 2 ? 2 : 0));
  // Packed ones in lanes have the CPU's bits.
  const bool sameBits = types.weights.packed() && kind == ProductKind::lanes;
  std::vector<double> expected;
  for (const int32_t row : list) {
    for (const CaseMatrix& matrix : matrices) {
      const float* from = &x[static_cast<size_t>(row * inputs)];
      const std::vector<double> y =
          sameBits ? packedProduct(matrix, from, types.activations) : exactProduct(matrix, from);
      expected.insert(expected.end(), y.begin(), y.end());
      expected.push_back(0);
    }
  }
  const std::string name = kind == ProductKind::lanes ? "multiply lanes, " : "multiply matrices, ";
  return {titled(name + std::to_string(rows) + " rows", types),
          onDevice(types, kind,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView y = memory.empty(int64_t{rows} * arguments.yStride * 4);
                     std::vector<GpuView> buffers{memory.holding(bytesOf(list)),
                                                  memory.holding(padded(types.activations, x, many, inputs))};
                     for (const CaseMatrix& matrix : matrices) buffers.push_back(memory.holding(matrix.panels));
                     buffers.push_back(y.part(0, y.bytes - 4));
                     kernels.multiply(to, types.weights, arguments, buffers);
                     return [=] { return Memory::read(y, DType::f32); };
                   }),
          expected, sameBits ? 0 : toleranceOf(DType::f32)};
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

// Weights of experts in as many buffers as a dispatch takes; some lie behind others.
struct Placed {
  std::vector<std::vector<std::byte>> buffers;
  Ids table;

  explicit Placed(const std::vector<std::vector<std::byte>>& weights)
      : buffers(static_cast<size_t>(buffersPerDispatch)) {
    for (size_t e = 0; e < weights.size(); ++e) {
      std::vector<std::byte>& buffer = buffers[e % buffers.size()];
      buffer.resize((buffer.size() + 15) / 16 * 16);
      table.insert(table.end(), {static_cast<int32_t>(e % buffers.size()), static_cast<int32_t>(buffer.size() / 16)});
      buffer.insert(buffer.end(), weights[e].begin(), weights[e].end());
    }
  }
  std::vector<GpuView> in(Memory& memory) const {
    std::vector<GpuView> views;
    for (const auto& buffer : buffers) views.push_back(memory.holding(buffer));
    views.push_back(memory.holding(bytesOf(table)));
    return views;
  }
};

// More than buffers.
constexpr int32_t manyExperts = buffersPerDispatch + 3;

// Vectors of the experts of places.
KernelCase gatherCase(Random& random, DType dtype) {
  const int32_t slots = 45, width = random.between(257, 300);
  const Grouped g = randomGroups(random, slots, 5, manyExperts, 8);
  std::vector<Values> vectors;
  std::vector<std::vector<std::byte>> weights;
  for (int32_t e = 0; e < manyExperts; ++e) {
    vectors.push_back(stored(random, DType::f32, width));
    weights.push_back(bytesOf(vectors.back()));
  }
  std::vector<double> expected;
  for (const int32_t expert : g.placeExperts) {
    const Values& vector = vectors[static_cast<size_t>(expert)];
    expected.insert(expected.end(), vector.begin(), vector.end());
  }
  const Placed placed(weights);
  return {titled("gather_vectors", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView y = memory.empty(int64_t{slots} * width * 4);
                     std::vector<GpuView> buffers = placed.in(memory);
                     buffers.insert(buffers.end(), {memory.holding(bytesOf(g.tiles)), y});
                     kernels.gatherVectors(to, {width, 0}, g.tiles[0] + 1, buffers);
                     return [=] { return Memory::read(y, DType::f32); };
                   }),
          expected, 0};
}

// One product of the experts, or the gated pair of them.
KernelCase expertCase(Random& random, const CaseTypes& types, ProductKind kind, int32_t slots, bool gated,
                      ActivationFunction function) {
  const int32_t experts = manyExperts, rows = 5;
  // More than 8 inputs for each of a threadgroup's 4 simdgroups.
  const int32_t inputs = randomInputs(random, types.weights, 41, 61), outputs = random.between(33, 63);
  const int32_t stride = static_cast<int32_t>(paddedInputs(inputs)),
                outStride = static_cast<int32_t>(paddedInputs(outputs));
  const int32_t tileRows = kind == ProductKind::lanes ? (slots == experts ? 1 : 8) : (slots <= experts + 8 ? 8 : 32);
  const Grouped g = randomGroups(random, slots, rows, experts, tileRows);
  const Values x = stored(random, types.activations, rows * inputs);
  const Values gateBias = stored(random, DType::f32, slots * outputs),
               upBias = stored(random, DType::f32, slots * outputs);
  std::vector<CaseMatrix> gates, ups;
  std::vector<std::vector<std::byte>> weights;
  for (int32_t e = 0; e < experts; ++e) {
    gates.push_back(randomMatrix(random, types.weights, outputs, inputs));
    ups.push_back(randomMatrix(random, types.weights, outputs, inputs));
    weights.push_back(gated ? paired(gates.back(), ups.back()) : gates.back().panels);
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
    const auto product = [&](const CaseMatrix& w) {
      return dot(w.row(output), &x[static_cast<size_t>(g.placeRows[place] * inputs)], inputs);
    };
    const size_t bias = place * static_cast<size_t>(outputs) + static_cast<size_t>(output);
    const double gate = product(gates[expert]) + gateBias[bias];
    expected.push_back(gated ? activated(function, gate, product(ups[expert]) + upBias[bias]) : gate);
  }
  const std::string name = std::string(gated ? "expert_gate_up " : "expert_down ") +
                           (kind == ProductKind::lanes ? "lanes, " : "matrices, ") + std::to_string(slots) +
                           " slots, function " + std::to_string(function);
  const Placed placed(weights);
  return {
      titled(name, types),
      onDevice(types, kind,
               [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                 const int64_t bytes = static_cast<int64_t>(bytesPerWeight(types.activations));
                 const GpuView y = memory.empty(slots * outStride * bytes);
                 std::vector<GpuView> buffers = placed.in(memory);
                 buffers.insert(buffers.end(), {memory.holding(bytesOf(g.tiles)), memory.holding(bytesOf(g.placeRows)),
                                                memory.holding(padded(types.activations, x, rows, inputs)),
                                                memory.holding(bytesOf(gateBias))});
                 if (gated) buffers.push_back(memory.holding(bytesOf(upBias)));
                 buffers.push_back(y);
                 const ExpertArguments arguments{stride,  outputs,  stride, outStride, 0,  1,
                                                 outputs, function, 2.0f,   1.7f,      {}, packedFormat(types.weights)};
                 // One tile more than there are: it must do nothing.
                 if (gated)
                   kernels.gateUp(to, types.weights, arguments, tileRows, g.tiles[0] + 1, buffers);
                 else
                   kernels.down(to, types.weights, arguments, tileRows, g.tiles[0] + 1, buffers);
                 return [=] { return Memory::read(y, types.activations); };
               }),
      expected, toleranceOf(types.activations)};
}

KernelCase embedPackedCase(Random& random, const CaseTypes& types) {
  // The last token's codes are the last that its panel has.
  const int32_t width = types.weights.group * 2, vocab = 48;
  const CaseMatrix table = randomMatrix(random, types.weights, vocab, width);
  const Ids tokens{vocab - 1, 0, random.below(vocab)};
  std::vector<double> expected;
  for (const int32_t token : tokens) {
    for (int32_t i = 0; i < width; ++i) expected.push_back(double{table.row(token)[i]} * 3);
  }
  return {titled("embed_panels", types),
          onDevice(types, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView x = memory.empty(3 * width * 4);
                     kernels.embedPanels(to, types.weights, {width, 3.0f, packedFormat(types.weights)}, 3,
                                         memory.holding(bytesOf(tokens)), memory.holding(table.panels), x);
                     return [=] { return Memory::read(x, DType::f32); };
                   }),
          expected, toleranceOf(DType::f32)};
}

}  // namespace

void addProductCases(Random& random, DType dtype, std::vector<KernelCase>& cases) {
  for (const ProductKind kind : {ProductKind::lanes, ProductKind::matrices}) {
    for (const int32_t rows : {1, 11}) cases.push_back(multiplyCase(random, dtype, kind, rows));
    for (const int32_t slots : {manyExperts, 45}) {
      const bool few = slots == manyExperts;
      cases.push_back(expertCase(random, dtype, kind, slots, false, siluFunction));
      cases.push_back(expertCase(random, dtype, kind, slots, true, few ? siluFunction : clampedSwigluFunction));
    }
  }
  cases.push_back(expertCase(random, dtype, ProductKind::lanes, manyExperts, true, geluFunction));
  cases.push_back(expertCase(random, dtype, ProductKind::lanes, manyExperts, true, geluTanhFunction));
  if (dtype != DType::f16) cases.push_back(gatherCase(random, dtype));
}

// Every kernel with one format, and every format with one kernel.
void addPackedCases(Random& random, DType activations, std::vector<KernelCase>& cases) {
  const CaseTypes common({WeightCodes::affine4, ScaleType::bf16, 32}, activations);
  for (const ProductKind kind : {ProductKind::lanes, ProductKind::matrices}) {
    for (const int32_t rows : {1, 11}) cases.push_back(multiplyCase(random, common, kind, rows));
    for (const int32_t slots : {manyExperts, 45}) {
      for (const bool gated : {false, true}) {
        cases.push_back(expertCase(random, common, kind, slots, gated, siluFunction));
      }
    }
  }
  const ScaleType affine[] = {ScaleType::f32, ScaleType::f16, ScaleType::bf16};
  const ScaleType floating[] = {ScaleType::e8m0, ScaleType::e4m3, ScaleType::f32};
  for (int codes = static_cast<int>(WeightCodes::affine2); codes <= static_cast<int>(WeightCodes::e4m3); ++codes) {
    WeightFormat format(static_cast<WeightCodes>(codes), ScaleType::none, random.of<int16_t>({16, 32, 64}));
    format.scales = (format.affine() ? affine : floating)[random.below(3)];
    const CaseTypes types(format, activations);
    cases.push_back(multiplyCase(random, types, ProductKind::lanes, random.of<int32_t>({1, 5})));
    cases.push_back(multiplyCase(random, types, ProductKind::matrices, 3));
    cases.push_back(embedPackedCase(random, types));
  }
}

}  // namespace conclave::test
