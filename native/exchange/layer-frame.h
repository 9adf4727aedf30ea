// What crosses between the nodes of a group within a layer, as infra/messages/layer-frame.ts describes it byte by byte:
// both sides of the exchange, this one and TypeScript's, read each other's frames.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace conclave {

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
  uint32_t padding;

  bool operator==(const FrameHeader&) const = default;
};

constexpr size_t frameHeaderBytes = 64;
constexpr size_t pieceBytes = 256 * 1024;

uint16_t piecesOf(size_t bodyBytes);

std::array<char, frameHeaderBytes> encodeFrameHeader(const FrameHeader& header);

/** Throws std::invalid_argument, saying what is wrong, unless header and chunk are one piece of a frame of its kind. */
FrameHeader decodeFramePiece(std::string_view header, std::string_view chunk);

}  // namespace conclave
