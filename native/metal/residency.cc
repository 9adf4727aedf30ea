#include "residency.h"

#include <algorithm>

namespace conclave {
namespace {

bool contains(const BufferList& list, const GpuBuffer* buffer) {
  return std::find(list.begin(), list.end(), buffer) != list.end();
}

int64_t bytesOf(const BufferList& list) {
  int64_t bytes = 0;
  for (const GpuBuffer* buffer : list) bytes += buffer->bytes();
  return bytes;
}

void join(std::vector<BufferList>& sets, const GpuBuffer* buffer, int64_t setBytes) {
  const bool fits = !sets.empty() && bytesOf(sets.back()) + buffer->bytes() <= setBytes;
  if (!fits && sets.size() < mostResidencySets) sets.emplace_back();
  const auto smaller = [](const BufferList& a, const BufferList& b) { return bytesOf(a) < bytesOf(b); };
  BufferList& set = fits || sets.back().empty() ? sets.back() : *std::min_element(sets.begin(), sets.end(), smaller);
  set.push_back(buffer);
}

}  // namespace

std::vector<BufferList> planResidencySets(const std::vector<BufferList>& current, const BufferList& wanted,
                                          int64_t setBytes) {
  std::vector<BufferList> sets = current;
  for (BufferList& set : sets) std::erase_if(set, [&](const GpuBuffer* buffer) { return !contains(wanted, buffer); });
  std::erase_if(sets, [](const BufferList& set) { return set.empty(); });
  for (const GpuBuffer* buffer : wanted) {
    const bool isKept = std::any_of(sets.begin(), sets.end(), [&](const auto& set) { return contains(set, buffer); });
    if (!isKept) join(sets, buffer, setBytes);
  }
  return sets;
}

Residency::Residency(GpuDevice& device, std::chrono::milliseconds interval) : device_(device), interval_(interval) {
  if (device.properties().residencySets) thread_ = std::thread([this] { beat(); });
}

Residency::~Residency() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Residency::keep(const BufferList& buffers) {
  if (!device_.properties().residencySets) return;
  const std::lock_guard lock(mutex_);
  std::vector<BufferList> current;
  for (const Set& set : sets_) current.push_back(set.members);
  const int64_t setBytes = device_.properties().workingSetBytes / static_cast<int64_t>(mostResidencySets);
  std::vector<Set> sets;
  for (BufferList& members : planResidencySets(current, buffers, setBytes)) {
    const auto same = std::find_if(sets_.begin(), sets_.end(), [&](const Set& set) { return set.members == members; });
    if (same != sets_.end()) {
      sets.push_back(std::move(*same));
    } else {
      sets.push_back({members, device_.keepResident(members)});
    }
  }
  sets_ = std::move(sets);
}

void Residency::beat() {
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, interval_, [this] { return stopping_; })) {
    for (const Set& set : sets_) set.set->request();
  }
}

}  // namespace conclave
