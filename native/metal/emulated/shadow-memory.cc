#include "shadow-memory.h"

#include <sys/mman.h>

#include <new>

namespace conclave::emulated {
namespace {

constexpr uint64_t otherGroupsBit = uint64_t{1} << 31;
constexpr uint32_t noSimdgroup = UINT32_MAX;

uint32_t turnOf(uint64_t stamp) { return static_cast<uint32_t>(stamp) & 0xffffu; }

}  // namespace

ShadowMemory::~ShadowMemory() {
  if (pieces_ != nullptr) munmap(pieces_, static_cast<size_t>(reservedBytes()));
}

// Most of a large buffer may never be touched: the system supplies pages at their first use, and is to promise none.
void ShadowMemory::reserve() {
  void* memory = mmap(nullptr, static_cast<size_t>(reservedBytes()), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  pieces_ = static_cast<Piece*>(memory);
}

uint32_t ShadowMemory::simdgroupOf(uint32_t actor) {
  if (actor == severalSimdgroups) return noSimdgroup;
  if (actor >= severalOfSimdgroup) return actor - severalOfSimdgroup;
  return actor >= simdgroupActor(0) ? actor - simdgroupActor(0) : actor / 32;
}

// Whether the stamped access may happen at the same time as the one at hand.
bool ShadowMemory::isConcurrent(uint64_t stamp, const Access& access) {
  if (intervalOf(stamp) < access.groupBegan) return true;
  if (intervalOf(stamp) < access.orderedSince || actorOf(stamp) == access.actor) return false;
  const bool passedBarrier = turnOf(stamp) != (access.simdgroupTurn & 0xffffu);
  return !(simdgroupOf(actorOf(stamp)) == access.simdgroup && passedBarrier);
}

bool ShadowMemory::isReadAtTheSameTime(uint64_t stamp, const Access& access) {
  return (stamp & otherGroupsBit) != 0 || isConcurrent(stamp, access);
}

// What a cell remembers of its readers: enough to tell a later writer from all of them.
uint64_t ShadowMemory::joinReaders(uint64_t earlier, const Access& access) {
  const bool ofOtherGroup = intervalOf(earlier) < access.groupBegan;
  const uint64_t others = ofOtherGroup ? otherGroupsBit : earlier & otherGroupsBit;
  Access joined = access;
  if (!ofOtherGroup && isConcurrent(earlier, access)) {
    const bool sameSimdgroup = simdgroupOf(actorOf(earlier)) == access.simdgroup;
    joined.actor = sameSimdgroup ? severalOfSimdgroup + access.simdgroup : severalSimdgroups;
  }
  return joined.stamp() | others;
}

}  // namespace conclave::emulated
