// Codes of packed panels (core/panel-layout.h) as pairs of f32 lanes, for processors that have a pair's inputs in
// 32-bit words: in terms of the `Words` of lanes-avx2.h and lanes-neon.h.
#pragma once
#include "../core/panel-layout.h"

namespace conclave {
namespace {

// Loads slot after slot of a unit: 16 outputs x 2 inputs each.
template <WeightCodes codes>
struct CodePairs {
  static constexpr int bits = WeightFormat(codes, ScaleType::none, 0).bits();
  static constexpr CodePlanes planes = planesOf(bits);

  template <int slot>
  static inline PairLanes load(const std::byte* unit) {
    return {valuesOf(codesFrom<slot, 0>(unit)), valuesOf(codesFrom<slot, 16>(unit))};
  }

 private:
  // The codes of the inputs that begin at bit `half` of each word; for float codes with other bits above.
  template <int slot, int half>
  static inline Words codesFrom(const std::byte* unit) {
    const Words lower = field<planes.lower, slot, half>(unit);
    if constexpr (planes.upper == 0) {
      return codes == WeightCodes::e2m1 || codes == WeightCodes::e4m3 ? lower : masked(lower, (1 << planes.lower) - 1);
    } else {
      const Words upper = field<planes.upper, slot, half>(unit + unitBytes(planes.lower));
      return either(masked(lower, (1 << planes.lower) - 1),
                    shiftLeft<planes.lower>(masked(upper, (1 << planes.upper) - 1)));
    }
  }

  template <int width, int slot, int half>
  static inline Words field(const std::byte* plane) {
    constexpr int perRegister = 16 / width;
    return shiftRight<half + slot % perRegister * width>(loadWords(plane + slot / perRegister * 64));
  }

  static inline Lanes valuesOf(const Words& x) {
    if constexpr (codes == WeightCodes::e2m1) {
      return e2m1ToLanes(x);
    } else if constexpr (codes == WeightCodes::e4m3) {
      return e4m3ToLanes(x);
    } else {
      return integersToLanes(x);
    }
  }
};

}  // namespace
}  // namespace conclave
