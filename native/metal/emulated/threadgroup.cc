#include "threadgroup.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>

namespace conclave::emulated {
namespace {

// What a shuffle gives a lane whose source does not exist: a NaN that shows.
constexpr uint32_t undefinedBits = 0x7fc0deadu;

std::string at(const Site& site) {
  const std::string file = site.file;
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(site.line);
}

}  // namespace

Threadgroup::Threadgroup(uint32_t seed, const Site& skippedBarrier)
    : arena_(mostThreadgroupBytes), shuffle_(seed), skippedBarrier_(skippedBarrier) {}

Threadgroup::~Threadgroup() = default;

void Threadgroup::useThreads(int32_t threads) {
  for (uint32_t i = static_cast<uint32_t>(pool_.size()); i < static_cast<uint32_t>(threads); ++i) {
    pool_.push_back(std::make_unique<Thread>());
    pool_.back()->group = this;
    pool_.back()->position = {{}, i, i % simdgroupThreads, i / simdgroupThreads};
  }
  threads_.clear();
  for (int32_t i = 0; i < threads; ++i) threads_.push_back(pool_[static_cast<size_t>(i)].get());
  simdgroups_.resize(static_cast<size_t>(threads / simdgroupThreads));
}

void Threadgroup::runGrid(const Kernel& kernel, const Bindings& bindings, const GpuGrid& grid, int32_t threads) {
  useThreads(threads);
  kernel_ = &kernel;
  bindings_ = &bindings;
  violation_.clear();
  std::vector<int64_t> order(static_cast<size_t>(int64_t{grid.x} * grid.y * grid.z));
  std::iota(order.begin(), order.end(), 0);
  shuffle_(order);
  for (const int64_t index : order) {
    const uint32_t group[3] = {static_cast<uint32_t>(index % grid.x), static_cast<uint32_t>(index / grid.x % grid.y),
                               static_cast<uint32_t>(index / grid.x / grid.y)};
    runGroup(group);
  }
}

void Threadgroup::runGroup(const uint32_t (&group)[3]) {
  groupBegan_ = ++interval_;
  for (uint32_t& since : orderedSince_) since = groupBegan_;
  for (Simdgroup& simdgroup : simdgroups_) simdgroup = {};
  ready_.clear();
  for (Thread* thread : threads_) {
    std::copy_n(group, 3, thread->position.group);
    thread->reserved = 0;
    thread->matrices = 0;
    thread->matrixOperations = 0;
    thread->state = State::ready;
    thread->fiber.start(threadBody, thread);
    ready_.push_back(thread);
  }
  current_ = this;
  while (!ready_.empty()) {
    runReadyThreads();
    if (!passSimdOperations()) passBarrier();
  }
  for (size_t s = 0; s < simdgroups_.size(); ++s) checkMatrixOperations(s);
}

void Threadgroup::threadBody(void* erased) {
  Thread& thread = *static_cast<Thread*>(erased);
  try {
    thread.group->kernel_->invoke(*thread.group->bindings_, thread.position);
  } catch (const Violation& violation) {
    thread.group->violation_ = violation.message;
  }
}

void Threadgroup::runReadyThreads() {
  std::vector<Thread*> ready = std::move(ready_);
  ready_.clear();
  shuffle_(ready);
  for (Thread* thread : ready) {
    running_ = thread;
    for (const Memory memory : {deviceMemory, threadgroupMemory}) accesses_[memory] = accessOf(*thread, memory);
    if (!thread->fiber.resume()) thread->state = State::done;
    if (!violation_.empty()) throw Violation{std::exchange(violation_, "")};
  }
}

// Every simdgroup whose threads all stand at one simdgroup operation passes it.
bool Threadgroup::passSimdOperations() {
  bool passed = false;
  for (size_t s = 0; s < simdgroups_.size(); ++s) {
    const auto first = threads_.begin() + static_cast<std::ptrdiff_t>(s) * simdgroupThreads;
    const bool complete = std::all_of(first, first + simdgroupThreads, [&](const Thread* thread) {
      return thread->state == State::atSimdOperation && thread->site == (*first)->site &&
             thread->operation == (*first)->operation;
    });
    if (!complete) continue;
    checkMatrixOperations(s);
    give(s);
    passed = true;
  }
  return passed;
}

// Hands every thread of the simdgroup the operation's result.
void Threadgroup::give(size_t s) {
  Thread* lanes[simdgroupThreads];
  for (size_t l = 0; l < simdgroupThreads; ++l) lanes[l] = threads_[s * simdgroupThreads + l];
  float largest = std::bit_cast<float>(lanes[0]->payload);
  for (const Thread* lane : lanes) largest = std::max(largest, std::bit_cast<float>(lane->payload));
  if (lanes[0]->operation == SimdOperation::barrier) {
    note(lanes[0]->site);
    for (const int memory : {deviceMemory, threadgroupMemory}) {
      if ((lanes[0]->memories & memory) != 0) ++simdgroups_[s].turns[memory];
    }
  }
  for (uint32_t l = 0; l < simdgroupThreads; ++l) {
    const uint32_t operand = lanes[l]->operand;
    const uint32_t source = lanes[l]->operation == SimdOperation::shuffleXor ? l ^ operand : l + operand;
    if (lanes[l]->operation == SimdOperation::maximum)
      lanes[l]->result = std::bit_cast<uint32_t>(largest);
    else
      lanes[l]->result = source < simdgroupThreads ? lanes[source]->payload : undefinedBits;
    lanes[l]->state = State::ready;
    ready_.push_back(lanes[l]);
  }
}

// All threads stand at one barrier and pass it, or all are done.
void Threadgroup::passBarrier() {
  const Thread& first = *threads_.front();
  const bool together = std::all_of(threads_.begin(), threads_.end(), [&](const Thread* thread) {
    return thread->state == first.state && (first.state == State::done || thread->site == first.site);
  });
  if (!together || first.state == State::atSimdOperation) refuseStuckThreads();
  if (first.state == State::done) return;
  note(first.site);
  ++interval_;
  for (const int memory : {deviceMemory, threadgroupMemory}) {
    if ((first.memories & memory) != 0) orderedSince_[memory] = interval_;
  }
  for (size_t s = 0; s < simdgroups_.size(); ++s) checkMatrixOperations(s);
  for (Thread* thread : threads_) {
    thread->state = State::ready;
    ready_.push_back(thread);
  }
}

void Threadgroup::refuseStuckThreads() const {
  const auto waiting =
      std::find_if(threads_.begin(), threads_.end(), [](const Thread* t) { return t->state != State::done; });
  const auto done =
      std::find_if(threads_.begin(), threads_.end(), [](const Thread* t) { return t->state == State::done; });
  const std::string what = (*waiting)->state == State::atBarrier ? "barrier" : "simdgroup operation";
  if (done != threads_.end()) throw Violation{"a thread returned before the " + what + " at " + at((*waiting)->site)};
  const auto other = std::find_if(threads_.begin(), threads_.end(), [&](const Thread* t) {
    return t->state != (*waiting)->state || t->site != (*waiting)->site;
  });
  throw Violation{"threads wait at diverging places: the " + what + " at " + at((*waiting)->site) + " and " +
                  at((*other)->site)};
}

void Threadgroup::note(const Site& barrier) {
  if (std::find(barriers_.begin(), barriers_.end(), barrier) == barriers_.end()) barriers_.push_back(barrier);
}

void Threadgroup::wait(State state, const Site& site) {
  running_->state = state;
  running_->site = site;
  Fiber::suspend();
}

void Threadgroup::barrier(int memories, const Site& site) {
  if (site == skippedBarrier_) return;
  running_->memories = memories;
  wait(State::atBarrier, site);
}

uint32_t Threadgroup::simd(SimdOperation operation, uint32_t payload, uint32_t operand, const Site& site) {
  if (operation == SimdOperation::barrier && site == skippedBarrier_) return 0;
  Thread* const self = running_;
  self->operation = operation;
  self->payload = payload;
  self->operand = operand;
  self->memories = static_cast<int>(operand);
  wait(State::atSimdOperation, site);
  return self->result;
}

Access Threadgroup::accessOf(const Thread& thread, Memory memory) const {
  const Position& at = thread.position;
  // Threadgroup memory is reset for every group.
  const uint32_t began = memory == threadgroupMemory ? groupBegan_ : scopeBegan_;
  return {interval_,
          began,
          groupBegan_,
          orderedSince_[memory],
          at.thread,
          at.simdgroup,
          simdgroups_[at.simdgroup].turns[memory]};
}

Access Threadgroup::simdgroupAccess(Memory memory) const {
  Access access = accesses_[memory];
  access.actor = simdgroupActor(access.simdgroup);
  return access;
}

int64_t Threadgroup::reserve(int64_t bytes) {
  const int64_t offset = running_->reserved;
  running_->reserved += (bytes + 15) / 16 * 16;
  if (running_->reserved > mostThreadgroupBytes) {
    throw Violation{"threadgroup memory of " + std::to_string(running_->reserved) + " bytes; there are " +
                    std::to_string(mostThreadgroupBytes)};
  }
  return offset;
}

uint32_t Threadgroup::declareMatrix() { return running_->matrices++; }

Matrix& Threadgroup::matrix(uint32_t number) {
  std::vector<Matrix>& matrices = simdgroups_[running_->position.simdgroup].matrices;
  if (number >= matrices.size()) matrices.resize(number + 1);
  return matrices[number];
}

bool Threadgroup::beginMatrixOperation(const Site& site, int64_t argument) {
  auto& operations = simdgroups_[running_->position.simdgroup].operations;
  const size_t number = running_->matrixOperations++;
  if (number == operations.size()) {
    operations.emplace_back(site, argument);
    return true;
  }
  if (operations[number].first != site) {
    throw Violation{"a simdgroup's threads diverge: matrix operations at " + at(site) + " and " +
                    at(operations[number].first)};
  }
  if (operations[number].second != argument) {
    throw Violation{"a simdgroup's threads give different arguments to the matrix operation at " + at(site)};
  }
  return false;
}

void Threadgroup::checkMatrixOperations(size_t s) {
  for (size_t l = 0; l < simdgroupThreads; ++l) {
    Thread& thread = *threads_[s * simdgroupThreads + l];
    if (thread.matrixOperations != simdgroups_[s].operations.size()) {
      throw Violation{"a simdgroup's threads diverge: not all come to the matrix operation at " +
                      at(simdgroups_[s].operations.back().first)};
    }
    thread.matrixOperations = 0;
  }
  simdgroups_[s].operations.clear();
}

}  // namespace conclave::emulated
