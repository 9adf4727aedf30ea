// Rows as they enter a matrix product: bf16 for bf16 models, else f32 (docs/design.md#numerics-v1), padded with a zero
// to an even width, and an odd number of cache lines apart: a tile reads one column of many rows, and at a power of two
// all of them would meet in one set of the first-level cache.
#pragma once
#include <cstring>
#include <vector>

#include "../core/panel-layout.h"
#include "../core/zeroed-memory.h"
#include "kernels.h"

namespace conclave {

class ActivationRows {
 public:
  ActivationRows() = default;
  ActivationRows(DType type, int64_t rows, int64_t width)
      : type_(type),
        rowBytes_(((paddedInputs(width) * static_cast<int64_t>(bytesPerWeight(type)) + lineBytes - 1) / lineBytes | 1) *
                  lineBytes),
        memory_(rows * rowBytes_) {
    for (int64_t r = 0; r < rows; ++r) pointers_.push_back(memory_.data() + r * rowBytes_);
  }

  DType type() const { return type_; }
  const void* const* rows() const { return pointers_.data(); }
  const void* row(int64_t r) const { return pointers_[static_cast<size_t>(r)]; }

  /** Element `offset` of row r, for reading a part of it. */
  const void* at(int64_t r, int64_t offset) const {
    return static_cast<const std::byte*>(row(r)) + offset * static_cast<int64_t>(bytesPerWeight(type_));
  }

  /** Where rows from r on begin to be written, at `offset` of each. */
  TargetRows target(int64_t r, int64_t offset) const {
    return {memory_.data() + r * rowBytes_ + offset * static_cast<int64_t>(bytesPerWeight(type_)), rowBytes_, type_};
  }

  /** Stores values at [offset, offset + width) of row r, rounded as the type asks. */
  void set(const Kernels& kernels, int64_t r, int64_t offset, const float* values, int32_t width) const {
    kernels.storeRows(values, width, 1, width, target(r, offset));
  }

  /** Stores a row that has the type already: `bytes` of it, its padding stays. */
  void copy(int64_t r, const std::byte* values, size_t bytes) {
    std::memcpy(memory_.data() + r * rowBytes_, values, bytes);
  }

 private:
  static constexpr int64_t lineBytes = 64;

  DType type_ = DType::f32;
  int64_t rowBytes_ = 0;
  ZeroedMemory memory_;
  std::vector<const void*> pointers_;
};

}  // namespace conclave
