// What the dispatches since the last barrier read and write, by view: one that touches what another of them writes must
// come behind a barrier.
#pragma once
#include <vector>

#include "gpu-device.h"

namespace conclave {

class PendingAccesses {
 public:
  bool collideWith(const GpuDispatch& dispatch) const;
  void add(const GpuDispatch& dispatch);
  void clear() { accesses_.clear(); }

 private:
  struct Access {
    GpuView view;
    bool writes;
  };

  std::vector<Access> accesses_;
};

}  // namespace conclave
