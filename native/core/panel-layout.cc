#include "panel-layout.h"

#include <algorithm>
#include <cstring>

namespace conclave {
namespace {

// T only names the width: values are moved, never converted. A checkpoint's tensors may start at any byte.
template <typename T>
void packPanel(const StridedMatrix& matrix, int64_t firstOutput, T* panel) {
  const auto copy = [&](int64_t output, int64_t input, T* to) {
    const int64_t index = output * matrix.outputStride + input * matrix.inputStride;
    std::memcpy(to, matrix.data + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  };
  const int64_t lanes = std::min<int64_t>(panelOutputs, matrix.outputs - firstOutput);
  std::memset(panel, 0, static_cast<size_t>(panelBytes(matrix.dtype, matrix.inputs)));
  // Walk the source along its contiguous direction.
  if (matrix.inputStride == 1) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      for (int64_t i = 0; i < matrix.inputs; ++i) {
        copy(firstOutput + lane, i, &panel[panelIndex(matrix.dtype, i, lane)]);
      }
    }
    return;
  }
  for (int64_t i = 0; i < matrix.inputs; ++i) {
    for (int64_t lane = 0; lane < lanes; ++lane) {
      copy(firstOutput + lane, i, &panel[panelIndex(matrix.dtype, i, lane)]);
    }
  }
}

}  // namespace

void packPanels(const StridedMatrix& matrix, std::byte* out, int64_t slotStep, int64_t slotOffset) {
  const int64_t bytes = panelBytes(matrix.dtype, matrix.inputs);
  for (int64_t p = 0; p < panelCount(matrix.outputs); ++p) {
    std::byte* panel = out + (p * slotStep + slotOffset) * bytes;
    if (matrix.dtype == DType::f32) {
      packPanel(matrix, p * panelOutputs, reinterpret_cast<uint32_t*>(panel));
    } else {
      packPanel(matrix, p * panelOutputs, reinterpret_cast<uint16_t*>(panel));
    }
  }
}

}  // namespace conclave
