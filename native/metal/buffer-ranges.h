// A file that is larger than a buffer may be, as several overlapping buffers.
#pragma once
#include <string>
#include <vector>

#include "gpu-device.h"

namespace conclave {

struct ByteRange {
  int64_t begin, end;
};

/**
 * Ranges of whole pages that cover the file, each small enough for a buffer. Neighbours overlap by `largest` bytes, so
 * whatever is no larger and begins in the file lies in one of them: see rangeOf. Throws Failure unavailable with both
 * sizes when buffers are too small for that. `path` is for the message.
 */
std::vector<ByteRange> bufferRanges(const GpuProperties& gpu, const std::string& path, int64_t bytes, int64_t largest);

/** The index of the range that has [offset, offset + bytes). Throws Failure where none has. */
size_t rangeOf(const std::vector<ByteRange>& ranges, int64_t offset, int64_t bytes);

}  // namespace conclave
