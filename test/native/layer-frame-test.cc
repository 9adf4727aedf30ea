// Frames: the bytes are those of their version, and nothing else is taken for one.
#include "../../native/exchange/layer-frame.h"

#include <cstring>
#include <stdexcept>
#include <string>

#include "check.h"

using namespace conclave;
using conclave::test::Random;

namespace {

struct Entry {
  std::string header, chunk;
};

FrameHeader outputsHeader(uint32_t slots, uint32_t width) {
  FrameHeader header{};
  header.kind = FrameKind::outputs;
  header.dtype = FrameDtype::bf16;
  header.epoch = 7;
  header.step = 0xffffffff;
  header.layer = 39;
  header.attempt = 1;
  header.rows = slots;
  header.width = width;
  header.slots = slots;
  header.bodyBytes = slots * width * 2;
  header.pieces = piecesOf(header.bodyBytes);
  header.digest = 0xdeadbeef;
  header.expertMicros = 1'234;
  return header;
}

Entry entryOf(const FrameHeader& header, size_t chunkBytes) {
  const auto bytes = encodeFrameHeader(header);
  return {{bytes.data(), bytes.size()}, std::string(chunkBytes, 'x')};
}

FrameHeader decoded(const Entry& entry) { return decodeFramePiece(entry.header, entry.chunk); }

// What decodeFramePiece says; '' when it takes the piece.
std::string refusal(const Entry& entry) {
  try {
    decoded(entry);
  } catch (const std::invalid_argument& bad) {
    return bad.what();
  }
  return "";
}

std::string hexOf(const std::string& bytes) {
  std::string hex;
  for (const char byte : bytes) {
    for (const int digit : {byte >> 4 & 15, byte & 15}) hex += "0123456789abcdef"[digit];
  }
  return hex;
}

bool sameBytes(const FrameHeader& a, const FrameHeader& b) { return encodeFrameHeader(a) == encodeFrameHeader(b); }

template <typename T>
Entry spoiled(Entry entry, size_t at, T value) {
  std::memcpy(entry.header.data() + at, &value, sizeof value);
  return entry;
}

}  // namespace

// Members of one group may be of different builds: another layout needs another version.
TEST("a frame's header has the bytes of its version") {
  FrameHeader header = outputsHeader(101, 3333);
  header.piece = 2;
  CHECK(hexOf(entryOf(header, 0).header) ==
            "43564c460201010007000000ffffffff2700010002000300"
            "65000000050d000065000000f2450a00efbeadded2040000"
            "00000000000000000000000000000000",
        hexOf(entryOf(header, 0).header));
}

TEST("a frame of every kind comes back as it was sent") {
  FrameHeader work = outputsHeader(3, 100), sums = work;
  work.kind = FrameKind::work;
  work.rows = 2;
  work.bodyBytes = 3 * 8 + 2 * 100 * 2;
  sums.kind = FrameKind::sums;
  sums.slots = 0;
  sums.bodyBytes = 3 * 100 * 4;
  FrameHeader single = outputsHeader(2, 9);
  single.dtype = FrameDtype::f32;
  single.bodyBytes = 2 * 9 * 4;
  for (const FrameHeader& header : {work, outputsHeader(4, 1536), outputsHeader(0, 1536), sums, single}) {
    CHECK(sameBytes(decoded(entryOf(header, header.bodyBytes)), header),
          "kind " + std::to_string(static_cast<int>(header.kind)));
  }
}

TEST("a body longer than a piece comes in several, of which the last may be short") {
  CHECK(piecesOf(0) == 1 && piecesOf(pieceBytes) == 1 && piecesOf(pieceBytes + 1) == 2, "pieces");
  FrameHeader header = outputsHeader(101, 3333);
  CHECK(header.pieces == 3, "three pieces");
  for (header.piece = 0; header.piece < 3; ++header.piece) {
    const size_t bytes = header.piece == 2 ? header.bodyBytes - 2 * pieceBytes : pieceBytes;
    CHECK(sameBytes(decoded(entryOf(header, bytes)), header), "piece " + std::to_string(header.piece));
    CHECK(refusal(entryOf(header, bytes - 1)).starts_with("A frame has a piece of "), "a short chunk");
    CHECK(refusal(entryOf(header, bytes + 1)).starts_with("A frame has a piece of "), "a long chunk");
  }
}

TEST("what is no frame is refused") {
  const Entry good = entryOf(outputsHeader(4, 16), 128);
  CHECK(refusal(good).empty(), refusal(good));
  CHECK(refusal({"", ""}) == "A frame has a header of 0 bytes.", "no header");
  CHECK(refusal({good.header + "x", good.chunk}) == "A frame has a header of 65 bytes.", "a long header");
  const std::string other = "A frame has an unknown magic number or version.",
                    unknown = "A frame has an unknown kind or dtype.";
  CHECK(refusal(spoiled(good, 0, uint8_t{0})) == other, "magic");
  CHECK(refusal(spoiled(good, 4, uint8_t{1})) == other, "version");
  CHECK(refusal(spoiled(good, 5, uint8_t{3})) == unknown, "kind");
  CHECK(refusal(spoiled(good, 6, uint16_t{2})) == unknown, "dtype");
  CHECK(refusal(spoiled(good, 20, uint16_t{1})) == "A frame has a wrong piece.", "piece");
  CHECK(refusal(spoiled(good, 22, uint16_t{2})) == "A frame has a wrong piece.", "pieces");
  CHECK(refusal(spoiled(good, 32, uint32_t{5})) == "A frame announces 128 bytes instead of 160.", "slots");
}

TEST("a size that does not fit into 64 bits is no small one") {
  FrameHeader header = outputsHeader(1u << 31, 1u << 31);
  header.dtype = FrameDtype::f32;
  header.bodyBytes = 0;
  header.pieces = 1;
  for (const FrameKind kind : {FrameKind::work, FrameKind::outputs, FrameKind::sums}) {
    header.kind = kind;
    header.slots = kind == FrameKind::work ? 0 : header.rows;
    CHECK(refusal(entryOf(header, 0)).starts_with("A frame announces 0 bytes instead of "),
          "kind " + std::to_string(static_cast<int>(kind)));
  }
}

TEST("a header that was changed anywhere is refused or means what it says") {
  const Entry good = entryOf(outputsHeader(3, 10), 60);
  Random random(32);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    Entry entry = spoiled(good, static_cast<size_t>(random.below(frameHeaderBytes)), static_cast<char>(random.bits()));
    entry.chunk.resize(static_cast<size_t>(60 + random.between(-3, 3)));
    if (!refusal(entry).empty()) {
      ++refused;
    } else {
      CHECK(decoded(entry).bodyBytes == entry.chunk.size(), "the body is as long as the header says");
    }
  }
  CHECK(refused > 10'000 && refused < 19'900, std::to_string(refused) + " were refused");
}
