#include "thread-pool.h"

#include "flush-denormals.h"

namespace conclave {
namespace {

// A ticket is [items:40][next:24]; a thread overshoots `next` at most once per run.
constexpr int counterBits = 24;
constexpr uint64_t counterMask = (uint64_t{1} << counterBits) - 1;

// About 20 to 50 microseconds: longer than the gaps within a step, shorter than anybody's patience with an idle
// machine.
constexpr int spinsBeforeSleep = 2000;
constexpr int spinsBeforeYield = 200;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  for (int thread = 1; thread < threads; ++thread) {
    workers_.emplace_back([this, thread] { work(thread); });
  }
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::runItems(int32_t items, const void* task, Invoke invoke) {
  task_ = task;
  invoke_ = invoke;
  done_.store(0, std::memory_order_relaxed);
  // Release: a thread that takes an item of this run sees task_, invoke_ and done_.
  ticket_.store(static_cast<uint64_t>(items) << counterBits, std::memory_order_release);
  generation_.fetch_add(1);
  if (sleepers_.load() > 0) generation_.notify_all();
  takeItems(0);
  awaitDone(items);
}

// The last items are in other threads' hands. One of them may need this core to go on: yield after a while.
void ThreadPool::awaitDone(int32_t items) const {
  for (int spin = 0; done_.load(std::memory_order_acquire) < items; ++spin) {
    if (spin < spinsBeforeYield) {
      relax();
    } else {
      std::this_thread::yield();
    }
  }
}

// Works until the run has no item left. An item taken is an item of the run whose task_ is set, even for a thread that
// slept through a change of run: the caller does not start the next one before every item of this one is done.
void ThreadPool::takeItems(int thread) {
  for (;;) {
    const uint64_t ticket = ticket_.fetch_add(1, std::memory_order_acq_rel);
    const uint64_t items = ticket >> counterBits;
    const uint64_t item = ticket & counterMask;
    if (item >= items) return;
    invoke_(task_, static_cast<int32_t>(item), thread);
    done_.fetch_add(1, std::memory_order_release);
  }
}

void ThreadPool::work(int thread) {
  const FlushDenormals flush;
  uint32_t seen = 0;
  while (!stopping_.load(std::memory_order_relaxed)) {
    takeItems(thread);
    seen = awaitChange(seen);
  }
}

uint32_t ThreadPool::awaitChange(uint32_t seen) {
  for (int spin = 0; spin < spinsBeforeSleep; ++spin) {
    const uint32_t now = generation_.load(std::memory_order_acquire);
    if (now != seen) return now;
    relax();
  }
  sleepers_.fetch_add(1);
  generation_.wait(seen);
  sleepers_.fetch_sub(1);
  return generation_.load();
}

}  // namespace conclave
