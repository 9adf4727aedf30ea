#include "layer-frame.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <string>

namespace conclave {
namespace {

static_assert(std::endian::native == std::endian::little, "frames are little-endian");

constexpr uint32_t magic = 0x464c5643;
constexpr uint8_t version = 2;
constexpr uint16_t kinds = 3, dtypes = 2;

[[noreturn]] void bad(const std::string& what) { throw std::invalid_argument("A frame " + what + "."); }

template <typename T>
void put(std::array<char, frameHeaderBytes>& bytes, size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

template <typename T>
T get(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// At most 2^40, which no body can hold either: the bytes fit into 64 bits.
uint64_t valuesOf(uint64_t rows, uint64_t width) { return std::min(rows * width, uint64_t{1} << 40); }

// Bytes of the body that a header announces.
uint64_t announcedBytes(const FrameHeader& header) {
  const uint64_t bytesPerValue = header.dtype == FrameDtype::bf16 ? 2 : 4;
  switch (header.kind) {
    case FrameKind::work:
      return uint64_t{header.slots} * 8 + valuesOf(header.rows, header.width) * bytesPerValue;
    case FrameKind::outputs:
      return valuesOf(header.slots, header.width) * bytesPerValue;
    default:
      return valuesOf(header.rows, header.width) * 4;
  }
}

void checkSizes(const FrameHeader& header, size_t chunkBytes) {
  const uint64_t announced = announcedBytes(header);
  if (announced != header.bodyBytes) {
    bad("announces " + std::to_string(header.bodyBytes) + " bytes instead of " + std::to_string(announced));
  }
  if (header.pieces != piecesOf(header.bodyBytes) || header.piece >= header.pieces) bad("has a wrong piece");
  const size_t expected = std::min<size_t>(pieceBytes, header.bodyBytes - header.piece * pieceBytes);
  if (chunkBytes != expected) {
    bad("has a piece of " + std::to_string(chunkBytes) + " bytes instead of " + std::to_string(expected));
  }
}

}  // namespace

uint16_t piecesOf(size_t bodyBytes) {
  return static_cast<uint16_t>(std::max<size_t>(1, (bodyBytes + pieceBytes - 1) / pieceBytes));
}

std::array<char, frameHeaderBytes> encodeFrameHeader(const FrameHeader& header) {
  std::array<char, frameHeaderBytes> bytes{};
  put(bytes, 0, magic);
  put(bytes, 4, version);
  put(bytes, 5, header.kind);
  put(bytes, 6, header.dtype);
  put(bytes, 8, header.epoch);
  put(bytes, 12, header.step);
  put(bytes, 16, header.layer);
  put(bytes, 18, header.attempt);
  put(bytes, 20, header.piece);
  put(bytes, 22, header.pieces);
  put(bytes, 24, header.rows);
  put(bytes, 28, header.width);
  put(bytes, 32, header.slots);
  put(bytes, 36, header.bodyBytes);
  put(bytes, 40, header.digest);
  put(bytes, 44, header.expertMicros);
  return bytes;
}

FrameHeader decodeFramePiece(std::string_view bytes, std::string_view chunk) {
  if (bytes.size() != frameHeaderBytes) bad("has a header of " + std::to_string(bytes.size()) + " bytes");
  if (get<uint32_t>(bytes, 0) != magic || get<uint8_t>(bytes, 4) != version)
    bad("has an unknown magic number or version");
  const uint8_t kind = get<uint8_t>(bytes, 5);
  const uint16_t dtype = get<uint16_t>(bytes, 6);
  if (kind >= kinds || dtype >= dtypes) bad("has an unknown kind or dtype");
  const FrameHeader header{static_cast<FrameKind>(kind), static_cast<FrameDtype>(dtype), get<uint32_t>(bytes, 8),
                           get<uint32_t>(bytes, 12),     get<uint16_t>(bytes, 16),       get<uint16_t>(bytes, 18),
                           get<uint16_t>(bytes, 20),     get<uint16_t>(bytes, 22),       get<uint32_t>(bytes, 24),
                           get<uint32_t>(bytes, 28),     get<uint32_t>(bytes, 32),       get<uint32_t>(bytes, 36),
                           get<uint32_t>(bytes, 40),     get<uint32_t>(bytes, 44)};
  checkSizes(header, chunk.size());
  return header;
}

}  // namespace conclave
