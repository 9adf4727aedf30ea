#include "pending-accesses.h"

#include <algorithm>

namespace conclave {
namespace {

bool overlap(const GpuView& a, const GpuView& b) {
  return a.buffer == b.buffer && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

bool writes(const GpuDispatch& dispatch, size_t buffer) { return (dispatch.pipeline->writes >> buffer & 1) != 0; }

}  // namespace

bool PendingAccesses::collideWith(const GpuDispatch& dispatch) const {
  for (size_t i = 0; i < dispatch.buffers.size(); ++i) {
    const bool written = writes(dispatch, i);
    const bool collides = std::any_of(accesses_.begin(), accesses_.end(), [&](const Access& access) {
      return (written || access.writes) && overlap(access.view, dispatch.buffers[i]);
    });
    if (collides) return true;
  }
  return false;
}

void PendingAccesses::add(const GpuDispatch& dispatch) {
  for (size_t i = 0; i < dispatch.buffers.size(); ++i) accesses_.push_back({dispatch.buffers[i], writes(dispatch, i)});
}

}  // namespace conclave
