// A member of a group that takes steps under one plan: attention and router here, experts wherever they are, without a
// way through JavaScript in between (decisions 0079 and 0133). What is common to both topologies: the order of a step's
// parts, and the report of what became of it. Plans, deadlines' history and suspicion are the caller's business.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../core/backend.h"
#include "frame-exchange.h"
#include "layer-work.h"

namespace conclave {

/** How long to wait for the others: floorMs + factor * the longer of this node's own share and what is normal. */
struct StepTimeout {
  double floorMs, factor, normalMs;
};

struct StepCommand {
  uint32_t step;
  std::optional<StepTimeout> timeout;  // the leader's; followers wait until they are interrupted
  std::vector<int32_t> suspects = {};  // members that get no work; centralized only
};

/** Where the time went, and why a step did not end; what happens then is the caller's business. */
struct GroupStepReport {
  enum class Trouble { none, late, routing, refused, badFrame, failure, noHolder };
  struct Member {
    double expertSeconds = 0, waitSeconds = 0;
    int32_t slots = 0, frames = 0;
  };
  /** A member whose share others computed within the step; why is what it reported, '' for lateness. */
  struct Replaced {
    int32_t member;
    std::string why;
  };
  double attendSeconds = 0, expertSeconds = 0, projectSeconds = 0;
  std::vector<double> waitsMs;  // one for each layer that waited for frames
  std::vector<Member> members;
  std::vector<Replaced> replaced;
  int32_t framesSent = 0;
  int64_t bytesSent = 0;
  Trouble trouble = Trouble::none;
  std::vector<int32_t> culprits;  // members
  std::string text;  // what is wrong with a frame, the layer that was routed otherwise, or the member's own words
};

class GroupMember {
 public:
  struct Place {
    int32_t me, leader, members;
  };

  virtual ~GroupMember() = default;
  GroupMember(const GroupMember&) = delete;
  GroupMember& operator=(const GroupMember&) = delete;

  /**
   * Executes the batch; logits [logitRows, vocab] are written on the leader, null on others.
   * Throws Failure: `exchange`, `interrupted`, `invalid_argument` for an expert that is not here.
   */
  GroupStepReport step(Backend& backend, const ModelWeights& weights, const StepBatch& batch, const StepCommand& order,
                       float* logits);

  /** Its frames; interrupting them ends the step that runs and all that come. */
  FrameExchange& exchange() { return *exchange_; }

 protected:
  /** What ends a step without an exception for the caller. */
  struct StepTrouble {
    GroupStepReport::Trouble trouble;
    std::vector<int32_t> culprits;
    std::string text;
  };
  /** A layer being computed. */
  struct Layer {
    Backend& backend;
    const ModelWeights& weights;
    int32_t index;
  };

  /** Throws Failure invalidArgument unless place and policy belong to a group of this model. */
  GroupMember(const ModelShape& shape, Place place, std::unique_ptr<LoadPolicy> policy,
              std::unique_ptr<FrameExchange> exchange);

  /** A step of this many rows begins. */
  virtual void begin(int32_t /*rows*/) {}
  /** Where attend leaves the experts' input; null when no other node needs it. */
  virtual std::byte* hidden() { return nullptr; }
  /** What the experts of the layer before contribute. */
  virtual Contribution contribution() const { return {work_.outputs(), nullptr}; }
  /** The layer is attended: who computes which slot. */
  virtual void assign(int32_t layer) = 0;
  /** The layer's experts, here and elsewhere. */
  virtual void runExperts(const Layer& layer) = 0;

  /** Throws Failure invalidArgument unless the policy is of this model's group. */
  void requireOfGroup(const LoadPolicy& policy) const;
  void runOwn(const Layer& layer, const LoadPolicy& policy);
  /** What the layer computes while rows are on their way. */
  void runBeside(const Layer& layer);
  FrameHeader header(FrameKind kind, int32_t layer, int32_t rows, int32_t slots) const;
  /** Throws StepTrouble `refused` unless the frame is about as much as `expected`. */
  static void refuseOtherSize(const ReceivedFrame& frame, const FrameHeader& expected);
  void noteSent(size_t bytes);
  void noteFrame(const ReceivedFrame& frame, double waitedSeconds);
  Clock::time_point deadline() const;
  bool isLast(int32_t layer) const { return layer == shape_.moeLayers - 1; }

  const ModelShape shape_;
  const Place place_;
  const std::unique_ptr<LoadPolicy> policy_;
  LayerWork work_;
  const std::unique_ptr<FrameExchange> exchange_;
  StepCommand order_;
  GroupStepReport report_;

 private:
  void runLayers(Backend& backend, const ModelWeights& weights, const StepBatch& batch);
};

/** Since `start`. */
double secondsSince(Clock::time_point start);

}  // namespace conclave
