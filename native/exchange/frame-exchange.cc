#include "frame-exchange.h"

#include <algorithm>
#include <charconv>
#include <tuple>
#include <utility>

#include "../core/failure.h"

namespace conclave {
namespace {

constexpr uint32_t mostPieces = 4096;

// The field of an entry by which a member reports that it cannot go on, as workers/exchange/exchange-link.ts writes it.
constexpr std::string_view failureField = "failure";

// Streams of nodes that are gone disappear after ten minutes without a frame.
constexpr std::string_view streamLifeMs = "600000";
constexpr std::chrono::minutes renewAfter(1);

// Ids as workers/exchange/frame-id.ts makes them.
uint64_t frameSequence(int32_t layer, uint32_t attempt, uint32_t piece) {
  return static_cast<uint64_t>(layer + 1) * 0x10000 + attempt * mostPieces + piece;
}

std::string idText(uint64_t prefix, uint64_t sequence) {
  return std::to_string(prefix) + "-" + std::to_string(sequence);
}

// Which comes first in a step: layer by layer, and within one in the order of kinds.
std::tuple<uint32_t, uint16_t, FrameKind> pointOf(const FrameHeader& header) {
  return {header.step, header.layer, header.kind};
}

[[noreturn]] void throwUnexpectedReply() {
  throw Failure(FailureCode::exchange, "The exchange answers something else than was asked.");
}

uint64_t numberOf(std::string_view digits) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) throwUnexpectedReply();
  return number;
}

}  // namespace

FrameExchange::FrameExchange(std::string name, uint32_t epoch, ExchangeStreams streams,
                             std::chrono::milliseconds writeTimeout)
    : addresses_(std::move(streams.exchanges)),
      name_(std::move(name)),
      epoch_(epoch),
      writeTimeout_(writeTimeout),
      writers_(addresses_.size()) {
  const auto exists = [&](const ExchangeStreams::Outgoing& stream) { return stream.exchange < addresses_.size(); };
  require(!addresses_.empty() && std::ranges::all_of(streams.toAll, exists) &&
              std::ranges::all_of(streams.toMember, exists),
          "there is no such exchange");
  for (auto& [exchange, key] : streams.toAll) toAll_.push_back({exchange, std::move(key)});
  for (auto& [exchange, key] : streams.toMember) toMember_.push_back({exchange, std::move(key)});
  for (auto& [key, from] : streams.incoming) streams_.push_back({std::move(key), from, {}, {}, "", {}});
}

void FrameExchange::beginStep(uint32_t step) {
  interrupt_.check();
  if (!reader_.has_value()) reader_.emplace(addresses_[0], name_, interrupt_);
  step_ = step;
  while (!early_.empty() && early_.front().frame.header.step < step) early_.pop_front();
  // Whatever lies in the streams before is of earlier steps.
  for (Stream& stream : streams_) stream.after = std::max(stream.after, Id{prefixOf(step), 0});
}

void FrameExchange::disconnect() {
  for (Writer& writer : writers_) {
    writer.connection.reset();
    writer.unanswered = 0;
  }
  reader_.reset();
  asked_ = false;
  // Its texts went with the reader.
  reply_ = {};
  nextStream_ = nextEntry_ = 0;
  for (Stream& stream : streams_) stream.after = stream.handled;
}

void FrameExchange::broadcast(FrameHeader frame, std::span<const std::byte> body, int32_t keptLayers) {
  for (Outgoing& stream : toAll_) send(stream, frame, body, keptLayers);
}

void FrameExchange::sendTo(int32_t member, FrameHeader frame, std::span<const std::byte> body, int32_t keptLayers) {
  send(toMember_[static_cast<size_t>(member)], frame, body, keptLayers);
}

void FrameExchange::send(Outgoing& stream, FrameHeader& frame, std::span<const std::byte> body, int32_t keptLayers) {
  const std::string keptFrom =
      keptLayers < 0 ? idText(prefixOf(std::max(step_, 1u) - 1), 0)
                     : idText(prefixOf(step_), frameSequence(std::max(-1, frame.layer - keptLayers), 0, 0));
  const std::string_view bytes(reinterpret_cast<const char*>(body.data()), body.size());
  frame.epoch = epoch_;
  frame.step = step_;
  frame.pieces = piecesOf(body.size());
  frame.bodyBytes = static_cast<uint32_t>(body.size());
  RedisConnection& writer = writerAt(stream.exchange);
  drainReplies(stream.exchange);
  for (frame.piece = 0; frame.piece < frame.pieces; ++frame.piece) {
    const std::string id = idText(prefixOf(step_), frameSequence(frame.layer, frame.attempt, frame.piece));
    const auto header = encodeFrameHeader(frame);
    const std::string_view chunk = bytes.substr(frame.piece * pieceBytes, pieceBytes);
    add(stream, {"XADD", stream.key, "MINID", "=", keptFrom, id, "h", {header.data(), header.size()}, "b", chunk});
  }
  renewTimeToLive(stream);
  flush(writer);
}

