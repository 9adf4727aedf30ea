#include "buffer-ranges.h"

#include <algorithm>

namespace conclave {

std::vector<ByteRange> bufferRanges(const GpuProperties& gpu, const std::string& path, int64_t bytes, int64_t largest) {
  const auto pages = [&](int64_t count) { return (count + gpu.pageBytes - 1) / gpu.pageBytes * gpu.pageBytes; };
  const int64_t end = pages(bytes), most = gpu.largestBufferBytes / gpu.pageBytes * gpu.pageBytes;
  if (end <= most) return {{0, end}};
  const int64_t stride = most - pages(largest);
  // Else each buffer would repeat most of the one before.
  if (stride < most / 2) {
    throw Failure(FailureCode::unavailable, path + " has " + std::to_string(bytes) + " bytes and matrices of up to " +
                                                std::to_string(largest) + ", and this GPU takes buffers of up to " +
                                                std::to_string(gpu.largestBufferBytes) +
                                                ": use backend cpu, or a Mac with more memory");
  }
  std::vector<ByteRange> ranges;
  for (int64_t begin = 0; ranges.empty() || ranges.back().end < end; begin += stride) {
    ranges.push_back({begin, std::min(begin + most, end)});
  }
  return ranges;
}

size_t rangeOf(const std::vector<ByteRange>& ranges, int64_t offset, int64_t bytes) {
  const auto found = std::find_if(ranges.begin(), ranges.end(), [&](const ByteRange& range) {
    return offset >= range.begin && offset + bytes <= range.end;
  });
  require(found != ranges.end(), "bytes " + std::to_string(offset) + " to " + std::to_string(offset + bytes) +
                                     " of a pack lie in no buffer of the GPU");
  return static_cast<size_t>(found - ranges.begin());
}

}  // namespace conclave
