#include "weight-memory.h"

#include <algorithm>
#include <string>

#include "../core/failure.h"

namespace conclave {
namespace {

std::string gigabytes(int64_t bytes) {
  std::string digits = std::to_string((bytes + (1 << 26)) / (1 << 27) * 125);
  digits.insert(0, digits.size() < 4 ? 4 - digits.size() : 0, '0');
  return digits.substr(0, digits.size() - 3) + "." + digits.substr(digits.size() - 3, 1) + " GiB";
}

// The system lets the GPU wire about three quarters of the memory unless told otherwise.
void requireRoom(const GpuProperties& gpu, int64_t wanted) {
  if (wanted <= gpu.workingSetBytes) return;
  const std::string needs =
      "weights and cache need " + gigabytes(wanted) + " on the GPU, which may hold " + gigabytes(gpu.workingSetBytes);
  const int64_t reserve = int64_t{8} << 30;
  const bool raisable = wanted + reserve <= gpu.memoryBytes;
  const std::string remedy =
      raisable
          ? "; raise the limit with: sudo sysctl iogpu.wired_limit_mb=" + std::to_string(wanted / (1 << 20) + 1024)
          : "; this machine has " + gigabytes(gpu.memoryBytes) + ": hold fewer experts here, or a smaller KV cache";
  throw Failure(FailureCode::outOfMemory, needs + remedy);
}

}  // namespace

WeightMemory::WeightMemory(GpuDevice& device)
    : device_(device), nothing_(device.allocate(device.properties().pageBytes)), residency_(device) {}

void WeightMemory::hold(const std::vector<std::shared_ptr<const MappedFile>>& files, int64_t otherBytes) {
  int64_t wanted = otherBytes;
  for (const auto& file : files) wanted += file->size();
  requireRoom(device_.properties(), wanted);
  std::map<const std::byte*, Held> held;
  for (const auto& file : files) {
    const std::byte* first = file->range(0, file->size());
    const auto known = held_.find(first);
    if (known != held_.end() && known->second.file == file) {
      held[first] = std::move(known->second);
    } else if (!held.contains(first)) {
      // The mapping goes on to the end of its last page.
      const int64_t page = device_.properties().pageBytes;
      held[first] = {file, device_.wrap(first, (file->size() + page - 1) / page * page)};
    }
  }
  BufferList buffers;
  for (const auto& [first, entry] : held) buffers.push_back(entry.buffer.get());
  residency_.keep(buffers);
  held_ = std::move(held);
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
