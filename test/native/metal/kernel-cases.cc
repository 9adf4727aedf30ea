#include "kernel-cases.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>

#include "../../../native/core/float-bits.h"
#include "../../../native/core/panel-layout.h"
#include "../../../native/metal/metal-kernels.h"

namespace conclave::test {
namespace {

using Values = std::vector<float>;
using Ids = std::vector<int32_t>;

// A matrix or rows of f32 that the storage type holds exactly.
Values stored(Random& random, DType dtype, int64_t count, float scale = 1.0f) {
  Values values(static_cast<size_t>(count));
  for (float& value : values) {
    value = random.value(scale);
    // Few enough bits for either 16-bit format.
    if (dtype != DType::f32) value = bf16ToF32(f32ToBf16(value));
  }
  return values;
}

// Only for what stored() makes: normal, and with no more bits than an f16 has.
uint16_t f32ToF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const int32_t exponent = static_cast<int32_t>(bits >> 23 & 0xff) - 112;
  return static_cast<uint16_t>(bits >> 16 & 0x8000u) |
         (exponent <= 0 ? uint16_t{0} : static_cast<uint16_t>(exponent << 10 | (bits >> 13 & 0x3ffu)));
}

float roundedTo(DType dtype, float value) {
  if (dtype == DType::f32) return value;
  return dtype == DType::f16 ? f16ToF32(f32ToF16(value)) : bf16ToF32(f32ToBf16(value));
}

template <typename T>
std::vector<std::byte> bytesOf(const std::vector<T>& values) {
  const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  return {bytes, bytes + values.size() * sizeof(T)};
}

std::vector<std::byte> encode(DType dtype, const Values& values) {
  if (dtype == DType::f32) return bytesOf(values);
  std::vector<uint16_t> halves;
  for (const float value : values) halves.push_back(dtype == DType::bf16 ? f32ToBf16(value) : f32ToF16(value));
  return bytesOf(halves);
}

// Buffers of one case on one device.
class Memory {
 public:
  explicit Memory(GpuDevice& device) : device_(device) {}

  GpuView holding(const std::vector<std::byte>& bytes) {
    const GpuView view = empty(static_cast<int64_t>(bytes.size()));
    std::memcpy(view.buffer->contents(), bytes.data(), bytes.size());
    return view;
  }
  GpuView empty(int64_t bytes) {
    buffers_.push_back(device_.allocate(bytes));
    return {buffers_.back().get(), 0, bytes};
  }
  static Values read(const GpuView& view, DType dtype) {
    const auto* bytes = view.buffer->contents() + view.offset;
    Values values(static_cast<size_t>(view.bytes) / bytesPerWeight(dtype));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = dtype == DType::bf16 ? bf16ToF32(reinterpret_cast<const uint16_t*>(bytes)[i])
                                       : reinterpret_cast<const float*>(bytes)[i];
    }
    return values;
  }
  static Values readIds(const GpuView& view) {
    const auto* ids = reinterpret_cast<const int32_t*>(view.buffer->contents() + view.offset);
    return {ids, ids + view.bytes / 4};
  }

 private:
  GpuDevice& device_;
  std::vector<std::unique_ptr<GpuBuffer>> buffers_;
};

// Encodes with `fill`, waits, and returns what `fill` named as outputs.
template <typename Encode>
auto onDevice(DType dtype, ProductKind kind, Encode encode) {
  return [=](GpuDevice& device) {
    const MetalKernels kernels(device, dtype, kind);
    Memory memory(device);
    const auto commands = device.commands();
    const std::function<Values()> read = encode(kernels, memory, *commands);
    commands->submit();
    commands->wait();
    return read();
  };
}

DType activations(DType dtype) { return activationType(dtype); }
int64_t activationBytes(DType dtype) { return static_cast<int64_t>(bytesPerWeight(activations(dtype))); }

// By the storage type of what is compared: a rounding to bf16 may go the other way.
double toleranceOf(DType result) { return result == DType::bf16 ? 0.004 : 4e-6; }

