// Runs a kernel's threads one threadgroup after the other, each thread on a fiber, in an order reshuffled between
// any two barriers. The kernel's accesses and barriers come back here through metal-language.h and are checked; what
// Metal leaves undefined is thrown as Violation.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../gpu-device.h"
#include "fiber.h"
#include "shadow-memory.h"

namespace conclave::emulated {

struct Violation {
  std::string message;
};

// The line of a kernel that called.
struct Site {
  const char* file = "";
  int line = 0;

  bool operator==(const Site&) const = default;
};

// A view as a kernel sees it. `shadow` is null when no binding of the dispatch writes to the buffer.
struct BoundBuffer {
  std::byte* data;
  int64_t bytes;
  int64_t offset;  // of data in its buffer
  ShadowMemory* shadow;
  int index;
};

struct Bindings {
  const std::byte* arguments;
  std::vector<BoundBuffer> buffers;  // [[buffer(1)]] first
  int64_t threadgroupBytes = 0;
};

struct Position {
  uint32_t group[3];
  uint32_t thread, lane, simdgroup;
};

// One kernel as metal-language.h registers it.
struct Kernel {
  const char* name;
  void (*invoke)(const Bindings& bindings, const Position& position);
  int64_t argumentBytes;
  int buffers;
  uint32_t writes;  // bit i: buffer i + 1 may be written
};

enum Memory { deviceMemory = 1, threadgroupMemory = 2 };
enum class SimdOperation { barrier, maximum, shuffleDown, shuffleXor };

// Random orders from a seed (xorshift): cheaper than the standard's, and the same on every system.
class Shuffle {
 public:
  explicit Shuffle(uint32_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}

  template <typename T>
  void operator()(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(static_cast<uint32_t>(i))]);
  }

 private:
  // By the upper half, without a division.
  size_t below(uint32_t bound) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<size_t>((state_ >> 32) * bound >> 32);
  }
  uint64_t state_;
};

using Matrix = std::array<float, 64>;  // 8 x 8, row-major

class Threadgroup {
 public:
  /** `skippedBarrier` does nothing, as if it were not in the kernel. */
  Threadgroup(uint32_t seed, const Site& skippedBarrier);
  ~Threadgroup();

  /** What ran before is behind a barrier; what follows may run at the same time, until this is called again. */
  void beginScope() { scopeBegan_ = ++interval_; }
  /** Runs all groups of the grid, each of `threads` threads; in a scope. Throws Violation. */
  void runGrid(const Kernel& kernel, const Bindings& bindings, const GpuGrid& grid, int32_t threads);

  /** Barriers that all threads, or those of a simdgroup, have passed, each once. */
  const std::vector<Site>& barriers() const { return barriers_; }

  // The rest is for the running thread.
  static Threadgroup& current() { return *current_; }
  const Position& position() const { return running_->position; }
  const Access& access(Memory memory) const { return accesses_[memory]; }
  int64_t reserve(int64_t bytes);
  std::byte* arena() { return arena_.data(); }
  ShadowMemory& arenaShadow() { return arenaShadow_; }
  void barrier(int memories, const Site& site);
  uint32_t simd(SimdOperation operation, uint32_t payload, uint32_t operand, const Site& site);

  // Matrices belong to a simdgroup: its threads name them by the order in which they declare them.
  uint32_t declareMatrix();
  Matrix& matrix(uint32_t number);
  /** Whether the running thread is the first of its simdgroup here: it does the work, the others must come too. */
  bool beginMatrixOperation(const Site& site, int64_t argument);
  Access simdgroupAccess(Memory memory) const;

 private:
  enum class State { ready, atBarrier, atSimdOperation, done };
  struct Thread {
    Fiber fiber;
    Threadgroup* group;
    Position position;
    State state;
    Site site;
    int memories;
    SimdOperation operation;
    uint32_t payload, operand, result;
    int64_t reserved;
    uint32_t matrices;
    size_t matrixOperations;
  };
  struct Simdgroup {
    std::vector<Matrix> matrices;
    std::vector<std::pair<Site, int64_t>> operations;  // since its threads last met
    uint32_t turns[3];                                 // per Memory
  };

  void useThreads(int32_t threads);
  void runGroup(const uint32_t (&group)[3]);
  static void threadBody(void* thread);
  void runReadyThreads();
  bool passSimdOperations();
  void passBarrier();
  void checkMatrixOperations(size_t simdgroup);
  void give(size_t simdgroup);
  void note(const Site& barrier);
  void wait(State state, const Site& site);
  Access accessOf(const Thread& thread, Memory memory) const;
  [[noreturn]] void refuseStuckThreads() const;

  static inline Threadgroup* current_ = nullptr;
  std::vector<std::unique_ptr<Thread>> pool_;  // as many as any dispatch had
  std::vector<Thread*> threads_;
  std::vector<Simdgroup> simdgroups_;
  std::vector<Thread*> ready_;
  Thread* running_ = nullptr;
  Access accesses_[3] = {};  // per Memory: of the running thread, the same until it waits
  const Kernel* kernel_ = nullptr;
  const Bindings* bindings_ = nullptr;
  std::string violation_;
  std::vector<std::byte> arena_;
  ShadowMemory arenaShadow_{mostThreadgroupBytes};
  Shuffle shuffle_;
  Site skippedBarrier_;
  std::vector<Site> barriers_;
  uint32_t interval_ = 0;  // the clock (shadow-memory.h)
  uint32_t scopeBegan_ = 0, groupBegan_ = 0;
  uint32_t orderedSince_[3] = {};  // per Memory
};

}  // namespace conclave::emulated
