#include "read-probe.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "failure.h"
#include "thread-pool.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace conclave {
namespace {

constexpr int64_t lineBytes = 64;
// What a thread takes at a time: far above the cost of handing it out, far below what leaves another thread idle.
constexpr int64_t pieceBytes = int64_t{2} << 20;

using Line = uint64_t __attribute__((vector_size(lineBytes)));

uint64_t foldLine(const Line& line) {
  return line[0] ^ line[1] ^ line[2] ^ line[3] ^ line[4] ^ line[5] ^ line[6] ^ line[7];
}

// Four sums, because one would wait for itself. Their value is of no interest, but it keeps the loads from being
// removed.
uint64_t foldLines(const std::byte* begin, int64_t lines) {
  const Line* line = reinterpret_cast<const Line*>(begin);
  Line sums[4] = {};
  for (int64_t i = 0; i < lines; ++i) sums[i % 4] ^= line[i];
  return foldLine(sums[0] ^ sums[1] ^ sums[2] ^ sums[3]);
}

#if defined(__x86_64__)
// As foldLines, with one load for a line.
__attribute__((target("avx512f"))) uint64_t foldLinesAvx512(const std::byte* begin, int64_t lines) {
  const __m512i* line = reinterpret_cast<const __m512i*>(begin);
  __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 <= lines; i += 4) {
    a = _mm512_xor_si512(a, _mm512_load_si512(line + i));
    b = _mm512_xor_si512(b, _mm512_load_si512(line + i + 1));
    c = _mm512_xor_si512(c, _mm512_load_si512(line + i + 2));
    d = _mm512_xor_si512(d, _mm512_load_si512(line + i + 3));
  }
  for (; i < lines; ++i) a = _mm512_xor_si512(a, _mm512_load_si512(line + i));
  const __m512i sum = _mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d));
  return foldLine(reinterpret_cast<Line>(sum));
}
#endif

using Fold = uint64_t (*)(const std::byte* begin, int64_t lines);

Fold widestFold() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return foldLinesAvx512;
#endif
  return foldLines;
}

struct Piece {
  const std::byte* begin;
  int64_t lines;
};

std::vector<Piece> piecesOf(const std::vector<std::span<const std::byte>>& ranges) {
  std::vector<Piece> pieces;
  for (const std::span<const std::byte>& range : ranges) {
    const int64_t bytes = static_cast<int64_t>(range.size()) / lineBytes * lineBytes;
    for (int64_t from = 0; from < bytes; from += pieceBytes) {
      pieces.push_back({range.data() + from, std::min(pieceBytes, bytes - from) / lineBytes});
    }
  }
  return pieces;
}

}  // namespace

double probeReadSeconds(const std::vector<std::span<const std::byte>>& ranges, int threads, int passes) {
  require(threads >= 1 && passes >= 1, "threads and passes must be at least 1");
  const std::vector<Piece> pieces = piecesOf(ranges);
  const Fold fold = widestFold();
  std::atomic<uint64_t> sum{0};
  ThreadPool pool(threads);
  const auto start = std::chrono::steady_clock::now();
  for (int pass = 0; pass < passes; ++pass) {
    pool.run(static_cast<int32_t>(pieces.size()), [&](int32_t item, int) {
      const Piece& piece = pieces[static_cast<size_t>(item)];
      sum.fetch_xor(fold(piece.begin, piece.lines), std::memory_order_relaxed);
    });
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace conclave
