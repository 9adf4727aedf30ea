// A member's frames to and from the others of its group under one plan, for the thread that computes
// (docs/design.md#steps-and-frames; decision 0071 says how they lie on Redis). A member reads at one exchange, its own
// or the group's, and writes to those at which the receivers read.
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "interrupt.h"
#include "layer-frame.h"
#include "redis-connection.h"

namespace conclave {

struct ExchangeStreams {
  struct Incoming {
    std::string key;
    int32_t from;  // the member that writes it
  };
  struct Outgoing {
    size_t exchange;  // index into `exchanges`
    std::string key;
  };
  std::vector<RedisAddress> exchanges;  // the first is where this member reads
  std::vector<Outgoing> toAll;          // what this member writes and all others read: one at each of their exchanges
  std::vector<Outgoing> toMember;       // [members]: what one of them alone reads; of this member not used
  std::vector<Incoming> incoming;
};

struct ReceivedFrame {
  int32_t from;
  FrameHeader header;
  std::string_view body;  // lives until the next frame is asked for
};

/** An entry of member `from` that is no frame; it is dropped. */
class BadFrame : public std::runtime_error {
 public:
  BadFrame(int32_t from, const std::string& what) : std::runtime_error(what), from(from) {}
  const int32_t from;
};

class FrameExchange {
 public:
  /**
   * `name` of its connections, which are opened when they are first needed. After `writeTimeout` in which Redis takes
   * nothing of what is to be written it counts as away.
   */
  FrameExchange(std::string name, uint32_t epoch, ExchangeStreams streams,
                std::chrono::milliseconds writeTimeout = std::chrono::seconds(5));

  /** Ends this exchange from any thread: a wait that runs, and all that come, throw Failure `interrupted`. */
  void interrupt() noexcept { interrupt_.raise(); }

  // All of these throw Failure `exchange` when a Redis is unreachable or refuses, `interrupted`. After that another
  // plan must come, or disconnect.

  /** Frames are of this step from now on; steps ascend. */
  void beginStep(uint32_t step);
  /**
   * The frame goes to all members. Its step, epoch and pieces are filled in. `keptLayers` is how many layers before its
   * own the stream keeps, at least; -1 keeps all of this step and of the one before.
   */
  void broadcast(FrameHeader frame, std::span<const std::byte> body, int32_t keptLayers);
  /** To one member alone. */
  void sendTo(int32_t member, FrameHeader frame, std::span<const std::byte> body, int32_t keptLayers);
  /** A failure to one member, of this step. */
  void sendFailure(int32_t member, uint16_t layer, uint16_t attempt, const std::string& text);
  /**
   * The next frame of this kind and layer of the step, or a failure of whatever point. Earlier frames are dropped,
   * later ones kept. Null when there is none by `deadline`. Throws BadFrame, too.
   */
  std::optional<ReceivedFrame> next(FrameKind kind, uint16_t layer, Clock::time_point deadline);
  /** The next frame of work, of whatever step; frames are of that step from now on. Throws BadFrame, too. */
  ReceivedFrame nextWork();

  /** Closes the connections. Those opened by the next step read on where these were. */
  void disconnect();

 private:
  struct Outgoing {
    size_t exchange;
    std::string key;
    Clock::time_point renewed = {};  // when its time to live was set
  };
  struct Writer {
    std::optional<RedisConnection> connection;
    int64_t unanswered = 0;  // commands without a reply
  };
  // Ids are pairs of numbers.
  using Id = std::pair<uint64_t, uint64_t>;
  struct Stream {
    std::string key;
    int32_t from;
    Id after;          // of the entry received last
    Id handled;        // of the entry handed out last
    std::string body;  // of a frame of which not all pieces have come
    FrameHeader next;  // of the piece of it that must come now
  };
  struct EarlyFrame {
    ReceivedFrame frame;
    std::string body;
  };

  void send(Outgoing& stream, FrameHeader& frame, std::span<const std::byte> body, int32_t keptLayers);
  void add(Outgoing& stream, const std::vector<std::string_view>& command);
  void renewTimeToLive(Outgoing& stream);
  RedisConnection& writerAt(size_t exchange);
  void flush(RedisConnection& writer);
  void drainReplies(size_t exchange);
  void ask();
  std::optional<ReceivedFrame> nextEarly(FrameKind kind, uint16_t layer);
  std::optional<ReceivedFrame> read(Clock::time_point deadline);
  bool takeReply(Clock::time_point deadline);
  void recordIds(const RespValue& reply);
  static Id idOf(const RespValue& entry);
  uint64_t prefixOf(uint32_t step) const { return static_cast<uint64_t>(epoch_) << 32 | step; }
  std::optional<ReceivedFrame> takeEntry(Stream& stream, const RespValue& entry);
  static ReceivedFrame failureAt(const Stream& stream, std::string_view text);
  std::optional<ReceivedFrame> assemble(Stream& stream, const FrameHeader& header, std::string_view chunk);
  Stream& streamNamed(std::string_view key);

  const std::vector<RedisAddress> addresses_;
  const std::string name_;
  const uint32_t epoch_;
  const std::chrono::milliseconds writeTimeout_;
  std::vector<Outgoing> toAll_, toMember_;
  Interrupt interrupt_;
  std::vector<Writer> writers_;  // [addresses]
  std::optional<RedisConnection> reader_;
  uint32_t step_ = 0;
  std::vector<Stream> streams_;
  bool asked_ = false;  // a read waits at Redis
  RespValue reply_;     // of the latest read; entries [nextStream_, nextEntry_) and after are not handed out
  size_t nextStream_ = 0, nextEntry_ = 0;
  std::deque<EarlyFrame> early_;
  std::string held_;  // the body of the frame handed out last, if it had come early
};

}  // namespace conclave