const char* nameOf(DType dtype) { return dtype == DType::f32 ? "f32" : dtype == DType::f16 ? "f16" : "bf16"; }
std::string titled(const char* kernel, DType dtype) { return std::string(kernel) + " " + nameOf(dtype); }

// [outputs, inputs], stored so, as panels.
std::vector<std::byte> panels(DType dtype, const Values& matrix, int32_t outputs, int32_t inputs) {
  const std::vector<std::byte> plain = encode(dtype, matrix);
  std::vector<std::byte> packed(static_cast<size_t>(matrixBytes(dtype, outputs, inputs)));
  packPanels({plain.data(), dtype, outputs, inputs, inputs, 1}, packed.data(), 1, 0);
  return packed;
}

// Rows of activations with an even stride.
std::vector<std::byte> padded(DType dtype, const Values& rows, int32_t count, int32_t width) {
  const int64_t stride = paddedInputs(width);
  Values wide(static_cast<size_t>(count * stride));
  for (int32_t r = 0; r < count; ++r)
    std::copy_n(&rows[static_cast<size_t>(r * width)], width, &wide[static_cast<size_t>(r * stride)]);
  return encode(activations(dtype), wide);
}

double dot(const float* a, const float* b, int32_t count) {
  double sum = 0;
  for (int32_t i = 0; i < count; ++i) sum += double{a[i]} * b[i];
  return sum;
}

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

// Attention's surroundings: two sequences, one of them in its second block, whose blocks lie anywhere.
struct Attended {
  int32_t heads, kvHeads = 2, headDim;
  Ids positions, sequences, tables{2, 1, 0, 3};
  int32_t width = 2;

  int32_t blockOf(size_t row, int32_t position) const {
    return tables[static_cast<size_t>(sequences[row] * width + position / 64)];
  }
};

Attended attended(Random& random) {
  Attended a;
  a.heads = 2 * random.of<int32_t>({1, 3, 9});
  a.headDim = 2 * random.between(9, 35);
  a.positions = {random.between(64, 126), random.of<int32_t>({0, 1, 62, 63})};
  a.sequences = {1, 0};
  return a;
}

int64_t cacheBytes(const Attended& a, DType dtype, int32_t blocks) {
  const DType type = activations(dtype);
  return blocks * a.kvHeads * (matrixBytes(type, 64, a.headDim) + matrixBytes(type, a.headDim, 64));
}

// Where key or value (position, dimension) of a KV head lies in the cache, in elements.
int64_t keyAt(const Attended& a, DType dtype, int64_t block, int64_t head, int64_t slot, int64_t dimension) {
  const DType type = activations(dtype);
  const int64_t panel = static_cast<int64_t>(paddedInputs(a.headDim)) * 32;
  const int64_t perHead = cacheBytes(a, dtype, 1) / a.kvHeads / activationBytes(dtype);
  return (block * a.kvHeads + head) * perHead + slot / 32 * panel + panelIndex(type, dimension, slot % 32);
}
int64_t valueAt(const Attended& a, DType dtype, int64_t block, int64_t head, int64_t slot, int64_t dimension) {
  const int64_t keys = matrixBytes(activations(dtype), 64, a.headDim) / activationBytes(dtype);
  const int64_t perHead = cacheBytes(a, dtype, 1) / a.kvHeads / activationBytes(dtype);
  return (block * a.kvHeads + head) * perHead + keys + dimension / 32 * 64 * 32 +
         panelIndex(activations(dtype), slot, dimension % 32);
}

// Where what a row of `a` reads or writes ends: its last value; keys are read in pairs.
int64_t usedCacheBytes(const Attended& a, DType dtype, bool pairs) {
  const int64_t slot = a.positions[0] % 64, pair = pairs ? slot | 1 : slot;
  return (valueAt(a, dtype, a.blockOf(0, a.positions[0]), a.kvHeads - 1, pair, a.headDim - 1) + 1) *
         activationBytes(dtype);
}

