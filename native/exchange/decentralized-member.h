// A member of a decentralized group: attention and router on every member, outputs from all to all once per layer.
// Leader and followers run the same; only the leader gets the last layer's outputs.
#pragma once
#include <memory>
#include <vector>

#include "group-member.h"

namespace conclave {

class DecentralizedMember : public GroupMember {
 public:
  /** Throws Failure invalidArgument unless place and policy belong to a group of this model. */
  DecentralizedMember(const ModelShape& shape, Place place, std::unique_ptr<LoadPolicy> policy,
                      std::unique_ptr<FrameExchange> exchange);

 private:
  void begin(int32_t rows) override;
  Contribution contribution() const override;
  void assign(int32_t layer) override;
  void runExperts(const Layer& layer) override;
  void allToAll(const Layer& layer);
  void toLeader(const Layer& layer);
  void byOwners(const Layer& layer);
  void sendToOwners(int32_t layer);
  void spreadSums(Backend& backend, int32_t layer, RowRange mine);
  bool haveOwners() const;
  bool isLarge() const;
  template <typename Sends>
  void expect(const Sends& sends);
  void gather(FrameKind kind, int32_t layer, RowRange rows);
  void take(const ReceivedFrame& frame, RowRange rows, double waitedSeconds);
  void check(const ReceivedFrame& frame, RowRange rows) const;
  void placeOwn();
  void placeSums(int32_t member, const std::byte* body);
  FrameHeader outputsHeader(int32_t layer, RowRange rows) const;
  RowRange owned(int32_t member) const;

  std::vector<float> sums_;       // [rows, dModel], when rows have owners
  std::vector<int32_t> missing_;  // members whose frame has not come
  uint32_t digest_ = 0;
};

}  // namespace conclave