void FrameExchange::sendFailure(int32_t member, uint16_t layer, uint16_t attempt, const std::string& text) {
  Outgoing& stream = toMember_[static_cast<size_t>(member)];
  RedisConnection& writer = writerAt(stream.exchange);
  drainReplies(stream.exchange);
  const std::string id = idText(prefixOf(step_), frameSequence(layer, attempt, 0));
  add(stream, {"XADD", stream.key, "MINID", "=", idText(prefixOf(step_), 0), id, failureField, text});
  renewTimeToLive(stream);
  flush(writer);
}

void FrameExchange::add(Outgoing& stream, const std::vector<std::string_view>& command) {
  writerAt(stream.exchange).queue(command);
  ++writers_[stream.exchange].unanswered;
}

RedisConnection& FrameExchange::writerAt(size_t exchange) {
  std::optional<RedisConnection>& connection = writers_[exchange].connection;
  if (!connection.has_value()) connection.emplace(addresses_[exchange], name_, interrupt_);
  return *connection;
}

void FrameExchange::renewTimeToLive(Outgoing& stream) {
  const Clock::time_point now = Clock::now();
  if (stream.renewed != Clock::time_point{} && now - stream.renewed < renewAfter) return;
  stream.renewed = now;
  add(stream, {"PEXPIRE", stream.key, streamLifeMs});
}

// Two that wrote to each other without reading might both wait for room.
void FrameExchange::flush(RedisConnection& writer) {
  while (!writer.flush()) {
    if (!interrupt_.await(reader_->descriptor(), writer.descriptor(), static_cast<int>(writeTimeout_.count()))) {
      throw Failure(FailureCode::exchange, "The exchange takes nothing any more.");
    }
    reader_->readAvailable();
  }
}

// No caller waits for a write; that one was refused is noticed with the next.
void FrameExchange::drainReplies(size_t exchange) {
  Writer& writer = writers_[exchange];
  while (writer.unanswered > 0 && writer.connection->receive(RedisConnection::now).has_value()) --writer.unanswered;
}

std::optional<ReceivedFrame> FrameExchange::next(FrameKind kind, uint16_t layer, Clock::time_point deadline) {
  const std::tuple wanted{step_, layer, kind};
  interrupt_.check();
  if (std::optional<ReceivedFrame> frame = nextEarly(kind, layer); frame.has_value()) return frame;
  for (;;) {
    std::optional<ReceivedFrame> frame = read(deadline);
    if (!frame.has_value()) return std::nullopt;
    if (frame->header.epoch != epoch_) continue;
    if (frame->header.kind == FrameKind::failure || pointOf(frame->header) == wanted) return frame;
    if (pointOf(frame->header) > wanted) early_.push_back({*frame, std::string(frame->body)});
  }
}

ReceivedFrame FrameExchange::nextWork() {
  interrupt_.check();
  for (;;) {
    const std::optional<ReceivedFrame> frame = read(RedisConnection::never);
    if (frame->header.epoch != epoch_ || frame->header.kind != FrameKind::work) continue;
    step_ = frame->header.step;
    return *frame;
  }
}

std::optional<ReceivedFrame> FrameExchange::nextEarly(FrameKind kind, uint16_t layer) {
  const std::tuple wanted{step_, layer, kind};
  const auto found = std::find_if(early_.begin(), early_.end(),
                                  [&](const EarlyFrame& early) { return pointOf(early.frame.header) == wanted; });
  if (found == early_.end()) return std::nullopt;
  ReceivedFrame frame = found->frame;
  held_ = std::move(found->body);
  frame.body = held_;
  early_.erase(found);
  return frame;
}

