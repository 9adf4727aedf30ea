#include "shadow-memory.h"

namespace conclave::emulated {
namespace {

constexpr uint64_t otherGroupsBit = uint64_t{1} << 31;
// Actors for readers that became several: all of one simdgroup, or of more.
constexpr uint32_t severalOfSimdgroup = 512, severalSimdgroups = 1023;
constexpr uint32_t noSimdgroup = UINT32_MAX;

uint32_t intervalOf(uint64_t stamp) { return static_cast<uint32_t>(stamp >> 32); }
uint32_t actorOf(uint64_t stamp) { return static_cast<uint32_t>(stamp >> 16) & 0x7fffu; }
uint32_t turnOf(uint64_t stamp) { return static_cast<uint32_t>(stamp) & 0xffffu; }

uint64_t stampOf(const Access& access, uint32_t actor) {
  return uint64_t{access.interval} << 32 | uint64_t{actor} << 16 | (access.simdgroupTurn & 0xffffu);
}

uint32_t simdgroupOf(uint32_t actor) {
  if (actor == severalSimdgroups) return noSimdgroup;
  if (actor >= severalOfSimdgroup) return actor - severalOfSimdgroup;
  return actor >= simdgroupActor(0) ? actor - simdgroupActor(0) : actor / 32;
}

bool isOfThisDispatch(uint64_t stamp, const Access& access) { return intervalOf(stamp) >= access.dispatchBegan; }

// Whether the stamped access may happen at the same time as the one at hand.
bool isConcurrent(uint64_t stamp, const Access& access) {
  if (!isOfThisDispatch(stamp, access)) return false;
  if (intervalOf(stamp) < access.groupBegan) return true;
  if (intervalOf(stamp) < access.orderedSince || actorOf(stamp) == access.actor) return false;
  const bool passedBarrier = turnOf(stamp) != (access.simdgroupTurn & 0xffffu);
  return !(simdgroupOf(actorOf(stamp)) == access.simdgroup && passedBarrier);
}

// What a cell remembers of its readers: enough to tell a later writer from all of them.
uint64_t joinReaders(uint64_t earlier, const Access& access) {
  uint64_t others = 0;
  uint32_t actor = access.actor;
  if (isOfThisDispatch(earlier, access)) {
    others = intervalOf(earlier) < access.groupBegan ? otherGroupsBit : earlier & otherGroupsBit;
    if (intervalOf(earlier) >= access.groupBegan && isConcurrent(earlier, access)) {
      const bool sameSimdgroup = simdgroupOf(actorOf(earlier)) == access.simdgroup;
      actor = sameSimdgroup ? severalOfSimdgroup + access.simdgroup : severalSimdgroups;
    }
  }
  return stampOf(access, actor) | others;
}

}  // namespace

ShadowMemory::Piece& ShadowMemory::pieceAt(int64_t index) {
  const int64_t page = index / pagePieces;
  if (page != latestIndex_) {
    std::unique_ptr<Piece[]>& pieces = pages_[page];
    if (pieces == nullptr) pieces = std::make_unique<Piece[]>(pagePieces);
    latestIndex_ = page;
    latest_ = pieces.get();
  }
  return latest_[index % pagePieces];
}

bool ShadowMemory::read(int64_t offset, int64_t bytes, const Access& access) {
  bool alone = true;
  for (int64_t i = offset / pieceBytes; i < (offset + bytes) / pieceBytes; ++i) {
    Piece& piece = pieceAt(i);
    alone = alone && !isConcurrent(piece.write, access);
    piece.read = joinReaders(piece.read, access);
  }
  return alone;
}

bool ShadowMemory::write(int64_t offset, int64_t bytes, const Access& access) {
  bool alone = true;
  for (int64_t i = offset / pieceBytes; i < (offset + bytes) / pieceBytes; ++i) {
    Piece& piece = pieceAt(i);
    const bool readElsewhere = isOfThisDispatch(piece.read, access) && (piece.read & otherGroupsBit) != 0;
    alone = alone && !isConcurrent(piece.write, access) && !isConcurrent(piece.read, access) && !readElsewhere;
    piece.write = stampOf(access, access.actor);
  }
  return alone;
}

bool ShadowMemory::wasWritten(int64_t offset, int64_t bytes, const Access& access) {
  for (int64_t i = offset / pieceBytes; i < (offset + bytes) / pieceBytes; ++i) {
    if (intervalOf(pieceAt(i).write) < access.groupBegan) return false;
  }
  return true;
}

}  // namespace conclave::emulated
