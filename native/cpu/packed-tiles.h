// The product by packed panels in vectors: matmul-reference.cc has its definition. Codes become pairs of lanes in
// `CodePairs` (codes-*.h), one for each kind of code; everything else here is the same for all formats. With few rows
// they are decoded into registers, in the order in which they are used; with more, a part of a panel is decoded once
// for all of them, into memory that stays in the first-level cache.
#pragma once
#include <algorithm>
#include <cstring>
#include <utility>

#include "store-outputs.h"

namespace conclave {
namespace {

constexpr int unitSlots = 16;

inline PairInput pairAt(const uint16_t* x, int32_t i) {
  uint32_t pair;
  std::memcpy(&pair, x + i, sizeof pair);
  return broadcastPair(pair);
}

inline Lanes addInputs(const Lanes& sum, const PairLanes& w, const uint16_t* x, int32_t i) {
  return addPairs(sum, w, pairAt(x, i));
}
inline Lanes addInputs(const Lanes& sum, const PairLanes& w, const float* x, int32_t i) {
  return multiplyAdd(evenOf(w), broadcast(x[i]), multiplyAdd(oddOf(w), broadcast(x[i + 1]), sum));
}

// Two inputs, whose weights are `w`.
template <int Rows, typename Input>
inline void addPair(const PairLanes* w, const Input* const* x, int32_t i, Lanes (*sum)[2]) {
  for (int r = 0; r < Rows; ++r) {
    for (int h = 0; h < 2; ++h) sum[r][h] = addInputs(sum[r][h], w[h], x[r], i);
  }
}

// The pairs of a unit as they are stored: a slot's place in it must be known to the compiler.
template <WeightCodes codes>
struct EncodedPairs {
  static constexpr int64_t bytesOfUnit = unitBytes(CodePairs<codes>::bits);
  static constexpr bool prefetched = true;

  template <int Rows, typename Input>
  static inline void addUnit(const std::byte* unit, const Input* const* x, int32_t i, Lanes (*sum)[2]) {
    addPairs<Rows>(unit, x, i, sum, std::make_integer_sequence<int, unitSlots / 2>());
  }

  static inline void decodeUnit(const std::byte* unit, PairLanes* to) {
    store(unit, to, std::make_integer_sequence<int, unitSlots>());
  }

 private:
  template <int Rows, typename Input, int... pair>
  static inline void addPairs(const std::byte* unit, const Input* const* x, int32_t i, Lanes (*sum)[2],
                              std::integer_sequence<int, pair...>) {
    (addPairAt<pair, Rows>(unit, x, i, sum), ...);
  }
  template <int pair, int Rows, typename Input>
  static inline void addPairAt(const std::byte* unit, const Input* const* x, int32_t i, Lanes (*sum)[2]) {
    const PairLanes w[2] = {CodePairs<codes>::template load<2 * pair>(unit),
                            CodePairs<codes>::template load<2 * pair + 1>(unit)};
    addPair<Rows>(w, x, i + 2 * pair, sum);
  }
  template <int... slot>
  static inline void store(const std::byte* unit, PairLanes* to, std::integer_sequence<int, slot...>) {
    ((to[slot] = CodePairs<codes>::template load<slot>(unit)), ...);
  }
};

// The pairs of a unit as decodeUnit left them.
struct DecodedPairs {
  static constexpr int64_t bytesOfUnit = unitSlots * int64_t{sizeof(PairLanes)};
  static constexpr bool prefetched = false;

  template <int Rows, typename Input>
  static inline void addUnit(const std::byte* unit, const Input* const* x, int32_t i, Lanes (*sum)[2]) {
    const PairLanes* w = reinterpret_cast<const PairLanes*>(unit);
    for (int32_t pair = 0; pair < unitSlots; pair += 2) addPair<Rows>(w + pair, x, i + pair, sum);
  }
};

// One panel of a packed format.
class PackedLanes {
 public:
  PackedLanes(const WeightFormat& format, int32_t inputs, const std::byte* panel)
      : format_(format), place_(packedPanel(format, inputs)), panel_(panel) {}

  const std::byte* codes() const { return panel_ + place_.codes; }

  // Adds a group's sums to the outputs of all rows; groupSums: of their inputs.
  template <int Rows>
  inline void addGroup(int32_t group, const float* const* groupSums, const Lanes (*sum)[2], Lanes (*acc)[2]) const {
    for (int h = 0; h < 2; ++h) {
      const int64_t index = int64_t{group} * panelOutputs + h * lanes;
      const Lanes scale = scaleAt(index, h);
      if (format_.affine()) {
        const Lanes bias = numberAt(place_.biases, index);
        for (int r = 0; r < Rows; ++r) acc[r][h] = multiplyAdd(bias, broadcast(groupSums[r][group]), acc[r][h]);
      }
      for (int r = 0; r < Rows; ++r) acc[r][h] = multiplyAdd(scale, sum[r][h], acc[r][h]);
    }
  }

