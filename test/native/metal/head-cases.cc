// What happens to query, key and value between their products and attention, and the append to the KV cache. Every kind
// of step is in each case, so that no buffer is without effect.
#include <cmath>

#include "case-cache.h"

namespace conclave::test {
namespace {

// Which of the options a case has.
struct HeadOptions {
  const char* name;
  bool wholeProjection, normAfter, centred, adjacent;
};

// The steps and what they take.
struct Shaping {
  Attended a;
  HeadsArguments arguments{};
  std::vector<Values> vectors;  // by HeadVector
  Values cosines, sines, projected;

  int32_t queries() const { return a.heads * a.headDim; }
  int32_t keys() const { return a.kvHeads * a.headDim; }
  int32_t width() const { return queries() + 2 * keys(); }

  HeadStep& add(HeadStepKind kind, int32_t column, int32_t heads, int32_t each) {
    HeadStep& step = arguments.step[arguments.steps++];
    step = {kind, column, heads, each, 0, {}, 0, 0, 0};
    return step;
  }
};

void addNorms(Shaping& s, const HeadOptions& options) {
  for (const bool key : {false, true}) {
    const int32_t width = key ? s.keys() : s.queries(), heads = options.wholeProjection ? 1 : width / s.a.headDim;
    HeadStep& step = s.add(normalizeHeads, key ? s.queries() : 0, heads, width / heads);
    step.vector = key ? keyNormVector : queryNormVector;
    step.norm = {width / heads, options.centred ? 1 : 0, 0, 1e-5f};
  }
}

Shaping randomShaping(Random& random, const HeadOptions& options) {
  Shaping s;
  s.a = attended(random);
  const int32_t pairs = s.a.headDim / 2 - 3;
  const Ids columns{0, s.queries(), s.queries() + s.keys()}, widths{s.queries(), s.keys(), s.keys()};
  for (int32_t i = 0; i < 3; ++i) {
    s.add(addHeadBias, columns[static_cast<size_t>(i)], 1, widths[static_cast<size_t>(i)]).vector = i;
    s.vectors.push_back(stored(random, DType::f32, widths[static_cast<size_t>(i)]));
  }
  if (!options.normAfter) addNorms(s, options);
  s.add(clipHeads, 0, 1, s.width()).limit = 1.5f;
  HeadStep& rotation = s.add(rotateHeads, 0, s.a.heads + s.a.kvHeads, s.a.headDim);
  rotation.pairs = pairs;
  rotation.adjacent = options.adjacent ? 1 : 0;
  if (options.normAfter) addNorms(s, options);
  s.arguments.heads = s.a.heads;
  s.arguments.kvHeads = s.a.kvHeads;
  s.arguments.headDim = s.a.headDim;
  s.arguments.blockTableWidth = s.a.width;
  s.arguments.pairs = pairs;
  s.vectors.push_back(stored(random, DType::f32, options.wholeProjection ? s.queries() : s.a.headDim));
  s.vectors.push_back(stored(random, DType::f32, options.wholeProjection ? s.keys() : s.a.headDim));
  s.cosines = stored(random, DType::f32, 2 * pairs);
  s.sines = stored(random, DType::f32, 2 * pairs);
  s.projected = stored(random, DType::f32, 2 * s.width(), 2.0f);
  return s;
}

void normalize(const HeadStep& step, const Values& weight, std::vector<double>& x) {
  for (int32_t head = 0; head < step.heads; ++head) {
    double* at = &x[static_cast<size_t>(step.column + head * step.width)];
    double mean = 0, variance = 0;
    for (int32_t i = 0; i < step.width && step.norm.centred != 0; ++i) mean += at[i] / step.width;
    for (int32_t i = 0; i < step.width; ++i) variance += (at[i] - mean) * (at[i] - mean) / step.width;
    for (int32_t i = 0; i < step.width; ++i) {
      at[i] = (at[i] - mean) / std::sqrt(variance + 1e-5) * weight[static_cast<size_t>(i)];
    }
  }
}

void rotate(const HeadStep& step, const float* cosines, const float* sines, std::vector<double>& x) {
  for (int32_t i = 0; i < step.heads * step.pairs; ++i) {
    const int32_t pair = i % step.pairs, head = i / step.pairs * step.width;
    double& first = x[static_cast<size_t>(head + (step.adjacent != 0 ? 2 * pair : pair))];
    double& second = x[static_cast<size_t>(head + (step.adjacent != 0 ? 2 * pair + 1 : pair + step.pairs))];
    const double low = first * cosines[pair] - second * sines[pair];
    second = second * cosines[pair] + first * sines[pair];
    first = low;
  }
}

std::vector<double> shapedRow(const Shaping& s, size_t row) {
  const auto begin = s.projected.begin() + static_cast<int64_t>(row) * s.width();
  std::vector<double> x(begin, begin + s.width());
  const size_t angles = row * static_cast<size_t>(s.arguments.pairs);
  for (int32_t n = 0; n < s.arguments.steps; ++n) {
    const HeadStep& step = s.arguments.step[n];
    const Values& vector = s.vectors[static_cast<size_t>(step.vector)];
    if (step.kind == normalizeHeads) normalize(step, vector, x);
    if (step.kind == rotateHeads) rotate(step, &s.cosines[angles], &s.sines[angles], x);
    for (int32_t i = 0; i < step.width && step.kind == addHeadBias; ++i) {
      x[static_cast<size_t>(step.column + i)] += vector[static_cast<size_t>(i)];
    }
    for (int32_t i = 0; i < step.width && step.kind == clipHeads; ++i) {
      double& value = x[static_cast<size_t>(i)];
      value = std::clamp(value, -double{step.limit}, double{step.limit});
    }
  }
  return x;
}

// Queries of both rows, then the cache.
std::vector<double> shaped(const Shaping& s, DType dtype) {
  const Attended& a = s.a;
  std::vector<double> q, cache(static_cast<size_t>(cacheBytes(a, dtype, 4) / activationBytes(dtype)));
  for (size_t row = 0; row < 2; ++row) {
    const std::vector<double> x = shapedRow(s, row);
    q.insert(q.end(), x.begin(), x.begin() + s.queries());
    const int64_t block = a.blockOf(row, a.positions[row]), slot = a.positions[row] % 64;
    for (int32_t i = 0; i < s.keys(); ++i) {
      const size_t key = static_cast<size_t>(s.queries() + i), value = key + static_cast<size_t>(s.keys());
      cache[static_cast<size_t>(keyAt(a, dtype, block, i / a.headDim, slot, i % a.headDim))] = x[key];
      cache[static_cast<size_t>(valueAt(a, dtype, block, i / a.headDim, slot, i % a.headDim))] = x[value];
    }
  }
  q.insert(q.end(), cache.begin(), cache.end());
  return q;
}

KernelCase headCase(Random& random, DType dtype, const HeadOptions& options) {
  const Shaping s = randomShaping(random, options);
  const Attended& a = s.a;
  return {titled((std::string("shape_heads, ") + options.name).c_str(), dtype),
          onDevice(dtype, ProductKind::lanes,
                   [s, a, dtype](const MetalKernels& kernels, Memory& memory, GpuCommands& to) {
                     const GpuView q = memory.empty(2 * s.queries() * activationBytes(dtype));
                     const GpuView cache = memory.empty(cacheBytes(a, dtype, 4));
                     std::vector<GpuView> buffers{memory.holding(bytesOf(a.positions)),
                                                  memory.holding(bytesOf(a.sequences)),
                                                  memory.holding(bytesOf(a.tables)), memory.holding(bytesOf(s.cosines)),
                                                  memory.holding(bytesOf(s.sines))};
                     for (const Values& vector : s.vectors) buffers.push_back(memory.holding(bytesOf(vector)));
                     buffers.insert(buffers.end(), {memory.holding(bytesOf(s.projected)), q,
                                                    cache.part(0, usedCacheBytes(a, dtype, false))});
                     kernels.shapeHeads(to, s.arguments, 2, buffers);
                     return [=] {
                       Values all = Memory::read(q, activations(dtype));
                       const Values rest = Memory::read(cache, activations(dtype));
                       all.insert(all.end(), rest.begin(), rest.end());
                       return all;
                     };
                   }),
          shaped(s, dtype), toleranceOf(activations(dtype))};
}

}  // namespace

void addHeadCases(Random& random, DType dtype, std::vector<KernelCase>& cases) {
  cases.push_back(headCase(random, dtype, {"rms of heads, then halves", false, false, false, false}));
  cases.push_back(headCase(random, dtype, {"neighbours, then layer norm of all", true, true, true, true}));
}

}  // namespace conclave::test
