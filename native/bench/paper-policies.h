// The policies of arXiv 2506.23635 that decide what each node computes in a layer, for benches to compare with
// ExpertAssigner. The experts lie in fixed groups, each held as a whole by every one of its members, in all layers alike.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "../core/mapped-file.h"
#include "../exchange/load-policy.h"

namespace conclave {

using Holders = std::vector<std::vector<int32_t>>;

struct PaperGroup {
  int32_t members, topK, layers;
};

/** L_R's dealing: of each row, the selected experts of a group go to its members in turn. */
class DealtExperts : public LoadPolicy {
 public:
  /** holders: [experts]. Those with the same are a group. Throws Failure invalidArgument for one that is no member. */
  DealtExperts(Holders holders, PaperGroup group);

  void assign(int32_t layer, std::span<const int32_t> experts, std::span<int32_t> members) override;
  int32_t layers() const override { return layers_; }
  int32_t experts() const override { return static_cast<int32_t>(holders_.size()); }
  int32_t members() const override { return members_; }

 protected:
  /** Experts of each member: [members][...experts], ascending. */
  Holders held() const;
  /** Marks the experts that each member was given: [members][experts]. */
  std::vector<std::vector<bool>> given(std::span<const int32_t> experts, std::span<const int32_t> members) const;

 private:
  const Holders holders_;
  const int32_t members_, topK_, layers_;
  std::vector<size_t> groupOf_;  // [experts]
  std::vector<size_t> turn_;     // [groups]
};

/** L_B, busy full loading: every member computes all that it holds. */
class BusyFull : public DealtExperts {
 public:
  BusyFull(Holders holders, PaperGroup group);
  void assign(int32_t layer, std::span<const int32_t> experts, std::span<int32_t> members) override;
  std::span<const int32_t> extraExperts(int32_t member) const override { return extra_[static_cast<size_t>(member)]; }

 private:
  const Holders held_;
  Holders extra_;  // [members]
};

/** L_R: every member computes as many experts as the busiest, adding those that it computed longest ago. */
class LeastRecentlyUsed : public DealtExperts {
 public:
  LeastRecentlyUsed(Holders holders, PaperGroup group);
  void assign(int32_t layer, std::span<const int32_t> experts, std::span<int32_t> members) override;
  std::span<const int32_t> extraExperts(int32_t member) const override { return extra_[static_cast<size_t>(member)]; }

 private:
  std::vector<Holders> order_;  // [layers][members][...experts], the one computed longest ago first
  Holders extra_;
};

/**
 * Dealt, and before each layer this process forgets where its experts' pages are, so that touching them costs page
 * faults. It stands in for what the paper's naive system suffers from, the driver that wires weights again when they
 * have not been used for a while: the same kind of cost (mappings, no copies), not the same amount.
 */
class ColdWeights : public DealtExperts {
 public:
  using Files = std::vector<std::shared_ptr<const MappedFile>>;
  ColdWeights(Holders holders, PaperGroup group, Files files);
  void assign(int32_t layer, std::span<const int32_t> experts, std::span<int32_t> members) override;

 private:
  const Files files_;
};

}  // namespace conclave
