// How fast this machine reads memory: the yardstick that decoding is measured against. It only reads.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace conclave {

/**
 * Reads every whole 64-byte line of `ranges` once for each of `passes`, with `threads` threads, and returns the seconds
 * it took. Ranges begin on a 64-byte boundary. Throws Failure invalidArgument when a count is below 1.
 */
double probeReadSeconds(const std::vector<std::span<const std::byte>>& ranges, int threads, int passes);

}  // namespace conclave
