// The matrix product for CPUs with vectors: tiles of rows x one or two panels whose sums stay in registers along all
// inputs. Included by one file per instruction set after its lanes-*.h, which supplies `Lanes` (16 f32), the loads of
// 16 weights, the multiply-adds, and how many sums fit its registers. Sums never leave their order, so a row's bits
// depend neither on the tile it is in nor on the instruction set.
#pragma once
#include <cstring>

#include "../core/panel-layout.h"
#include "row-kernels.h"
#include "store-outputs.h"
#include "variants.h"

namespace conclave {
namespace {

// How a pair of inputs is read from a panel and a row and added to the sums, per storage type.
struct Bf16Weights {
  using Input = uint16_t;
  static constexpr int bytes = 2;

  template <int Rows, int Halves>
  static inline void addPair(const std::byte* const* panel, const Input* const* x, int32_t i, Lanes (*sum)[Halves]) {
    PairLanes w[Halves];
    for (int h = 0; h < Halves; ++h) w[h] = loadPairs(panel[h / 2] + (i * panelOutputs + (h % 2) * 32) * bytes);
    for (int r = 0; r < Rows; ++r) {
      uint32_t pair;
      std::memcpy(&pair, x[r] + i, sizeof pair);
      const PairInput input = broadcastPair(pair);
      for (int h = 0; h < Halves; ++h) sum[r][h] = addPairs(sum[r][h], w[h], input);
    }
  }
};

template <typename Storage, Lanes (*load)(const std::byte*)>
struct PlainWeights {
  using Input = float;
  static constexpr int bytes = sizeof(Storage);

  template <int Rows, int Halves>
  static inline void addPair(const std::byte* const* panel, const Input* const* x, int32_t i, Lanes (*sum)[Halves]) {
    for (int32_t k = i + 1; k >= i; --k) {
      Lanes w[Halves];
      for (int h = 0; h < Halves; ++h) w[h] = load(panel[h / 2] + (k * panelOutputs + (h % 2) * lanes) * bytes);
      for (int r = 0; r < Rows; ++r) {
        const Lanes input = broadcast(x[r][k]);
        for (int h = 0; h < Halves; ++h) sum[r][h] = multiplyAdd(w[h], input, sum[r][h]);
      }
    }
  }
};

using F32Weights = PlainWeights<float, loadF32>;
using F16Weights = PlainWeights<uint16_t, loadF16>;

// Rows x PanelsAtOnce panels: the sums of the whole tile live in registers.
template <typename Weights, int Rows, int PanelsAtOnce>
void multiplyTile(const Panels& w, int32_t firstPanel, const void* const* x, float* y, int64_t yStride) {
  constexpr int halves = 2 * PanelsAtOnce;
  const std::byte* panel[PanelsAtOnce];
  for (int p = 0; p < PanelsAtOnce; ++p) panel[p] = w.data + (firstPanel + p) * w.stride;
  const typename Weights::Input* input[Rows];
  for (int r = 0; r < Rows; ++r) input[r] = static_cast<const typename Weights::Input*>(x[r]);

  Lanes sum[Rows][halves];
  for (int r = 0; r < Rows; ++r) {
    for (int h = 0; h < halves; ++h) sum[r][h] = zero();
  }
  for (int32_t i = 0; i < w.inputs; i += 2) Weights::template addPair<Rows, halves>(panel, input, i, sum);

  const int32_t firstOutput = firstPanel * panelOutputs;
  for (int r = 0; r < Rows; ++r) {
    for (int h = 0; h < halves; ++h) {
      const int32_t output = firstOutput + h * lanes;
      storeOutputs(sum[r][h], y + r * yStride + output, w.outputs - output);
    }
  }
}

// One tile of exactly `rows` rows, at most Rows.
template <typename Weights, int Rows>
void multiplyRows(const Panels& w, int32_t panel, const void* const* x, int32_t rows, float* y, int64_t yStride) {
  if constexpr (Rows > 0) {
    if (rows == Rows) return multiplyTile<Weights, Rows, 1>(w, panel, x, y, yStride);
    multiplyRows<Weights, Rows - 1>(w, panel, x, rows, y, yStride);
  }
}

// In tiles of nearly one size: a last tile of one or two rows would wait for its few sums.
template <typename Weights>
void multiplyPanel(const Panels& w, int32_t panel, const void* const* x, int32_t rows, float* y, int64_t yStride) {
  int32_t tiles = (rows + tileRows - 1) / tileRows;
  for (int32_t r = 0; tiles > 0; --tiles) {
    const int32_t share = (rows - r + tiles - 1) / tiles;
    multiplyRows<Weights, tileRows>(w, panel, x + r, share, y + r * yStride, yStride);
    r += share;
  }
}

template <typename Weights>
void multiply(const Panels& w, const void* const* x, int32_t rows, float* y, int64_t yStride) {
  const int32_t panels = static_cast<int32_t>(panelCount(w.outputs));
  int32_t panel = 0;
  // One row: two panels at a time give the adders enough independent sums.
  if (rows == 1) {
    for (; panel + 2 <= panels; panel += 2) multiplyTile<Weights, 1, 2>(w, panel, x, y, yStride);
  }
  for (; panel < panels; ++panel) multiplyPanel<Weights>(w, panel, x, rows, y, yStride);
}

// `multiplyPacked`: of the same instruction set.
template <MultiplyPacked multiplyPacked>
void matmul(const Panels& w, const InputRows& x, int32_t rows, float* y, int64_t yStride) {
  if (w.format.packed()) return multiplyPacked(w, x, rows, y, yStride);
  switch (w.format.plain()) {
    case DType::f32:
      return multiply<F32Weights>(w, x.rows, rows, y, yStride);
    case DType::f16:
      return multiply<F16Weights>(w, x.rows, rows, y, yStride);
    case DType::bf16:
      return multiply<Bf16Weights>(w, x.rows, rows, y, yStride);
  }
}

}  // namespace
}  // namespace conclave
