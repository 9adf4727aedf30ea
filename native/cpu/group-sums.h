// The sums of groups of inputs that products by affine panels take beside the rows (Kernels::sumGroups), for the rows
// of one product: [rows, inputs / group]. Computed once per row, shared by all outputs.
#pragma once
#include <vector>

#include "../core/zeroed-memory.h"
#include "kernels.h"

namespace conclave {

class GroupSums {
 public:
  GroupSums() = default;
  /** For rows of up to `width` inputs. */
  GroupSums(int64_t rows, int64_t width) {
    const int64_t groups = width / smallestGroup;
    memory_ = ZeroedMemory(rows * groups * int64_t{sizeof(float)});
    for (int64_t r = 0; r < rows; ++r) rows_.push_back(reinterpret_cast<float*>(memory_.data()) + r * groups);
  }

  /** Of row r, which is `x`, for a matrix of this format. */
  void set(const Kernels& kernels, int64_t r, const void* x, DType type, int32_t inputs, const WeightFormat& format) {
    kernels.sumGroups(x, type, inputs, format.group, rows_[static_cast<size_t>(r)]);
  }

  /** Of all rows from `first` on. */
  const float* const* rows(int64_t first) const { return rows_.data() + first; }

 private:
  static constexpr int64_t smallestGroup = 16;

  ZeroedMemory memory_;
  std::vector<float*> rows_;
};

}  // namespace conclave
