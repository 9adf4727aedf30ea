// Attention over the blocks of the KV cache, with sinks, with and without a window.
#include <cmath>

#include "case-cache.h"

namespace conclave::test {
namespace {

int32_t firstSeen(int32_t position, int32_t window) { return window == 0 ? 0 : std::max(0, position - window + 1); }

std::vector<double> attend(const Attended& a, DType dtype, const Values& q, const Values& cache, const Values& sinks,
                           int32_t window) {
  std::vector<double> out;
  for (size_t row = 0; row < 2; ++row) {
    for (int32_t head = 0; head < a.heads; ++head) {
      const int32_t kvHead = head / (a.heads / a.kvHeads), keys = a.positions[row] + 1;
      const int32_t first = firstSeen(a.positions[row], window);
      const double sink = sinks[static_cast<size_t>(head)];
      std::vector<double> weights;
      double largest = sink;
      for (int32_t key = first; key < keys; ++key) {
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
      double total = std::exp(sink - largest);
      for (double& weight : weights) total += weight = std::exp(weight - largest);
      for (int32_t d = 0; d < a.headDim; ++d) {
        double sum = 0;
        for (int32_t key = first; key < keys; ++key) {
          sum += weights[static_cast<size_t>(key - first)] / total *
                 cache[static_cast<size_t>(valueAt(a, dtype, a.blockOf(row, key), kvHead, key % 64, d))];
        }
        out.push_back(sum);
      }
    }
  }
  return out;
}

KernelCase attentionCase(Random& random, DType dtype, bool split, bool windowed) {
  const Attended a = attended(random);
  // Of the first row's blocks, the window begins in the first.
  const int32_t window = windowed ? a.positions[0] - random.between(5, 60) : 0;
  const Values sinks = stored(random, DType::f32, a.heads, 2.0f);
  const int32_t qWidth = a.heads * a.headDim;
  const Values q = stored(random, activations(dtype), 2 * qWidth);
  // Every other sequence's keys and values are there too, and NaN where no row may look: behind its own, and before its
  // window, but for the partner of an odd key.
  Values cache = stored(random, activations(dtype), cacheBytes(a, dtype, 4) / activationBytes(dtype));
  const auto spoil = [&](size_t row, int32_t position) {
    for (int32_t head = 0; head < a.kvHeads; ++head) {
      for (int32_t d = 0; d < a.headDim; ++d) {
        cache[static_cast<size_t>(keyAt(a, dtype, a.blockOf(row, position), head, position % 64, d))] = NAN;
        cache[static_cast<size_t>(valueAt(a, dtype, a.blockOf(row, position), head, position % 64, d))] = NAN;
      }
    }
  };
  for (size_t row = 0; row < 2; ++row) {
    const int32_t position = a.positions[row], first = firstSeen(position, window);
    for (int32_t behind = position + 1; behind < (position / 64 + 1) * 64; ++behind) spoil(row, behind);
    for (int32_t before = 0; before < first - first % 2; ++before) spoil(row, before);
  }
  const std::string name = std::string(split ? "attend_blocks" : "attend_row") + (windowed ? ", window" : "");
  return {titled(name.c_str(), dtype),
          onDevice(dtype, ProductKind::lanes,
                   [=](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView out = memory.empty(2 * qWidth * activationBytes(dtype));
                     const AttendArguments arguments{a.heads, a.kvHeads, a.headDim,
                                                     qWidth,  a.width,   2,
                                                     window,  1,         1.0f / std::sqrt(float(a.headDim))};
                     const GpuView sink = memory.holding(bytesOf(sinks));
                     std::vector<GpuView> buffers{
                         memory.holding(bytesOf(a.positions)), memory.holding(bytesOf(a.sequences)),
                         memory.holding(bytesOf(a.tables)), memory.holding(encode(activations(dtype), q)),
                         memory.holding(encode(activations(dtype), cache)).part(0, usedCacheBytes(a, dtype, true))};
                     if (split) {
                       // The second row has no second block.
                       const int64_t partials = ((2 * a.heads - 1) * 2 + 1) * (a.headDim + 2);
                       kernels.attendBlocks(to, arguments, 2, buffers, memory.empty(partials * 4), sink, out);
                     } else {
                       buffers.insert(buffers.end(), {sink, out});
                       kernels.attendRows(to, arguments, 2, buffers);
                     }
                     return [=] { return Memory::read(out, activations(dtype)); };
                   }),
          attend(a, dtype, q, cache, sinks, window), dtype == DType::bf16 ? 0.01 : 1e-5};
}

}  // namespace

void addAttentionCases(Random& random, DType dtype, std::vector<KernelCase>& cases) {
  for (const bool split : {false, true}) {
    for (const bool windowed : {false, true}) cases.push_back(attentionCase(random, dtype, split, windowed));
  }
}

}  // namespace conclave::test
