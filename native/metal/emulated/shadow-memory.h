// Who touched each piece of memory last: finds races whatever order the emulated threads happen to run in.
//
// Time is counted in intervals: a new one begins with every dispatch, threadgroup and threadgroup barrier. Threadgroups
// run one after the other, so those of an earlier group of the same dispatch are told by their interval alone, and no
// barrier orders them before the group at hand.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>

namespace conclave::emulated {

// Who accesses, as a number of 15 bits: a thread of the group, or a simdgroup acting as one (matrix operations).
constexpr uint32_t simdgroupActor(uint32_t simdgroup) { return 256 + simdgroup; }

// One access, and what is known to have happened before it.
struct Access {
  uint32_t interval;       // now
  uint32_t dispatchBegan;  // first interval of this dispatch
  uint32_t groupBegan;     // first interval of this threadgroup
  uint32_t orderedSince;   // accesses of this group before this interval are behind a barrier for this kind of memory
  uint32_t actor;
  uint32_t simdgroup;
  uint32_t simdgroupTurn;  // barriers for this kind of memory that the simdgroup has passed, modulo 2^16
};

class ShadowMemory {
 public:
  /** Notes the access to [offset, offset + bytes) and says whether nothing else may happen at the same time. */
  bool read(int64_t offset, int64_t bytes, const Access& access);
  bool write(int64_t offset, int64_t bytes, const Access& access);
  /** Whether this threadgroup wrote all of [offset, offset + bytes). */
  bool wasWritten(int64_t offset, int64_t bytes, const Access& access);

 private:
  // Stamps: interval << 32 | readByOtherGroups << 31 | actor << 16 | simdgroupTurn.
  struct Piece {
    uint64_t write = 0, read = 0;
  };
  static constexpr int64_t pieceBytes = 2, pagePieces = 1 << 12;

  Piece& pieceAt(int64_t index);

  std::unordered_map<int64_t, std::unique_ptr<Piece[]>> pages_;
  int64_t latestIndex_ = -1;
  Piece* latest_ = nullptr;
};

}  // namespace conclave::emulated