 private:
  inline Lanes numberAt(int64_t first, int64_t index) const {
    const std::byte* at = panel_ + first + index * format_.scaleBytes();
    switch (format_.scales) {
      case ScaleType::bf16:
        return loadBf16(at);
      case ScaleType::f16:
        return loadF16(at);
      case ScaleType::e8m0:
        return e8m0ToLanes(loadBytes(at));
      case ScaleType::e4m3:
        return e4m3ToLanes(loadBytes(at));
      default:
        return loadF32(at);
    }
  }

  inline Lanes scaleAt(int64_t index, int half) const {
    const Lanes scale = numberAt(place_.scales, index);
    if (!format_.hasFactors()) return scale;
    return multiply(scale, loadF32(panel_ + half * lanes * int64_t{sizeof(float)}));
  }

  const WeightFormat format_;
  const PackedPanel place_;
  const std::byte* panel_;
};

// Some groups of a panel.
struct Groups {
  int32_t first, end, inputs;  // inputs of one
};

// How far ahead of its use a line of codes is asked for.
constexpr int64_t prefetchedBytes = 2048;

// acc += the panel's groups x rows; `units`: where the pairs of the first group begin.
template <typename Pairs, int Rows, typename Input>
void addGroups(const PackedLanes& panel, const std::byte* units, const Groups& groups, const Input* const* x,
               const float* const* groupSums, Lanes (*acc)[2]) {
  for (int32_t g = groups.first; g < groups.end; ++g) {
    Lanes sum[Rows][2];
    for (int r = 0; r < Rows; ++r) sum[r][0] = sum[r][1] = zero();
    for (int32_t i = g * groups.inputs; i < (g + 1) * groups.inputs; i += unitInputs) {
      if constexpr (Pairs::prefetched) {
        for (int64_t line = 0; line < Pairs::bytesOfUnit; line += 64) prefetch(units + prefetchedBytes + line);
      }
      Pairs::template addUnit<Rows>(units, x, i, sum);
      units += Pairs::bytesOfUnit;
    }
    panel.addGroup<Rows>(g, groupSums, sum, acc);
  }
}

template <typename Input>
struct TileRows {
  const Input* x[tileRows];
  const float* sums[tileRows];

  TileRows(const InputRows& from, int rows) {
    for (int r = 0; r < rows; ++r) {
      x[r] = static_cast<const Input*>(from.rows[r]);
      sums[r] = from.groupSums == nullptr ? nullptr : from.groupSums[r];
    }
  }
};

inline void storePanel(const Lanes (*acc)[2], int32_t rows, float* y, int64_t yStride, int32_t outputs) {
  for (int32_t r = 0; r < rows; ++r) {
    for (int h = 0; h < 2; ++h) storeOutputs(acc[r][h], y + r * yStride + h * lanes, outputs - h * lanes);
  }
}

// Rows whose outputs of one panel are kept beside the decoded part of it.
constexpr int32_t decodedRows = 96;
// Inputs that are decoded at a time: 16 KiB of pairs, a multiple of every group.
constexpr int32_t decodedInputs = 16384 / static_cast<int32_t>(sizeof(PairLanes));

// The products of packed panels of one kind of codes by rows of one type.
template <WeightCodes codes, typename Input>
class PackedProduct {
 public:
  PackedProduct(const Panels& w, const InputRows& x, float* y, int64_t yStride)
      : w_(w), x_(x), y_(y), yStride_(yStride) {}

  void multiply(int32_t rows) const {
    const int32_t panels = static_cast<int32_t>(panelCount(w_.outputs));
    for (int32_t p = 0; p < panels; ++p) {
      if (rows <= directRows) {
        direct<directRows>(p, rows);
      } else {
        for (int32_t r = 0; r < rows; r += decodedRows) decoded(p, r, std::min(decodedRows, rows - r));
      }
    }
  }

 private:
  using Encoded = EncodedPairs<codes>;

  PackedLanes panel(int32_t p) const { return {w_.format, w_.inputs, w_.data + p * w_.stride}; }
  float* outputs(int32_t p, int32_t row) const { return y_ + row * yStride_ + p * panelOutputs; }
  int32_t outputsLeft(int32_t p) const { return w_.outputs - p * panelOutputs; }

