#include "weight-memory.h"

#include <algorithm>

#include "gpu-limits.h"

namespace conclave {

WeightMemory::WeightMemory(GpuDevice& device, DType weights, std::chrono::milliseconds heartbeat)
    : device_(device),
      nothing_(device.allocate(device.properties().pageBytes)),
      residency_(device, weights, heartbeat) {}

void WeightMemory::hold(const std::vector<std::shared_ptr<const MappedFile>>& files, const BesideWeights& beside) {
  int64_t wanted = bytesOf(beside.cache) + bytesOf(beside.step);
  for (const auto& file : files) wanted += file->size();
  requireRoom(device_.properties(), wanted);
  std::map<const std::byte*, Held> held;
  for (const auto& file : files) {
    const std::byte* first = file->range(0, file->size());
    const auto known = held_.find(first);
    held[first] = known != held_.end() && known->second.file == file ? known->second : wrapped(file);
  }
  BufferList buffers = beside.cache;
  for (const auto& [first, entry] : held) buffers.push_back(entry.buffer.get());
  residency_.keep(buffers, beside.step);
  held_ = std::move(held);
}

// A mapping goes on to the end of its last page.
WeightMemory::Held WeightMemory::wrapped(const std::shared_ptr<const MappedFile>& file) {
  requirePages(device_.properties(), *file);
  const int64_t page = device_.properties().pageBytes;
  return {file, device_.wrap(file->range(0, 0), (file->size() + page - 1) / page * page)};
}

GpuView WeightMemory::view(const void* data, int64_t bytes) const {
  if (data == nullptr) return {nothing_.get(), 0, 0};
  const std::byte* at = static_cast<const std::byte*>(data);
  const auto after = held_.upper_bound(at);
  require(after != held_.begin(), "the weights are in no pack that the GPU holds");
  const auto& [first, entry] = *std::prev(after);
  return {entry.buffer.get(), at - first, bytes};
}

int64_t WeightMemory::bytes() const {
  int64_t bytes = 0;
  for (const auto& [first, entry] : held_) bytes += entry.buffer->bytes();
  return bytes;
}

}  // namespace conclave
