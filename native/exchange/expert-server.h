// A member of a centralized group that does not lead: computes the experts that the leader's work frames name, without
// a state of its own.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "../core/model-session.h"
#include "frame-exchange.h"

namespace conclave {

class ExpertServer {
 public:
  /** maxRows: what a frame of work may have, so that no sender decides how much memory this takes. */
  ExpertServer(const ModelShape& shape, int32_t leader, int32_t maxRows, std::unique_ptr<FrameExchange> exchange);

  /**
   * Computes what is asked for until something cannot be, of which the leader has been told: returns why. To be called
   * again then. Throws Failure `exchange`, after which it may be called again; `interrupted`, `device_lost`.
   */
  std::string serve(const ModelSession::ComputeExperts& compute);

  /** Its frames; interrupting them ends serve for good. */
  FrameExchange& exchange() { return *exchange_; }

 private:
  std::string serveNext(const ModelSession::ComputeExperts& compute);
  void answer(const ReceivedFrame& work, const ModelSession::ComputeExperts& compute);
  ExpertWork workOf(const ReceivedFrame& frame);
  void sendOutputs(const FrameHeader& work, double seconds);
  void sendFailure(const FrameHeader& work, const std::string& why);

  const ModelShape shape_;
  const int32_t leader_;
  const size_t maxSlots_;
  const std::unique_ptr<FrameExchange> exchange_;
  std::vector<std::byte> outputs_;  // [slots, dModel]
};

}  // namespace conclave
