// What crosses between the nodes of a group within a layer: a header of 64 bytes and a body of raw little-endian rows.
// A body longer than a piece travels as several entries, each with the header. Every size is checked on arrival.
//
//   0  magic "CVLF"   16  layer    24  rows    40  digest of the routing
//   4  version        18  attempt  28  width   44  microseconds that the sender's experts took
//   5  kind           20  piece    32  slots   48  zeros
//   6  dtype          22  pieces   36  bytes of the whole body
//   8  epoch
//  12  step
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace conclave {

// work: rows and experts of its slots, i32 [slots] each, then the experts' input [rows, width]: leader to expert node.
// outputs: [slots, width], in the order of rows, then ranks. sums: f32 [rows, width], weighted, of the sender's rows.
// failure has no header: an entry of text, why the sender cannot go on.
enum class FrameKind : uint8_t { work, outputs, sums, failure };
enum class FrameDtype : uint16_t { f32, bf16 };

struct FrameHeader {
  FrameKind kind;
  FrameDtype dtype;
  uint32_t epoch, step;
  uint16_t layer, attempt;
  uint16_t piece, pieces;
  uint32_t rows, width, slots;
  uint32_t bodyBytes;  // of all pieces
  uint32_t digest;     // of the layer's routing
  uint32_t expertMicros;

  bool operator==(const FrameHeader&) const = default;
};

constexpr size_t frameHeaderBytes = 64;
constexpr size_t pieceBytes = 256 * 1024;

uint16_t piecesOf(size_t bodyBytes);

std::array<char, frameHeaderBytes> encodeFrameHeader(const FrameHeader& header);

/** Throws std::invalid_argument, saying what is wrong, unless header and chunk are one piece of a frame of its kind. */
FrameHeader decodeFramePiece(std::string_view header, std::string_view chunk);

}  // namespace conclave