KernelCase rotateCase(Random& random, DType dtype) {
  const Attended a = attended(random);
  const int32_t half = a.headDim / 2, qWidth = a.heads * a.headDim, kvWidth = a.kvHeads * a.headDim;
  const Values qkv = stored(random, DType::f32, 2 * (qWidth + 2 * kvWidth), 2.0f);
  const Values cosines = stored(random, DType::f32, 2 * half), sines = stored(random, DType::f32, 2 * half);
  const float limit = 1.5f;
  std::vector<double> q, cache(static_cast<size_t>(cacheBytes(a, dtype, 4) / activationBytes(dtype)));
  for (size_t row = 0; row < 2; ++row) {
    const float* at = &qkv[row * static_cast<size_t>(qWidth + 2 * kvWidth)];
    const auto clipped = [&](int32_t i) { return double{std::clamp(at[i], -limit, limit)}; };
    const auto turned = [&](int32_t i) {
      const int32_t pair = i % a.headDim % half;
      const double c = cosines[row * static_cast<size_t>(half) + static_cast<size_t>(pair)];
      const double s = sines[row * static_cast<size_t>(half) + static_cast<size_t>(pair)];
      return i % a.headDim < half ? clipped(i) * c - clipped(i + half) * s : clipped(i) * c + clipped(i - half) * s;
    };
    for (int32_t i = 0; i < qWidth; ++i) q.push_back(turned(i));
    const int64_t block = a.blockOf(row, a.positions[row]), slot = a.positions[row] % 64;
    for (int32_t i = 0; i < kvWidth; ++i) {
      cache[static_cast<size_t>(keyAt(a, dtype, block, i / a.headDim, slot, i % a.headDim))] = turned(qWidth + i);
      cache[static_cast<size_t>(valueAt(a, dtype, block, i / a.headDim, slot, i % a.headDim))] =
          clipped(qWidth + kvWidth + i);
    }
  }
  std::vector<double> expected = q;
  expected.insert(expected.end(), cache.begin(), cache.end());
  return {titled("rotate_and_append", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView qOut = memory.empty(2 * qWidth * activationBytes(dtype));
                     const GpuView cacheOut = memory.empty(cacheBytes(a, dtype, 4));
                     kernels.rotateAndAppend(
                         to, {a.heads, a.kvHeads, a.headDim, qWidth, a.width, limit}, 2,
                         {memory.holding(bytesOf(a.positions)), memory.holding(bytesOf(a.sequences)),
                          memory.holding(bytesOf(a.tables)), memory.holding(bytesOf(cosines)),
                          memory.holding(bytesOf(sines)), memory.holding(bytesOf(qkv)), qOut,
                          cacheOut.part(0, usedCacheBytes(a, dtype, false))});
                     return [=] {
                       Values all = Memory::read(qOut, activations(dtype));
                       const Values rest = Memory::read(cacheOut, activations(dtype));
                       all.insert(all.end(), rest.begin(), rest.end());
                       return all;
                     };
                   }),
          expected, toleranceOf(activations(dtype))};
}

std::vector<double> attend(const Attended& a, DType dtype, const Values& q, const Values& cache) {
  std::vector<double> out;
  for (size_t row = 0; row < 2; ++row) {
    for (int32_t head = 0; head < a.heads; ++head) {
      const int32_t kvHead = head / (a.heads / a.kvHeads), keys = a.positions[row] + 1;
      std::vector<double> weights;
      double total = 0, largest = -1e300;
      for (int32_t key = 0; key < keys; ++key) {
        double score = 0;
        for (int32_t d = 0; d < a.headDim; ++d) {
          score +=
              double{
                  q[(row * static_cast<size_t>(a.heads) + static_cast<size_t>(head)) * static_cast<size_t>(a.headDim) +
                    static_cast<size_t>(d)]} *
              cache[static_cast<size_t>(keyAt(a, dtype, a.blockOf(row, key), kvHead, key % 64, d))];
        }
        weights.push_back(score / std::sqrt(double(a.headDim)));
        largest = std::max(largest, weights.back());
      }
      for (double& weight : weights) total += weight = std::exp(weight - largest);
      for (int32_t d = 0; d < a.headDim; ++d) {
        double sum = 0;
        for (int32_t key = 0; key < keys; ++key) {
          sum += weights[static_cast<size_t>(key)] / total *
                 cache[static_cast<size_t>(valueAt(a, dtype, a.blockOf(row, key), kvHead, key % 64, d))];
        }
        out.push_back(sum);
      }
    }
  }
  return out;
}

