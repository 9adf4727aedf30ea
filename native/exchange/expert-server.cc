#include "expert-server.h"

#include <cstring>
#include <new>
#include <utility>

#include "../core/failure.h"

namespace conclave {
namespace {

// The leader has read what came before: it asks for a layer at a time.
constexpr int32_t keepNothing = 0;

std::vector<int32_t> wordsAt(std::string_view body, size_t first, size_t count) {
  std::vector<int32_t> words(count);
  std::memcpy(words.data(), body.data() + first * sizeof(int32_t), count * sizeof(int32_t));
  return words;
}

}  // namespace

ExpertServer::ExpertServer(const ModelShape& shape, int32_t leader, int32_t maxRows,
                           std::unique_ptr<FrameExchange> exchange)
    : shape_(shape),
      leader_(leader),
      maxSlots_(static_cast<size_t>(maxRows) * static_cast<size_t>(shape.topK)),
      exchange_(std::move(exchange)) {}

std::string ExpertServer::serve(const ModelSession::ComputeExperts& compute) {
  try {
    exchange_->beginStep(0);
    return serveNext(compute);
  } catch (const BadFrame& bad) {
    return bad.what();
  } catch (const Failure& failure) {
    if (failure.code == FailureCode::exchange) exchange_->disconnect();
    throw;
  }
}

std::string ExpertServer::serveNext(const ModelSession::ComputeExperts& compute) {
  for (;;) {
    const ReceivedFrame work = exchange_->nextWork();
    try {
      answer(work, compute);
    } catch (const Failure& failure) {
      if (failure.code == FailureCode::exchange || failure.code == FailureCode::interrupted) throw;
      sendFailure(work.header, failure.what());
      if (failure.code == FailureCode::deviceLost) throw;
      return failure.what();
    } catch (const std::bad_alloc&) {
      sendFailure(work.header, "not enough memory");
      return "not enough memory";
    }
  }
}

void ExpertServer::answer(const ReceivedFrame& work, const ModelSession::ComputeExperts& compute) {
  const Clock::time_point start = Clock::now();
  compute(workOf(work));
  sendOutputs(work.header, std::chrono::duration<double>(Clock::now() - start).count());
}

ExpertWork ExpertServer::workOf(const ReceivedFrame& frame) {
  const FrameHeader& header = frame.header;
  const DType activations = shape_.activations;
  require(header.width == static_cast<uint32_t>(shape_.dModel), "the rows are of another width");
  require((header.dtype == FrameDtype::bf16) == (activations == DType::bf16), "the rows are of another type");
  require(header.slots <= maxSlots_, "there are more slots than rows times experts per row");
  const size_t slots = header.slots;
  outputs_.resize(slots * static_cast<size_t>(shape_.dModel) * bytesPerWeight(activations));
  return {header.layer,
          wordsAt(frame.body, 0, slots),
          wordsAt(frame.body, slots, slots),
          reinterpret_cast<const std::byte*>(frame.body.data()) + 2 * slots * sizeof(int32_t),
          static_cast<int32_t>(header.rows),
          outputs_.data()};
}

void ExpertServer::sendOutputs(const FrameHeader& work, double seconds) {
  FrameHeader frame = work;
  frame.kind = FrameKind::outputs;
  frame.expertMicros = static_cast<uint32_t>(seconds * 1e6);
  exchange_->sendTo(leader_, frame, outputs_, keepNothing);
}

void ExpertServer::sendFailure(const FrameHeader& work, const std::string& why) {
  exchange_->sendFailure(leader_, work.layer, work.attempt, "member:" + why);
}

}  // namespace conclave
