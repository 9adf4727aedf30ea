// Which member of a group computes each selected expert of a layer. In: the router's choice. Out: a member for every
// (row, rank). Every node computes the same answer from the same routing, so no announcement is needed.
//
// Work comes in pieces: an expert with the rows it computes while its weights are read once. Pieces weigh the same, so
// this is a flow of pieces to members whose capacity is the largest load so far, at first an even share. A piece that
// finds its holders full takes an augmenting path, along which other pieces move on to their other holders. Without
// such a path no assignment of the pieces so far has a load as small, and the least loaded member that the search
// reached takes the piece: its new load is the smallest capacity that lets the piece in. So the largest load ends as
// small as it can be.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "load-policy.h"

namespace conclave {

/** Up to this many rows an expert takes about as long as reading its weights; above, it is split over its holders. */
constexpr int32_t pieceRows = 16;

/** Assigns for one placement. Holds scratch memory: calls allocate nothing. */
class ExpertAssigner : public LoadPolicy {
 public:
  /**
   * holders[layer * experts + e]: members that hold expert e of a layer, ascending. speed: [members], pieces in a unit
   * of time, relative to each other. Throws Failure invalidArgument when a holder is no member, a speed is not
   * positive, or there are not as many experts in every one of `layers`.
   */
  ExpertAssigner(std::vector<std::vector<int32_t>> holders, std::vector<double> speed, int32_t layers);

  /** As LoadPolicy. The failure names a selected expert without a holder. */
  void assign(int32_t layer, std::span<const int32_t> experts, std::span<int32_t> members) override;

  int32_t layers() const override { return layers_; }
  int32_t experts() const override { return static_cast<int32_t>(experts_.size()); }
  int32_t members() const override { return static_cast<int32_t>(members_.size()); }

 private:
  struct Expert {
    int32_t rows = 0;
    int32_t done = 0;  // rows that have their member
  };
  struct Member {
    double pieceTime;
    int32_t load = 0;  // pieces
    // The search: the member that would push a piece here, of which expert.
    int32_t from = 0;
    int32_t by = 0;
  };

  void forget();
  void count(std::span<const int32_t> experts);
  double evenShare() const;
  void placeAll(int32_t expert);
  void place(int32_t expert);
  int32_t leastLoaded(int32_t expert);
  double timeWithOneMore(int32_t member) const;
  double leastTime() const;
  int32_t searchFrom(int32_t expert);
  void reach(int32_t expert, int32_t from);
  int32_t nextMember(int32_t expert);

  const std::vector<int32_t>& holdersOf(int32_t expert) const { return ofLayer_[static_cast<size_t>(expert)]; }
  Expert& expertAt(int32_t expert) { return experts_[static_cast<size_t>(expert)]; }
  Member& memberAt(int32_t member) { return members_[static_cast<size_t>(member)]; }
  const Member& memberAt(int32_t member) const { return members_[static_cast<size_t>(member)]; }
  int32_t& piecesAt(int32_t expert, int32_t member) {
    return pieces_[static_cast<size_t>(expert) * members_.size() + static_cast<size_t>(member)];
  }

  std::vector<std::vector<int32_t>> holders_;  // [layers * experts][...members]
  int32_t layers_;
  std::span<const std::vector<int32_t>> ofLayer_;  // [experts][...members] of the layer at hand
  double largest_ = 0;                             // of all members' times so far
  std::vector<Expert> experts_;
  std::vector<Member> members_;
  std::vector<int32_t> pieces_;    // [experts, members]
  std::vector<int32_t> selected_;  // experts in the order in which the routing names them
  std::vector<int32_t> reached_;   // members, in the order in which the search found them
};

}  // namespace conclave
