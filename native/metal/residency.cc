#include "residency.h"

#include <algorithm>
#include <exception>

#include "kernels/kernel-args.h"

namespace conclave {
namespace {

bool contains(const BufferList& list, const GpuBuffer* buffer) {
  return std::find(list.begin(), list.end(), buffer) != list.end();
}

BufferList without(const BufferList& list, const BufferList& others) {
  BufferList rest;
  for (const GpuBuffer* buffer : list) {
    if (!contains(others, buffer)) rest.push_back(buffer);
  }
  return rest;
}

void join(std::vector<BufferList>& sets, const GpuBuffer* buffer, int64_t setBytes) {
  const auto fits = [&](const BufferList& set) { return set.empty() || bytesOf(set) + buffer->bytes() <= setBytes; };
  const auto smaller = [](const BufferList& a, const BufferList& b) { return bytesOf(a) < bytesOf(b); };
  auto set = std::find_if(sets.begin(), sets.end(), fits);
  if (set == sets.end() && sets.size() < mostResidencySets) set = sets.emplace(sets.end());
  if (set == sets.end()) set = std::min_element(sets.begin(), sets.end(), smaller);
  set->push_back(buffer);
}

}  // namespace

int64_t bytesOf(const BufferList& list) {
  int64_t bytes = 0;
  for (const GpuBuffer* buffer : list) bytes += buffer->bytes();
  return bytes;
}

std::vector<BufferList> planResidencySets(const std::vector<BufferList>& current, const BufferList& wanted,
                                          int64_t setBytes) {
  std::vector<BufferList> sets = current;
  for (BufferList& set : sets) std::erase_if(set, [&](const GpuBuffer* buffer) { return !contains(wanted, buffer); });
  for (const GpuBuffer* buffer : wanted) {
    const bool isKept = std::any_of(sets.begin(), sets.end(), [&](const auto& set) { return contains(set, buffer); });
    if (!isKept) join(sets, buffer, setBytes);
  }
  return sets;
}

Residency::Residency(GpuDevice& device, DType weights, std::chrono::milliseconds interval)
    : device_(device), interval_(interval) {
  if (!device.properties().residencySets) touch_ = device.pipeline(weights, "touch", simdgroupThreads);
  thread_ = std::thread([this] { beat(); });
}

Residency::~Residency() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_one();
  thread_.join();
}

void Residency::keep(const BufferList& buffers, const BufferList& written) {
  const std::lock_guard lock(mutex_);
  if (touch_ == nullptr) {
    BufferList all = buffers;
    all.insert(all.end(), written.begin(), written.end());
    keepInSets(all);
  } else {
    use(buffers);
  }
  buffers_ = buffers;
}

// Sets change in place: beside those that others replace, new ones could be more than a queue takes. What may fail, a
// new set, comes before the first change.
void Residency::keepInSets(const BufferList& buffers) {
  std::vector<BufferList> current;
  for (const Set& set : sets_) current.push_back(set.members);
  const int64_t setBytes = device_.properties().workingSetBytes / static_cast<int64_t>(mostResidencySets);
  std::vector<BufferList> planned = planResidencySets(current, buffers, setBytes);
  while (sets_.size() < planned.size()) sets_.push_back({{}, device_.residencySet()});
  for (size_t i = 0; i < planned.size(); ++i) {
    Set& set = sets_[i];
    if (set.members != planned[i]) {
      set.set->change(without(planned[i], set.members), without(set.members, planned[i]));
    }
    set.members = std::move(planned[i]);
  }
}

// A buffer is wired as a whole before commands run that name it, however little of it they read.
void Residency::use(const BufferList& buffers) {
  if (buffers.empty()) return;
  const int64_t bytes = static_cast<int64_t>(buffers.size() * sizeof(int32_t));
  if (touched_ == nullptr || touched_->bytes() < bytes) touched_ = device_.allocate(bytes);
  const auto commands = device_.commands();
  for (size_t i = 0; i < buffers.size(); ++i) {
    const TouchArguments arguments{static_cast<int32_t>(i)};
    commands->dispatch({touch_.get(),
                        {},
                        &arguments,
                        sizeof arguments,
                        {{buffers[i], 0, sizeof(int32_t)}, {touched_.get(), 0, bytes}}});
  }
  commands->submit();
  commands->wait();
}

void Residency::beat() {
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, interval_, [this] { return stopping_; })) {
    for (const Set& set : sets_) set.set->request();
    try {
      if (touch_ != nullptr) use(buffers_);
    } catch (const std::exception&) {
      // The next use of the GPU fails with the same error, and reports it.
    }
  }
}

}  // namespace conclave
