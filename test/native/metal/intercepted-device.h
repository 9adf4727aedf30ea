// An emulated device whose commands are looked at, and changed, on their way.
#pragma once
#include <functional>
#include <memory>
#include <utility>

#include "../../../native/metal/emulated/emulated-device.h"

namespace conclave::test {

struct Interception {
  /** `index` counts the dispatches of the same commands. */
  std::function<void(GpuDispatch& dispatch, size_t index)> dispatch = [](GpuDispatch&, size_t) {};
  /** Whether it stays. `index` counts the barriers of all commands. */
  std::function<bool(size_t index)> barrier = [](size_t) { return true; };
  std::function<void()> signal = [] {};
  std::function<void()> submit = [] {};
  std::function<void()> wait = [] {};
  /** A value of an event is seen for the first time. */
  std::function<void()> seen = [] {};
};

class InterceptedEvent final : public GpuEvent {
 public:
  InterceptedEvent(std::unique_ptr<GpuEvent> event, const Interception& interception)
      : event_(std::move(event)), interception_(interception) {}
  uint64_t signalled() const override {
    const uint64_t value = event_->signalled();
    if (value > std::exchange(seen_, value)) interception_.seen();
    return value;
  }
  void sleepUntil(uint64_t value, std::chrono::milliseconds atMost) override { event_->sleepUntil(value, atMost); }
  GpuEvent& inner() { return *event_; }

 private:
  std::unique_ptr<GpuEvent> event_;
  const Interception& interception_;
  mutable uint64_t seen_ = 0;
};

class InterceptedCommands final : public GpuCommands {
 public:
  InterceptedCommands(std::unique_ptr<GpuCommands> commands, const Interception& interception, size_t& barriers)
      : commands_(std::move(commands)), interception_(interception), barriers_(barriers) {}
  void dispatch(const GpuDispatch& dispatch) override {
    GpuDispatch changed = dispatch;
    interception_.dispatch(changed, count_++);
    commands_->dispatch(changed);
  }
  void barrier() override {
    if (interception_.barrier(barriers_++)) commands_->barrier();
  }
  void signal(GpuEvent& event, uint64_t value) override {
    interception_.signal();
    commands_->signal(static_cast<InterceptedEvent&>(event).inner(), value);
  }
  void submit() override {
    interception_.submit();
    commands_->submit();
  }
  void wait() override {
    interception_.wait();
    commands_->wait();
  }
  bool haveEnded() const override { return commands_->haveEnded(); }
  double gpuSeconds() const override { return commands_->gpuSeconds(); }

 private:
  std::unique_ptr<GpuCommands> commands_;
  const Interception& interception_;
  size_t& barriers_;
  size_t count_ = 0;
};

class InterceptedDevice final : public GpuDevice {
 public:
  explicit InterceptedDevice(Interception interception, const EmulatedOptions& options = {})
      : device_(options), interception_(std::move(interception)) {}
  const GpuProperties& properties() const override { return device_.properties(); }
  std::unique_ptr<GpuBuffer> allocate(int64_t bytes) override { return device_.allocate(bytes); }
  std::unique_ptr<GpuBuffer> wrap(const std::byte* pages, int64_t bytes) override { return device_.wrap(pages, bytes); }
  std::unique_ptr<GpuPipeline> pipeline(const KernelTypes& types, const std::string& kernel, int32_t threads) override {
    return device_.pipeline(types, kernel, threads);
  }
  std::string warnings(const KernelTypes& types) override { return device_.warnings(types); }
  std::unique_ptr<GpuCommands> commands() override {
    return std::make_unique<InterceptedCommands>(device_.commands(), interception_, barriers_);
  }
  std::unique_ptr<GpuEvent> event() override {
    return std::make_unique<InterceptedEvent>(device_.event(), interception_);
  }
  std::unique_ptr<GpuResidencySet> residencySet() override { return device_.residencySet(); }

  const EmulatedDevice& emulated() const { return device_; }

 private:
  EmulatedDevice device_;
  Interception interception_;
  size_t barriers_ = 0;
};

}  // namespace conclave::test
