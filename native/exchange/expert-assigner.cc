#include "expert-assigner.h"

#include <algorithm>
#include <cmath>
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
Failure noSuchLayer(int32_t layer, int32_t layers) {
  return {FailureCode::invalidArgument,
          "layer " + std::to_string(layer) + " does not exist; there are " + std::to_string(layers)};
}

Failure wrongSlots(size_t experts, size_t members) {
  return {FailureCode::invalidArgument,
          std::to_string(experts) + " slots cannot have " + std::to_string(members) + " members"};
}

Failure noSuchExpert(int32_t expert, size_t experts) {
  return {FailureCode::invalidArgument,
          "expert " + std::to_string(expert) + " does not exist; there are " + std::to_string(experts)};
}

}  // namespace

ExpertAssigner::ExpertAssigner(std::vector<std::vector<int32_t>> holders, std::vector<double> speed, int32_t layers)
    : holders_(std::move(holders)), layers_(layers) {
  const size_t all = holders_.size(), members = speed.size();
  require(layers >= 1 && all % static_cast<size_t>(layers) == 0, "every layer must have as many experts");
  require(all <= most && members <= most && all * members <= most, "there are too many experts and members");
  for (const double pieces : speed) {
    require(pieces > 0 && std::isfinite(pieces), "speeds must be positive");
    // Whole numbers where all are alike, whatever the unit.
    members_.push_back({speed.front() / pieces});
  }
  for (const std::vector<int32_t>& of : holders_) {
    for (const int32_t holder : of) {
      require(holder >= 0 && static_cast<size_t>(holder) < members,
              "holders must be members, below " + std::to_string(members) + ", but one is " + std::to_string(holder));
    }
  }
  experts_.resize(all / static_cast<size_t>(layers));
  pieces_.resize(experts_.size() * members);
  selected_.reserve(experts_.size());
  reached_.reserve(members);
}

void ExpertAssigner::assign(int32_t layer, std::span<const int32_t> experts, std::span<int32_t> members) {
  if (layer < 0 || layer >= layers_) throw noSuchLayer(layer, layers_);
  if (experts.size() != members.size() || experts.size() > most) throw wrongSlots(experts.size(), members.size());
  forget();
  ofLayer_ = std::span(holders_).subspan(static_cast<size_t>(layer) * experts_.size(), experts_.size());
  count(experts);
  largest_ = evenShare();
  // Those without a choice first: the others then go where room is left.
  for (const bool choice : {false, true}) {
    for (const int32_t expert : selected_) {
      if ((holdersOf(expert).size() > 1) == choice) placeAll(expert);
    }
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

// What each member would take if all were busy for the same time: no assignment does better.
double ExpertAssigner::evenShare() const {
  double pieces = 0, speed = 0;
  for (const int32_t expert : selected_) pieces += piecesOf(experts_[static_cast<size_t>(expert)].rows);
  for (const Member& member : members_) speed += 1 / member.pieceTime;
  return members_.empty() ? 0 : pieces / speed;
}

void ExpertAssigner::placeAll(int32_t expert) {
  for (int32_t piece = piecesOf(expertAt(expert).rows); piece > 0; --piece) place(expert);
}

// Gives one piece of `expert` to a member, moving others' pieces between their holders where the largest load would
// grow otherwise.
void ExpertAssigner::place(int32_t expert) {
  int32_t member = leastLoaded(expert);
  if (timeWithOneMore(member) > largest_ && timeWithOneMore(member) > leastTime()) member = searchFrom(expert);
  largest_ = std::max(largest_, timeWithOneMore(member));
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
  const std::vector<int32_t>& holders = holdersOf(expert);
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

// Breadth first over the members that a piece of `expert` can reach by pushing pieces on; -> the first that has room
// without the largest load growing, else the least loaded.
int32_t ExpertAssigner::searchFrom(int32_t expert) {
  for (Member& member : members_) member.from = notReached;
  reached_.clear();
  reach(expert, startOfPath);
  int32_t best = reached_.front();
  for (size_t next = 0; next < reached_.size(); ++next) {
    const int32_t member = reached_[next];
    if (timeWithOneMore(member) < timeWithOneMore(best)) best = member;
    if (timeWithOneMore(best) <= largest_) break;
    for (const int32_t other : selected_) {
      if (piecesAt(other, member) > 0) reach(other, member);
    }
  }
  return best;
}

// Notes the holders of `expert` not yet reached as reached from `from`.
void ExpertAssigner::reach(int32_t expert, int32_t from) {
  for (const int32_t holder : holdersOf(expert)) {
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
  const bool whole = expert.rows <= pieceRows;
  int64_t piece = whole ? 0 : int64_t{expert.done} * piecesOf(expert.rows) / expert.rows;
  ++expert.done;
  for (const int32_t member : holdersOf(id)) {
    piece -= piecesAt(id, member);
    if (piece < 0) return member;
  }
  throw Failure(FailureCode::internal, "a row of expert " + std::to_string(id) + " has no piece");
}

}  // namespace conclave
