#include "weight-memory.h"

#include <algorithm>

#include "gpu-limits.h"

namespace conclave {

WeightMemory::WeightMemory(GpuDevice& device, DType weights, int64_t largestBytes, std::chrono::milliseconds heartbeat)
    : device_(device),
      largestBytes_(largestBytes),
      nothing_(device.allocate(device.properties().pageBytes)),
      residency_(device, weights, heartbeat) {}

void WeightMemory::hold(const std::vector<std::shared_ptr<const MappedFile>>& files, const BesideWeights& beside) {
  int64_t wanted = bytesOf(beside.cache) + bytesOf(beside.step);
  for (const auto& file : files) wanted += file->size();
  requireRoom(device_.properties(), wanted);
  HeldFiles held;
  for (const auto& file : files) {
    const std::byte* first = file->range(0, file->size());
    const auto known = held_.find(first);
    held[first] = known != held_.end() && known->second.file == file ? known->second : wrapped(file);
  }
  keep(held, beside);
  held_ = std::move(held);
}

void WeightMemory::keepBeside(const BesideWeights& beside) { keep(held_, beside); }

void WeightMemory::keep(const HeldFiles& held, const BesideWeights& beside) {
  BufferList buffers = beside.cache;
  for (const auto& [first, entry] : held) {
    for (const auto& buffer : entry.buffers) buffers.push_back(buffer.get());
  }
  residency_.keep(buffers, beside.step);
}

// A mapping goes on to the end of its last page.
WeightMemory::Held WeightMemory::wrapped(const std::shared_ptr<const MappedFile>& file) {
  requirePages(device_.properties(), *file);
  Held held{file, bufferRanges(device_.properties(), file->path(), file->size(), largestBytes_), {}};
  for (const ByteRange& range : held.ranges) {
    held.buffers.push_back(device_.wrap(file->range(0, 0) + range.begin, range.end - range.begin));
  }
  return held;
}

GpuView WeightMemory::view(const void* data, int64_t bytes) const {
  if (data == nullptr) return {nothing_.get(), 0, 0};
  const std::byte* at = static_cast<const std::byte*>(data);
  const auto after = held_.upper_bound(at);
  require(after != held_.begin(), "the weights are in no pack that the GPU holds");
  const auto& [first, entry] = *std::prev(after);
  const size_t index = rangeOf(entry.ranges, at - first, bytes);
  return {entry.buffers[index].get(), at - first - entry.ranges[index].begin, bytes};
}

}  // namespace conclave
