// Ends a wait from another thread. Stays raised, so that later waits end immediately.
#pragma once
#include <atomic>

namespace conclave {

class Interrupt {
 public:
  /** Throws Failure `io` when the process has no file descriptors left. */
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  void raise() noexcept;

  /** Throws Failure `interrupted` once it is raised. */
  void check() const;

  /**
   * Waits until there is something to read, or room to write, or `timeoutMs` have passed, negative for no limit; -1 for
   * a descriptor that is not waited for. Returns whether the wait was of use. Throws Failure `interrupted`.
   */
  bool await(int toRead, int toWrite, int timeoutMs) const;

 private:
  std::atomic<bool> raised_ = false;
  int read_ = -1, write_ = -1;  // a pipe: a byte in it is the interrupt
};

}  // namespace conclave
