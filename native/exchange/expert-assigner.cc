#include "expert-assigner.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "../core/failure.h"

namespace conclave {
namespace {

// In place of the member from which another was reached.
constexpr int32_t startOfPath = -1;
constexpr int32_t notReached = -2;

constexpr size_t most = std::numeric_limits<int32_t>::max();

int32_t piecesOf(int32_t rows) { return (rows - 1) / pieceRows + 1; }

// Not by require(), which writes its message even where all is well.
Failure wrongSlots(size_t experts, size_t members) {
  return {FailureCode::invalidArgument,
          std::to_string(experts) + " slots cannot have " + std::to_string(members) + " members"};
}

Failure noSuchExpert(int32_t expert, size_t experts) {
  return {FailureCode::invalidArgument,
          "expert " + std::to_string(expert) + " does not exist; there are " + std::to_string(experts)};
}

}  // namespace

ExpertAssigner::ExpertAssigner(std::vector<std::vector<int32_t>> holders, std::vector<double> speed) {
  const size_t experts = holders.size(), members = speed.size();
  require(experts <= most && members <= most && experts * members <= most, "there are too many experts and members");
  for (const double pieces : speed) {
    require(pieces > 0, "speeds must be positive");
    members_.push_back({1 / pieces});
  }
  for (std::vector<int32_t>& of : holders) {
    for (const int32_t holder : of) {
      require(holder >= 0 && static_cast<size_t>(holder) < members,
              "holders must be members, below " + std::to_string(members) + ", but one is " + std::to_string(holder));
    }
    experts_.push_back({std::move(of)});
  }
  pieces_.resize(experts * members);
  selected_.reserve(experts);
  reached_.reserve(members);
}

void ExpertAssigner::assign(std::span<const int32_t> experts, std::span<int32_t> members) {
  if (experts.size() != members.size() || experts.size() > most) throw wrongSlots(experts.size(), members.size());
  forget();
  count(experts);
  for (const int32_t expert : selected_) {
    for (int32_t piece = piecesOf(expertAt(expert).rows); piece > 0; --piece) place(expert);
  }
  for (size_t slot = 0; slot < experts.size(); ++slot) members[slot] = nextMember(experts[slot]);
}

void ExpertAssigner::forget() {
  for (const int32_t expert : selected_) {
    expertAt(expert).rows = expertAt(expert).done = 0;
    std::fill_n(pieces_.data() + static_cast<size_t>(expert) * members_.size(), members_.size(), 0);
  }
  selected_.clear();
  for (Member& member : members_) member.load = 0;
}

void ExpertAssigner::count(std::span<const int32_t> experts) {
  for (const int32_t expert : experts) {
    if (expert < 0 || static_cast<size_t>(expert) >= experts_.size()) throw noSuchExpert(expert, experts_.size());
    if (expertAt(expert).rows++ == 0) selected_.push_back(expert);
  }
}

// Gives one piece of `expert` to a member, moving others' pieces between their holders where that helps.
void ExpertAssigner::place(int32_t expert) {
  int32_t member = leastLoaded(expert);
  if (timeWithOneMore(member) > leastTime()) member = searchFrom(expert);
  ++memberAt(member).load;
  while (memberAt(member).from != startOfPath) {
    const int32_t moved = memberAt(member).by, giver = memberAt(member).from;
    ++piecesAt(moved, member);
    --piecesAt(moved, giver);
    member = giver;
  }
  ++piecesAt(expert, member);
}

int32_t ExpertAssigner::leastLoaded(int32_t expert) {
  const std::vector<int32_t>& holders = expertAt(expert).holders;
  if (holders.empty()) {
    throw Failure(FailureCode::unavailable, "No node holds expert " + std::to_string(expert) + ".");
  }
  int32_t best = holders.front();
  for (const int32_t member : holders) {
    if (timeWithOneMore(member) < timeWithOneMore(best)) best = member;
  }
  memberAt(best).from = startOfPath;
  return best;
}

double ExpertAssigner::timeWithOneMore(int32_t member) const {
  return (memberAt(member).load + 1) * memberAt(member).pieceTime;
}

double ExpertAssigner::leastTime() const {
  double least = std::numeric_limits<double>::infinity();
  for (size_t member = 0; member < members_.size(); ++member) {
    least = std::min(least, timeWithOneMore(static_cast<int32_t>(member)));
  }
  return least;
}

// Breadth first over the members that a piece of `expert` can reach by pushing pieces on; -> the least loaded.
int32_t ExpertAssigner::searchFrom(int32_t expert) {
  for (Member& member : members_) member.from = notReached;
  reached_.clear();
  reach(expert, startOfPath);
  int32_t best = reached_.front();
  for (size_t next = 0; next < reached_.size(); ++next) {
    const int32_t member = reached_[next];
    if (timeWithOneMore(member) < timeWithOneMore(best)) best = member;
    for (const int32_t other : selected_) {
      if (piecesAt(other, member) > 0) reach(other, member);
    }
  }
  return best;
}

// Notes the holders of `expert` not yet reached as reached from `from`.
void ExpertAssigner::reach(int32_t expert, int32_t from) {
  for (const int32_t holder : expertAt(expert).holders) {
    Member& member = memberAt(holder);
    if (member.from != notReached) continue;
    member.from = from;
    member.by = expert;
    reached_.push_back(holder);
  }
}

// The member of the expert's next row: its rows in order, dealt out by pieces of the same size to members in order.
int32_t ExpertAssigner::nextMember(int32_t id) {
  Expert& expert = expertAt(id);
  int64_t piece = int64_t{expert.done} * piecesOf(expert.rows) / expert.rows;
  ++expert.done;
  for (const int32_t member : expert.holders) {
    piece -= piecesAt(id, member);
    if (piece < 0) return member;
  }
  throw Failure(FailureCode::internal, "a row of expert " + std::to_string(id) + " has no piece");
}

}  // namespace conclave
