// Command buffers of the emulated device, in the order of their submission. They run when the host waits for one, and
// from one signal to the next when it looks at an event: a host that looks too early sees nothing.
#pragma once
#include <atomic>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "../../core/failure.h"
#include "../gpu-device.h"
#include "lifetimes.h"

namespace conclave::emulated {

class CommandQueue;

class QueuedEvent final : public GpuEvent {
 public:
  QueuedEvent(CommandQueue& queue, std::shared_ptr<Lifetimes> lifetimes);
  ~QueuedEvent() override;
  uint64_t signalled() const override;
  void sleepUntil(uint64_t value, std::chrono::milliseconds atMost) override;

  /** Throws Failure unless it belongs to the queue, and values ascend in the order in which they are encoded. */
  void noteEncoded(const CommandQueue& queue, uint64_t value);
  void raise(uint64_t value) { value_ = value; }

 private:
  CommandQueue& queue_;
  std::shared_ptr<Lifetimes> lifetimes_;
  std::atomic<uint64_t> value_ = 0;
  uint64_t encoded_ = 0;
};

// Dispatches between two barriers.
struct CommandScope {
  std::vector<GpuDispatch> dispatches;
  std::vector<std::vector<std::byte>> arguments;  // of each
  QueuedEvent* event = nullptr;                   // raised at the end
  uint64_t value = 0;
};

struct CommandBatch {
  std::deque<CommandScope> scopes;
  double seconds = 0;
  std::atomic<bool> ended = false;
  std::exception_ptr failure;
};

class CommandQueue {
 public:
  /** Runs dispatches at the same time, in any order, and adds up how long they take. Throws Failure. */
  using RunScope = std::function<void(const std::vector<GpuDispatch>& dispatches, double& seconds)>;

  CommandQueue(RunScope runScope, std::shared_ptr<Lifetimes> lifetimes)
      : runScope_(std::move(runScope)), lifetimes_(std::move(lifetimes)) {}

  void submit(std::shared_ptr<CommandBatch> batch);
  /** Runs what was submitted, in order, until `reached` or nothing is left. */
  void runUntil(const std::function<bool()>& reached);
  /** Up to the next signal, or the end of the first batch. */
  void runToNextSignal();

 private:
  void runScope();

  RunScope runScope_;
  std::shared_ptr<Lifetimes> lifetimes_;
  std::mutex mutex_;
  std::deque<std::shared_ptr<CommandBatch>> batches_;
};

class QueuedCommands final : public GpuCommands {
 public:
  QueuedCommands(CommandQueue& queue, std::shared_ptr<Lifetimes> lifetimes);
  ~QueuedCommands() override;
  void dispatch(const GpuDispatch& dispatch) override;
  void barrier() override;
  void signal(GpuEvent& event, uint64_t value) override;
  void submit() override;
  void wait() override;
  bool haveEnded() const override { return batch_->ended; }
  double gpuSeconds() const override { return batch_->seconds; }

 private:
  void use(const void* object);
  void requireOpen() const;

  CommandQueue& queue_;
  std::shared_ptr<Lifetimes> lifetimes_;
  std::shared_ptr<CommandBatch> batch_;
  std::vector<const void*> used_;
  bool submitted_ = false;
};

}  // namespace conclave::emulated
