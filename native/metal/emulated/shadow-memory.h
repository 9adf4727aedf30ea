// Who touched each piece of memory last: finds races whatever order the emulated threads happen to run in.
//
// Time is counted in intervals: a new one begins with every threadgroup and threadgroup barrier, and with every scope:
// the dispatches between two barriers of their commands. Threadgroups run one after the other, so those of an earlier
// group of the same scope are told by their interval alone, and no barrier orders them before the group at hand.
#pragma once
#include <cstddef>
#include <cstdint>

namespace conclave::emulated {

// Who accesses, as a number of 15 bits: a thread of the group, or a simdgroup acting as one (matrix operations).
constexpr uint32_t simdgroupActor(uint32_t simdgroup) { return 256 + simdgroup; }

// One access, and what is known to have happened before it.
struct Access {
  uint32_t interval;      // now
  uint32_t scopeBegan;    // first interval since the last barrier between dispatches
  uint32_t groupBegan;    // first interval of this threadgroup
  uint32_t orderedSince;  // accesses of this group before this interval are behind a barrier for this kind of memory
  uint32_t actor;
  uint32_t simdgroup;
  uint32_t simdgroupTurn;  // barriers for this kind of memory that the simdgroup has passed, modulo 2^16

  // interval << 32 | readByOtherGroups << 31 | actor << 16 | simdgroupTurn
  uint64_t stamp() const { return uint64_t{interval} << 32 | uint64_t{actor} << 16 | (simdgroupTurn & 0xffffu); }
};

class ShadowMemory {
 public:
  /** Of memory of that size. Takes memory where that is touched, from then on. */
  explicit ShadowMemory(int64_t bytes) : bytes_(bytes) {}
  ~ShadowMemory();
  ShadowMemory(const ShadowMemory&) = delete;
  ShadowMemory& operator=(const ShadowMemory&) = delete;

  /** Notes the access to [offset, offset + bytes) and says whether nothing else may happen at the same time. */
  bool read(int64_t offset, int64_t bytes, const Access& access) {
    bool alone = true;
    Piece* const end = pieceAt(offset + bytes);
    for (Piece* piece = pieceAt(offset); piece < end; ++piece) {
      if (isOfThisScope(piece->write, access)) alone = alone && !isConcurrent(piece->write, access);
      const uint64_t stamp = access.stamp();
      if (piece->read == stamp || isReadByAll(piece->read, access)) continue;
      piece->read = isOfThisScope(piece->read, access) ? joinReaders(piece->read, access) : stamp;
    }
    return alone;
  }
  bool write(int64_t offset, int64_t bytes, const Access& access) {
    bool alone = true;
    Piece* const end = pieceAt(offset + bytes);
    for (Piece* piece = pieceAt(offset); piece < end; ++piece) {
      if (isOfThisScope(piece->write, access)) alone = alone && !isConcurrent(piece->write, access);
      if (isOfThisScope(piece->read, access)) alone = alone && !isReadAtTheSameTime(piece->read, access);
      piece->write = access.stamp();
    }
    return alone;
  }
  /** Whether this threadgroup wrote all of [offset, offset + bytes). */
  bool wasWritten(int64_t offset, int64_t bytes, const Access& access) {
    Piece* const end = pieceAt(offset + bytes);
    for (Piece* piece = pieceAt(offset); piece < end; ++piece) {
      if (intervalOf(piece->write) < access.groupBegan) return false;
    }
    return true;
  }

 private:
  // Stamps: see Access.
  struct Piece {
    uint64_t write, read;
  };
  static constexpr int64_t pieceBytes = 2;
  // Actors for readers that became several: all of one simdgroup, or of more.
  static constexpr uint32_t severalOfSimdgroup = 512, severalSimdgroups = 1023;

  static uint32_t actorOf(uint64_t stamp) { return static_cast<uint32_t>(stamp >> 16) & 0x7fffu; }
  static uint32_t simdgroupOf(uint32_t actor);
  static uint32_t intervalOf(uint64_t stamp) { return static_cast<uint32_t>(stamp >> 32); }
  static bool isOfThisScope(uint64_t stamp, const Access& access) { return intervalOf(stamp) >= access.scopeBegan; }
  // Then one reader more changes nothing.
  static bool isReadByAll(uint64_t stamp, const Access& access) {
    return intervalOf(stamp) == access.interval && actorOf(stamp) == severalSimdgroups;
  }
  // Of stamps of this scope.
  static bool isConcurrent(uint64_t stamp, const Access& access);
  static bool isReadAtTheSameTime(uint64_t stamp, const Access& access);
  static uint64_t joinReaders(uint64_t earlier, const Access& access);

  Piece* pieceAt(int64_t offset) {
    if (pieces_ == nullptr) reserve();
    return pieces_ + offset / pieceBytes;
  }
  int64_t reservedBytes() const { return (bytes_ / pieceBytes + 1) * static_cast<int64_t>(sizeof(Piece)); }
  void reserve();

  int64_t bytes_;
  Piece* pieces_ = nullptr;
};

}  // namespace conclave::emulated