KernelCase attentionCase(Random& random, DType dtype, bool split) {
  const Attended a = attended(random);
  const int32_t qWidth = a.heads * a.headDim;
  const Values q = stored(random, activations(dtype), 2 * qWidth);
  // Every other sequence's keys and values are there too, and NaN behind the rows' own.
  Values cache = stored(random, activations(dtype), cacheBytes(a, dtype, 4) / activationBytes(dtype));
  for (size_t row = 0; row < 2; ++row) {
    for (int32_t slot = a.positions[row] % 64 + 1; slot < 64; ++slot) {
      for (int32_t head = 0; head < a.kvHeads; ++head) {
        const int32_t block = a.blockOf(row, a.positions[row]);
        for (int32_t d = 0; d < a.headDim; ++d) {
          cache[static_cast<size_t>(keyAt(a, dtype, block, head, slot, d))] = NAN;
          cache[static_cast<size_t>(valueAt(a, dtype, block, head, slot, d))] = NAN;
        }
      }
    }
  }
  return {titled(split ? "attend_blocks" : "attend_row", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView out = memory.empty(2 * qWidth * activationBytes(dtype));
                     const AttendArguments arguments{
                         a.heads, a.kvHeads, a.headDim, qWidth, a.width, 2, 1.0f / std::sqrt(float(a.headDim))};
                     std::vector<GpuView> buffers{
                         memory.holding(bytesOf(a.positions)), memory.holding(bytesOf(a.sequences)),
                         memory.holding(bytesOf(a.tables)), memory.holding(encode(activations(dtype), q)),
                         memory.holding(encode(activations(dtype), cache)).part(0, usedCacheBytes(a, dtype, true))};
                     if (split) {
                       // The second row has no second block.
                       const int64_t partials = ((2 * a.heads - 1) * 2 + 1) * (a.headDim + 2);
                       kernels.attendBlocks(to, arguments, 2, 2, buffers, memory.empty(partials * 4), out);
                     } else {
                       buffers.push_back(out);
                       kernels.attendRows(to, arguments, 2, buffers);
                     }
                     return [=] { return Memory::read(out, activations(dtype)); };
                   }),
          attend(a, dtype, q, cache), dtype == DType::bf16 ? 0.01 : 1e-5};
}

KernelCase routeCase(Random& random, DType dtype) {
  const int32_t experts = random.between(33, 70), topK = random.between(2, 5), rows = 2;
  const Values logits = stored(random, DType::f32, rows * experts, 4.0f);
  std::vector<double> ids, weights;
  for (int32_t row = 0; row < rows; ++row) {
    const float* at = &logits[static_cast<size_t>(row * experts)];
    Ids order(static_cast<size_t>(experts));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return at[a] > at[b]; });
    double total = 0;
    for (int32_t k = 0; k < topK; ++k) total += std::exp(double{at[order[static_cast<size_t>(k)]]});
    for (int32_t k = 0; k < topK; ++k) {
      ids.push_back(order[static_cast<size_t>(k)]);
      weights.push_back(std::exp(double{at[order[static_cast<size_t>(k)]]}) / total * experts);
    }
  }
  std::vector<double> expected = ids;
  expected.insert(expected.end(), weights.begin(), weights.end());
  return {
      titled("choose_experts", dtype),
      onDevice(dtype, ProductKind::lanes,
               [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                 const GpuView chosen = memory.empty(rows * topK * 4), shares = memory.empty(rows * topK * 4);
                 kernels.chooseExperts(to, {experts, topK, 1}, rows, memory.holding(bytesOf(logits)), chosen, shares);
                 return [=] {
                   // Shares as large as ids, so that one tolerance fits both.
                   Values all = Memory::readIds(chosen);
                   for (const float share : Memory::read(shares, DType::f32))
                     all.push_back(share * static_cast<float>(experts));
                   return all;
                 };
               }),
      expected, toleranceOf(DType::f32)};
}

