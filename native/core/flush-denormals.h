// Denormals are read and written as zero while computing (FTZ and DAZ), whatever the thread's state was before:
// the bf16 dot-product instruction does so unconditionally, and every other kernel has to agree with it.
#pragma once
#include <cstdint>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace conclave {

/** Sets the thread's treatment of denormals until the end of the scope. */
class DenormalScope {
 public:
  DenormalScope(const DenormalScope&) = delete;
  DenormalScope& operator=(const DenormalScope&) = delete;

 protected:
#if defined(__x86_64__)
  explicit DenormalScope(bool flush) : saved_(_mm_getcsr()) {
    constexpr unsigned bits = 0x8040u;
    _mm_setcsr(flush ? saved_ | bits : saved_ & ~bits);
  }
  ~DenormalScope() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#elif defined(__aarch64__)
  explicit DenormalScope(bool flush) {
    constexpr uint64_t bit = uint64_t{1} << 24;
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" : : "r"(flush ? saved_ | bit : saved_ & ~bit));
  }
  ~DenormalScope() { asm volatile("msr fpcr, %0" : : "r"(saved_)); }

 private:
  uint64_t saved_;
#endif
};

class FlushDenormals : private DenormalScope {
 public:
  FlushDenormals() : DenormalScope(true) {}
};

/** For what is not a kernel and has to take every number as it is, on a thread whose kernels flush. */
class KeepDenormals : private DenormalScope {
 public:
  KeepDenormals() : DenormalScope(false) {}
};

}  // namespace conclave
