// A member of a decentralized group under one plan: attention and router here, experts wherever they are, outputs from
// all to all once per layer, without a way through JavaScript in between (decision 0079). What decentralized-step.ts
// does where this cannot; the two talk to each other.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../core/backend.h"
#include "expert-assigner.h"
#include "frame-exchange.h"

namespace conclave {

/** How long to wait for the others: floorMs + factor * the longer of this node's own share and what is normal. */
struct StepTimeout {
  double floorMs, factor, normalMs;
};

struct StepCommand {
  uint32_t step;
  std::optional<StepTimeout> timeout;  // the leader's; followers wait until they are interrupted
};

/** Where the time went, and why a step did not end; what happens then is the caller's business. */
struct GroupStepReport {
  enum class Trouble { none, late, routing, refused, badFrame, failure };
  struct Member {
    double expertSeconds = 0, waitSeconds = 0;
    int32_t slots = 0, frames = 0;
  };
  double attendSeconds = 0, expertSeconds = 0, projectSeconds = 0;
  std::vector<double> waitsMs;  // one for each layer that waited for frames
  std::vector<Member> members;
  int32_t framesSent = 0;
  int64_t bytesSent = 0;
  Trouble trouble = Trouble::none;
  std::vector<int32_t> culprits;  // members
  std::string text;  // what is wrong with a frame, the layer that was routed otherwise, or what the member says
};

class GroupMember {
 public:
  struct Place {
    int32_t me, leader, members;
  };

  /** Throws Failure invalidArgument unless place and assigner belong to a group of this model. */
  GroupMember(const ModelShape& shape, Place place, ExpertAssigner assigner, std::unique_ptr<FrameExchange> exchange);

  /**
   * Executes the batch; logits [logitRows, vocab] are written on the leader, null on others.
   * Throws Failure: `exchange`, `interrupted`, what assigning throws, `invalid_argument` for an expert that is not
   * here.
   */
  GroupStepReport step(Backend& backend, const ModelWeights& weights, const StepBatch& batch, const StepCommand& order,
                       float* logits);

  /** Its frames; interrupting them ends the step that runs and all that come. */
  FrameExchange& exchange() { return *exchange_; }

 private:
  struct Rows {
    int32_t first, end;
    int32_t count() const { return end - first; }
  };
  void begin(int32_t rows);
  void runLayers(Backend& backend, const ModelWeights& weights, const StepBatch& batch);
  uint32_t routingDigest() const;
  void runOwn(Backend& backend, const ModelWeights& weights, int32_t layer);
  void exchangeOutputs(Backend& backend, int32_t layer);
  void allToAll(int32_t layer);
  void toLeader(int32_t layer);
  void byOwners(Backend& backend, int32_t layer);
  void sendToOwners(int32_t layer);
  void spreadSums(Backend& backend, int32_t layer, Rows mine);
  bool haveOwners() const;
  bool isLarge() const;
  template <typename Sends>
  void expect(const Sends& sends);
  void gather(FrameKind kind, int32_t layer, Rows rows);
  void take(const ReceivedFrame& frame, Rows rows, double waitedSeconds);
  void check(const ReceivedFrame& frame, Rows rows) const;
  void place(int32_t member, Rows rows, const std::byte* body);
  void placeSums(int32_t member, const std::byte* body);
  FrameHeader header(FrameKind kind, int32_t layer, Rows rows) const;
  void noteSent(size_t bytes);
  int32_t slotsOf(int32_t member, Rows rows) const;
  Rows owned(int32_t member) const;
  Rows allRows() const { return {0, rows_}; }
  Contribution contribution(int32_t layer) const;
  Clock::time_point deadline() const;

  const ModelShape shape_;
  const Place place_;
  const size_t rowBytes_;
  ExpertAssigner assigner_;
  std::unique_ptr<FrameExchange> exchange_;
  StepCommand order_;
  GroupStepReport report_;
  int32_t rows_ = 0;
  std::vector<int32_t> experts_, members_;  // [rows, topK]: chosen, and who computes them
  std::vector<float> weights_;              // [rows, topK]
  std::vector<int32_t> ownRows_, ownExperts_;
  std::vector<std::byte> own_;      // [own slots, dModel]
  std::vector<std::byte> outputs_;  // [rows, topK, dModel]
  std::vector<float> sums_;         // [rows, dModel], when rows have owners
  std::vector<int32_t> missing_;    // members whose frame has not come
  uint32_t digest_ = 0;
  double ownSeconds_ = 0;
};

}  // namespace conclave
