#include "thread-pool.h"

#include <algorithm>

#include "failure.h"
#include "flush-denormals.h"

namespace conclave {
namespace {

// A ticket is [items:40][next:24]; a thread overshoots `next` at most once per run.
constexpr int counterBits = 24;
constexpr uint64_t counterMask = (uint64_t{1} << counterBits) - 1;

// A thread that waits looks again at once for about two microseconds, which most waits within a step take. Then it lets
// others have the core between two looks: they may be other nodes' threads, or the one it waits for. After about 100
// microseconds of an idle machine, longer than any gap within a step, it sleeps.
constexpr int spinsBeforeYield = 100;
constexpr int looksBeforeSleep = 400;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

inline void spinWait(int look) {
  if (look < spinsBeforeYield) {
    pause();
  } else {
    std::this_thread::yield();
  }
}

}  // namespace

void checkThreads(int threads) {
  constexpr int most = 1024;
  require(threads >= 1 && threads <= most, "threads must be 1 to " + std::to_string(most));
}

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

// The last items are in other threads' hands.
void ThreadPool::awaitDone(int32_t items) const {
  for (int look = 0; done_.load(std::memory_order_acquire) < items; look = std::min(look + 1, spinsBeforeYield)) {
    spinWait(look);
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
  for (int look = 0; look < looksBeforeSleep; ++look) {
    const uint32_t now = generation_.load(std::memory_order_acquire);
    if (now != seen) return now;
    spinWait(look);
  }
  sleepers_.fetch_add(1);
  generation_.wait(seen);
  sleepers_.fetch_sub(1);
  return generation_.load();
}

}  // namespace conclave
