// A stack of its own that runs until it suspends: one thread of an emulated threadgroup.
#pragma once
#include <cstddef>

namespace conclave::emulated {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /** The next resume() calls body(argument), which must not throw. */
  void start(void (*body)(void*), void* argument);
  /** Runs the body until it suspends or returns; false once it has returned. */
  bool resume();
  /** Of the running fiber: back to its caller of resume. */
  static void suspend();

 private:
  static void enter();
  void prepareStack();

  std::byte* memory_;  // guard page, then the stack
  void* stackPointer_ = nullptr;
  void* resumer_ = nullptr;
  void (*body_)(void*) = nullptr;
  void* argument_ = nullptr;
  bool finished_ = true;
};

}  // namespace conclave::emulated
