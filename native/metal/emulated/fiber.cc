#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <new>

// switchStack(save, load): pushes what a function must preserve, stores the stack pointer to *save, takes `load` for
// the stack, and returns there. swapcontext would do the same with two system calls for the signal mask each time.
extern "C" void conclaveSwitchStack(void** save, void* load) asm("conclaveSwitchStack");

#if defined(__x86_64__)
asm(R"(
.text
.globl conclaveSwitchStack
conclaveSwitchStack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
#elif defined(__aarch64__)
asm(R"(
.text
.globl conclaveSwitchStack
.balign 4
conclaveSwitchStack:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
)");
#endif

namespace conclave::emulated {
namespace {

// Kernels keep a few hundred bytes; a thrown violation's message and unwinding take the most.
constexpr size_t stackBytes = 64 * 1024;

size_t guardBytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

Fiber* running = nullptr;

#if defined(__x86_64__)
constexpr size_t savedRegisters = 6;
constexpr size_t returnAddressAt = 6;
#elif defined(__aarch64__)
constexpr size_t savedRegisters = 20;
constexpr size_t returnAddressAt = 11;  // x30
#endif

}  // namespace

Fiber::Fiber() {
  void* memory = mmap(nullptr, guardBytes() + stackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, guardBytes(), PROT_NONE);
  memory_ = static_cast<std::byte*>(memory);
}

Fiber::~Fiber() { munmap(memory_, guardBytes() + stackBytes); }

void Fiber::start(void (*body)(void*), void* argument) {
  body_ = body;
  argument_ = argument;
  const bool waitsForBody = finished_ && stackPointer_ != nullptr;
  finished_ = false;
  if (!waitsForBody) prepareStack();
}

// Stacks begin at different offsets from a page: caches tell addresses apart by those.
void Fiber::prepareStack() {
  constexpr size_t cacheLine = 64, offsets = 61, pageBits = 12;
  const size_t skipped = (reinterpret_cast<uintptr_t>(memory_) >> pageBits) % offsets * cacheLine;
  // As if switchStack had been called by enter's caller: zeros for the registers, enter's address to return to. After
  // the return the stack stands 8 bytes off a multiple of 16 on x64, as after a call, and on one on ARM.
  constexpr size_t top = 16;
  void** stack = reinterpret_cast<void**>(memory_ + guardBytes() + stackBytes - skipped) - top;
  void** frame = stack - (savedRegisters + savedRegisters % 2);
  std::memset(frame, 0, (savedRegisters + top) * sizeof(void*));
  frame[returnAddressAt] = reinterpret_cast<void*>(&Fiber::enter);
  stackPointer_ = frame;
}

bool Fiber::resume() {
  Fiber* const before = running;
  running = this;
  conclaveSwitchStack(&resumer_, stackPointer_);
  running = before;
  return !finished_;
}

void Fiber::suspend() { conclaveSwitchStack(&running->stackPointer_, running->resumer_); }

void Fiber::enter() {
  for (Fiber* const self = running;;) {
    self->body_(self->argument_);
    self->finished_ = true;
    suspend();
  }
}

}  // namespace conclave::emulated
