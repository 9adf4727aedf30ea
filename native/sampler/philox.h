// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2,
// 3", SC 2011). Nothing is carried from one number to the next, so a worker that takes over needs no generator state.
#pragma once
#include <array>

#include "sampling-params.h"

namespace conclave {

/** The Philox4x32-10 bijection: 128 random bits for a counter under a 64-bit key. */
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/** A number in [0, 1), uniform over the multiples of 2^-53. */
double uniform(const RandomKey& key);

}  // namespace conclave