// The next whole frame of any sender.
std::optional<ReceivedFrame> FrameExchange::read(Clock::time_point deadline) {
  for (;;) {
    for (; nextStream_ < reply_.items.size(); ++nextStream_, nextEntry_ = 0) {
      Stream& stream = streamNamed(reply_.items[nextStream_].items[0].text);
      const std::vector<RespValue>& entries = reply_.items[nextStream_].items[1].items;
      while (nextEntry_ < entries.size()) {
        std::optional<ReceivedFrame> frame = takeEntry(stream, entries[nextEntry_++]);
        if (frame.has_value()) return frame;
      }
    }
    if (!takeReply(deadline)) return std::nullopt;
  }
}

// A read waits at Redis at all times, also while this node computes.
bool FrameExchange::takeReply(Clock::time_point deadline) {
  ask();
  std::optional<RespValue> reply = reader_->receive(deadline);
  if (!reply.has_value()) return false;
  asked_ = false;
  recordIds(*reply);
  reply_ = std::move(*reply);
  nextStream_ = nextEntry_ = 0;
  ask();
  return true;
}

// Throws Failure when this is no answer to XREAD, so that what follows need not look.
void FrameExchange::recordIds(const RespValue& reply) {
  if (reply.type != RespValue::Type::array && reply.type != RespValue::Type::null) throwUnexpectedReply();
  for (const RespValue& item : reply.items) {
    if (item.items.size() != 2 || item.items[1].items.empty()) throwUnexpectedReply();
    Stream& stream = streamNamed(item.items[0].text);
    for (const RespValue& entry : item.items[1].items) stream.after = std::max(stream.after, idOf(entry));
  }
}

FrameExchange::Id FrameExchange::idOf(const RespValue& entry) {
  if (entry.items.size() != 2) throwUnexpectedReply();
  const std::string_view text = entry.items[0].text;
  const size_t dash = text.find('-');
  if (dash == std::string_view::npos) throwUnexpectedReply();
  return {numberOf(text.substr(0, dash)), numberOf(text.substr(dash + 1))};
}

void FrameExchange::ask() {
  if (std::exchange(asked_, true)) return;
  std::vector<std::string_view> command{"XREAD", "BLOCK", "0", "STREAMS"};
  std::vector<std::string> after;
  for (const Stream& stream : streams_) command.push_back(stream.key);
  for (const Stream& stream : streams_) after.push_back(idText(stream.after.first, stream.after.second));
  command.insert(command.end(), after.begin(), after.end());
  reader_->send(command);
}

std::optional<ReceivedFrame> FrameExchange::takeEntry(Stream& stream, const RespValue& entry) {
  const std::vector<RespValue>& fields = entry.items[1].items;
  stream.handled = idOf(entry);
  if (fields.size() == 2 && fields[0].text == failureField) return failureAt(stream, fields[1].text);
  try {
    if (fields.size() != 4) throw std::invalid_argument("A frame has other fields than header and body.");
    return assemble(stream, decodeFramePiece(fields[1].text, fields[3].text), fields[3].text);
  } catch (const std::invalid_argument& bad) {
    stream.next = {};
    throw BadFrame(stream.from, bad.what());
  }
}

// Its id is all that an entry without a header has of a point.
ReceivedFrame FrameExchange::failureAt(const Stream& stream, std::string_view text) {
  const auto& [prefix, sequence] = stream.handled;
  FrameHeader header{};
  header.kind = FrameKind::failure;
  header.epoch = static_cast<uint32_t>(prefix >> 32);
  header.step = static_cast<uint32_t>(prefix);
  header.layer = static_cast<uint16_t>(sequence / 0x10000 - 1);
  header.attempt = static_cast<uint16_t>(sequence % 0x10000 / mostPieces);
  return {stream.from, header, text};
}

std::optional<ReceivedFrame> FrameExchange::assemble(Stream& stream, const FrameHeader& header,
                                                     std::string_view chunk) {
  if (header.pieces == 1) return ReceivedFrame{stream.from, header, chunk};
  if (header.piece == 0) {
    stream.body.clear();
  } else if (header != stream.next) {
    throw std::invalid_argument("A frame's piece " + std::to_string(header.piece) +
                                " does not follow those before it.");
  }
  stream.body += chunk;
  stream.next = header;
  if (++stream.next.piece < header.pieces) return std::nullopt;
  return ReceivedFrame{stream.from, header, stream.body};
}

FrameExchange::Stream& FrameExchange::streamNamed(std::string_view key) {
  const auto found =
      std::find_if(streams_.begin(), streams_.end(), [&](const Stream& stream) { return stream.key == key; });
  if (found == streams_.end()) throwUnexpectedReply();
  return *found;
}

}  // namespace conclave
