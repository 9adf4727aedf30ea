// Commands that go to the GPU in as many command buffers as the budget asks for. Barriers come of themselves, where a
// dispatch touches what another writes since the last one.
#pragma once
#include "command-budget.h"
#include "pending-accesses.h"

namespace conclave {

enum class Submission {
  early,    // what fills a command buffer is submitted while the rest is encoded
  together  // nothing runs before submit(): then one command buffer is encoded, and what does not fit waits
};

class SizedCommands final : public GpuCommands {
 public:
  SizedCommands(GpuDevice& device, const CommandBudget& budget, Submission submission);

  void dispatch(const GpuDispatch& dispatch) override;
  void barrier() override;
  void signal(GpuEvent& event, uint64_t value) override;
  void submit() override;
  void wait() override;
  bool haveEnded() const override;
  /**
   * Returns once that value, which these commands signal, is there. Throws Failure when the commands before it ended
   * badly: a command buffer that fails does not keep the next from running.
   */
  void awaitSignal(GpuEvent& event, uint64_t value);
  double gpuSeconds() const override;
  /** Of each command buffer, in their order; after wait(). */
  std::vector<double> secondsOfBuffers() const;

 private:
  struct Waiting {
    GpuDispatch dispatch = {};
    std::vector<std::byte> arguments = {};
    // Instead of a dispatch.
    GpuEvent* event = nullptr;
    uint64_t value = 0;
  };

  struct Signalled {
    uint64_t value;
    size_t buffersBefore;
  };

  bool fits(const GpuDispatch& dispatch) const;
  void encode(const GpuDispatch& dispatch);
  void encodeSignal(GpuEvent& event, uint64_t value);
  void submitOpen();

  GpuDevice& device_;
  const CommandBudget& budget_;
  Submission submission_;
  std::unique_ptr<GpuCommands> open_;
  double openSeconds_ = 0;
  PendingAccesses pending_;
  std::vector<Waiting> waiting_;
  std::vector<std::unique_ptr<GpuCommands>> submitted_;
  std::vector<Signalled> signals_;
};

}  // namespace conclave