// Slots of some rows and experts, and how they are sorted.
struct Grouped {
  Ids experts, rows, places, placeRows, placeExperts, tiles;
};

Grouped grouped(const Ids& experts, const Ids& rows, int32_t tileRows) {
  Grouped g{experts, rows, Ids(experts.size()), {}, {}, {0}};
  std::vector<size_t> order(experts.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return experts[a] < experts[b]; });
  for (const size_t slot : order) {
    const int32_t place = static_cast<int32_t>(g.placeRows.size());
    const bool continues = place > 0 && g.placeExperts.back() == experts[slot] && g.tiles.back() < tileRows;
    if (continues) {
      ++g.tiles.back();
    } else {
      g.tiles.insert(g.tiles.end(), {experts[slot], place, 1});
      ++g.tiles[0];
    }
    g.places[slot] = place;
    g.placeRows.push_back(rows[slot]);
    g.placeExperts.push_back(experts[slot]);
  }
  return g;
}

// The first slots are of every expert in turn, from the last; the last row is in use, so that a shorter buffer shows.
Grouped randomGroups(Random& random, int32_t slots, int32_t rows, int32_t experts, int32_t tileRows) {
  Ids chosen, chosenRows;
  for (int32_t i = 0; i < slots; ++i) {
    chosen.push_back(i < experts ? experts - 1 - i : random.below(experts));
    chosenRows.push_back(i == 0 ? rows - 1 : random.below(rows));
  }
  return grouped(chosen, chosenRows, tileRows);
}

KernelCase groupCase(Random& random, DType dtype) {
  const int32_t slots = 21, experts = 5, tileRows = 3;
  const Grouped g = randomGroups(random, slots, 7, experts, tileRows);
  std::vector<double> expected(g.places.begin(), g.places.end());
  expected.insert(expected.end(), g.placeRows.begin(), g.placeRows.end());
  expected.insert(expected.end(), g.tiles.begin(), g.tiles.end());
  return {titled("group_slots", dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView places = memory.empty(slots * 4), placeRows = memory.empty(slots * 4);
                     const GpuView tiles = memory.empty(static_cast<int64_t>(g.tiles.size()) * 4);
                     kernels.groupSlots(to, {slots, experts, tileRows},
                                        {memory.holding(bytesOf(g.experts)), memory.holding(bytesOf(g.rows)), places,
                                         placeRows, tiles});
                     return [=] {
                       Values all = Memory::readIds(places);
                       for (const GpuView& view : {placeRows, tiles}) {
                         const Values ids = Memory::readIds(view);
                         all.insert(all.end(), ids.begin(), ids.end());
                       }
                       return all;
                     };
                   }),
          expected, 0};
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

std::vector<KernelCase> kernelCases(uint32_t seed) {
  Random random(seed);
  std::vector<KernelCase> cases;
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    cases.push_back(embedCase(random, dtype));
    cases.push_back(normCase(random, dtype));
    cases.push_back(combineCase(random, dtype, true));
    cases.push_back(combineCase(random, dtype, false));
    cases.push_back(addCase(random, dtype));
    cases.push_back(rotateCase(random, dtype));
    for (const bool split : {false, true}) cases.push_back(attentionCase(random, dtype, split));
    cases.push_back(routeCase(random, dtype));
    cases.push_back(groupCase(random, dtype));
    for (const ProductKind kind : {ProductKind::lanes, ProductKind::matrices}) {
      for (const int32_t rows : {1, 11}) cases.push_back(multiplyCase(random, dtype, kind, rows, rows == 11));
      for (const bool gated : {false, true}) {
        for (const int32_t slots : {16, 45}) cases.push_back(expertCase(random, dtype, kind, slots, gated));
      }
    }
  }
  return cases;
}

}  // namespace conclave::test
