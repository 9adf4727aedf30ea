// Rotation, the append to the KV cache, and attention over its blocks.
#include <cmath>
#include <numeric>

#include "case-memory.h"

namespace conclave::test {
namespace {

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

}  // namespace

void addAttentionCases(Random& random, DType dtype, std::vector<KernelCase>& cases) {
  cases.push_back(rotateCase(random, dtype));
  for (const bool split : {false, true}) cases.push_back(attentionCase(random, dtype, split));
}

}  // namespace conclave::test
