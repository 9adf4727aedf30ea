#include "../../native/core/thread-pool.h"

#include <memory>

#include "check.h"

using namespace conclave;
using conclave::test::Random;

namespace {

void runsEachItemOnce(int threads, int runs) {
  ThreadPool pool(threads);
  Random random(4);
  for (int run = 0; run < runs; ++run) {
    const int32_t items = random.between(0, 40);
    const auto counts = std::make_unique<std::atomic<int>[]>(static_cast<size_t>(items) + 1);
    std::atomic<int> badThread{0};
    pool.run(items, [&](int32_t item, int thread) {
      counts[static_cast<size_t>(item)].fetch_add(1);
      if (thread < 0 || thread >= threads) badThread.fetch_add(1);
    });
    for (int32_t i = 0; i < items; ++i) CHECK(counts[static_cast<size_t>(i)].load() == 1, "item " + std::to_string(i));
    CHECK(badThread.load() == 0, "thread index");
  }
}

}  // namespace

TEST("a pool runs each item exactly once, run after run") { runsEachItemOnce(3, 20000); }

TEST("a pool with more threads than cores works") { runsEachItemOnce(32, 500); }

TEST("threads that went to sleep wake up") {
  ThreadPool pool(3);
  for (int run = 0; run < 20; ++run) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> sum{0};
    pool.run(100, [&](int32_t item, int) { sum.fetch_add(item); });
    CHECK(sum.load() == 4950, "sum");
  }
}
