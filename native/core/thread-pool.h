// The engine's own threads. The caller of run() works too; items are handed out one by one, so a thread that the system
// has taken off its core delays only the item it holds. Between runs threads spin briefly, then sleep.
#pragma once
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace conclave {

/** Throws Failure invalidArgument unless a pool can have this number of threads. */
void checkThreads(int threads);

class ThreadPool {
 public:
  /** `threads` counts the caller: a pool of 1 starts none. */
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /**
   * Calls task(item, thread) for every item of [0, items), in any order and on any thread; returns when all are done.
   * `thread` is 0 for the caller and below threads(): an index into per-thread scratch. Tasks must not throw.
   * One run at a time.
   */
  template <typename Task>
  void run(int32_t items, const Task& task) {
    if (items <= 1 || workers_.empty()) {
      for (int32_t item = 0; item < items; ++item) task(item, 0);
      return;
    }
    runItems(items, &task,
             [](const void* erased, int32_t item, int thread) { (*static_cast<const Task*>(erased))(item, thread); });
  }

 private:
  using Invoke = void (*)(const void* task, int32_t item, int thread);

  void runItems(int32_t items, const void* task, Invoke invoke);
  void work(int thread);
  void takeItems(int thread);
  void awaitDone(int32_t items) const;
  uint32_t awaitChange(uint32_t seen);

  // One word holds the number of items and the next one, so that a thread that wakes up late either gets a real item of
  // the current run or learns that there is none left.
  alignas(64) std::atomic<uint64_t> ticket_{0};
  alignas(64) std::atomic<int32_t> done_{0};
  // Changes with every run; sleeping threads wait on it.
  alignas(64) std::atomic<uint32_t> generation_{0};
  std::atomic<int32_t> sleepers_{0};
  std::atomic<bool> stopping_{false};
  const void* task_ = nullptr;
  Invoke invoke_ = nullptr;
  std::vector<std::thread> workers_;
};

}  // namespace conclave
