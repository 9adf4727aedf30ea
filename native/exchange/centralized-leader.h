// The leader of a centralized group: attention and router here, rows to the members that hold their experts, and
// outputs back. A member that is late, or cannot compute, gets nothing more in this step; its share goes to others that
// hold the same experts.
#pragma once
#include <memory>
#include <vector>

#include "expert-assigner.h"
#include "group-member.h"

namespace conclave {

class CentralizedLeader : public GroupMember {
 public:
  using Holders = std::vector<std::vector<int32_t>>;

  /**
   * As long as no member is under suspicion `policy` assigns, then an ExpertAssigner of the others: holders, speed as
   * it takes them. Throws Failure invalidArgument unless all is of this model's group.
   */
  CentralizedLeader(const ModelShape& shape, Place place, std::unique_ptr<LoadPolicy> policy, Holders holders,
                    std::vector<double> speed, std::unique_ptr<FrameExchange> exchange);

 private:
  // Slots that one member was asked for in one frame.
  struct Share {
    int32_t member;
    uint16_t attempt;
    std::vector<int32_t> slots;
    int32_t rows, outputs;  // of the work frame: the slots' outputs, then those of extra experts
  };

  void begin(int32_t rows) override;
  std::byte* hidden() override { return hidden_.data(); }
  void assign(int32_t layer) override;
  void runExperts(const Layer& layer) override;
  void giveOut(int32_t layer);
  void send(int32_t layer, int32_t member, std::vector<int32_t> slots, std::span<const int32_t> extra);
  int32_t encodeWork(std::span<const int32_t> slots, std::span<const int32_t> extra);
  void gather(const Layer& layer);
  void take(const Layer& layer, const ReceivedFrame& frame, double waitedSeconds);
  void handOver(const Layer& layer, const std::vector<int32_t>& late, const std::string& why);
  void reassign(const Layer& layer, const std::vector<int32_t>& slots);
  std::vector<int32_t> takeSharesOf(const std::vector<int32_t>& members);
  std::vector<int32_t> asked() const;
  void avoid(std::vector<int32_t> suspects);
  template <typename Assign>
  void withHolders(const Assign& assign);
  LoadPolicy& policy() { return suspects_.empty() ? *policy_ : withoutSuspects_; }

  const Holders holders_;
  const std::vector<double> speed_;
  std::vector<int32_t> suspects_;  // members that get no work, ascending
  ExpertAssigner withoutSuspects_;
  std::vector<std::byte> hidden_;  // the experts' input of all rows [rows, dModel]
  std::vector<std::byte> body_;    // of the work frame being sent
  std::vector<Share> open_;        // without an answer
  uint16_t attempt_ = 0;
};

}  // namespace conclave
