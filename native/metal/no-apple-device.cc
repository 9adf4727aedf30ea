#include "../core/failure.h"
#include "apple-device.h"

namespace conclave {

std::unique_ptr<GpuDevice> openAppleDevice() {
  throw Failure(
      FailureCode::unavailable,
      "Metal needs a Mac with Apple silicon; this is another system (use backend cpu, or metal-emulated for tests)");
}

}  // namespace conclave