  // Exactly `rows` rows, at most Rows.
  template <int Rows>
  void direct(int32_t p, int32_t rows) const {
    if constexpr (Rows > 0) {
      if (rows < Rows) return direct<Rows - 1>(p, rows);
      Lanes acc[Rows][2];
      for (int r = 0; r < Rows; ++r) acc[r][0] = acc[r][1] = zero();
      const TileRows<Input> x(x_, Rows);
      const PackedLanes from = panel(p);
      const Groups groups{0, w_.inputs / w_.format.group, w_.format.group};
      addGroups<Encoded, Rows>(from, from.codes(), groups, x.x, x.sums, acc);
      storePanel(acc, Rows, outputs(p, 0), yStride_, outputsLeft(p));
    }
  }

  void decoded(int32_t p, int32_t firstRow, int32_t rows) const {
    alignas(64) PairLanes pairs[decodedInputs];
    Lanes acc[decodedRows][2];
    for (int32_t r = 0; r < rows; ++r) acc[r][0] = acc[r][1] = zero();
    const PackedLanes from = panel(p);
    for (int32_t i = 0; i < w_.inputs; i += decodedInputs) {
      const int32_t end = std::min(i + decodedInputs, w_.inputs);
      decode(from.codes() + i / unitInputs * Encoded::bytesOfUnit, (end - i) / unitInputs, pairs);
      addTiles(from, pairs, {i / w_.format.group, end / w_.format.group, w_.format.group}, firstRow, rows, acc);
    }
    storePanel(acc, rows, outputs(p, firstRow), yStride_, outputsLeft(p));
  }

  static void decode(const std::byte* units, int64_t count, PairLanes* pairs) {
    for (int64_t u = 0; u < count; ++u) {
      Encoded::decodeUnit(units + u * Encoded::bytesOfUnit, pairs + u * unitSlots);
    }
  }

  // In tiles of nearly one size.
  void addTiles(const PackedLanes& from, const PairLanes* pairs, const Groups& groups, int32_t firstRow, int32_t rows,
                Lanes (*acc)[2]) const {
    int32_t tiles = (rows + tileRows - 1) / tileRows;
    for (int32_t r = 0; tiles > 0; --tiles) {
      const int32_t share = (rows - r + tiles - 1) / tiles;
      addTile<tileRows>(from, pairs, groups, x_.from(firstRow + r), share, acc + r);
      r += share;
    }
  }

  template <int Rows>
  static void addTile(const PackedLanes& from, const PairLanes* pairs, const Groups& groups, const InputRows& rows,
                      int32_t count, Lanes (*acc)[2]) {
    if constexpr (Rows > 0) {
      if (count < Rows) return addTile<Rows - 1>(from, pairs, groups, rows, count, acc);
      const TileRows<Input> x(rows, Rows);
      addGroups<DecodedPairs, Rows>(from, reinterpret_cast<const std::byte*>(pairs), groups, x.x, x.sums, acc);
    }
  }

  const Panels& w_;
  const InputRows& x_;
  float* y_;
  int64_t yStride_;
};

template <WeightCodes codes>
void multiplyCodes(const Panels& w, const InputRows& x, int32_t rows, float* y, int64_t yStride) {
  if (x.type == DType::bf16) {
    PackedProduct<codes, uint16_t>(w, x, y, yStride).multiply(rows);
  } else {
    PackedProduct<codes, float>(w, x, y, yStride).multiply(rows);
  }
}

inline void multiplyPackedPanels(const Panels& w, const InputRows& x, int32_t rows, float* y, int64_t yStride) {
  switch (w.format.codes) {
    case WeightCodes::affine2:
      return multiplyCodes<WeightCodes::affine2>(w, x, rows, y, yStride);
    case WeightCodes::affine3:
      return multiplyCodes<WeightCodes::affine3>(w, x, rows, y, yStride);
    case WeightCodes::affine4:
      return multiplyCodes<WeightCodes::affine4>(w, x, rows, y, yStride);
    case WeightCodes::affine5:
      return multiplyCodes<WeightCodes::affine5>(w, x, rows, y, yStride);
    case WeightCodes::affine6:
      return multiplyCodes<WeightCodes::affine6>(w, x, rows, y, yStride);
    case WeightCodes::affine8:
      return multiplyCodes<WeightCodes::affine8>(w, x, rows, y, yStride);
    case WeightCodes::e2m1:
      return multiplyCodes<WeightCodes::e2m1>(w, x, rows, y, yStride);
    case WeightCodes::e4m3:
      return multiplyCodes<WeightCodes::e4m3>(w, x, rows, y, yStride);
    default:
      return;
  }
}

}  // namespace
}  // namespace conclave
