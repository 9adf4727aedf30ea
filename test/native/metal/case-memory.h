// What the kernels' cases are made of: values that a storage type holds exactly, their bytes as kernels expect them,
// and buffers of one case on one device.
#pragma once
#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "../../../native/core/float-bits.h"
#include "../../../native/core/panel-layout.h"
#include "../../../native/metal/metal-kernels.h"
#include "../../../native/metal/sized-commands.h"
#include "kernel-cases.h"

namespace conclave::test {

using Values = std::vector<float>;
using Ids = std::vector<int32_t>;

// A matrix or rows of f32 that the storage type holds exactly.
inline Values stored(Random& random, DType dtype, int64_t count, float scale = 1.0f) {
  Values values(static_cast<size_t>(count));
  for (float& value : values) {
    value = random.value(scale);
    // Few enough bits for either 16-bit format.
    if (dtype != DType::f32) value = bf16ToF32(f32ToBf16(value));
  }
  return values;
}

// Only for what stored() makes: normal, and with no more bits than an f16 has.
inline uint16_t f32ToF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const int32_t exponent = static_cast<int32_t>(bits >> 23 & 0xff) - 112;
  return static_cast<uint16_t>(bits >> 16 & 0x8000u) |
         (exponent <= 0 ? uint16_t{0} : static_cast<uint16_t>(exponent << 10 | (bits >> 13 & 0x3ffu)));
}

inline float roundedTo(DType dtype, float value) {
  if (dtype == DType::f32) return value;
  return dtype == DType::f16 ? f16ToF32(f32ToF16(value)) : bf16ToF32(f32ToBf16(value));
}

template <typename T>
std::vector<std::byte> bytesOf(const std::vector<T>& values) {
  const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  return {bytes, bytes + values.size() * sizeof(T)};
}

inline std::vector<std::byte> encode(DType dtype, const Values& values) {
  if (dtype == DType::f32) return bytesOf(values);
  std::vector<uint16_t> halves;
  for (const float value : values) halves.push_back(dtype == DType::bf16 ? f32ToBf16(value) : f32ToF16(value));
  return bytesOf(halves);
}

// Buffers of one case on one device.
class Memory {
 public:
  explicit Memory(GpuDevice& device) : device_(device) {}

  GpuView holding(const std::vector<std::byte>& bytes) {
    const GpuView view = empty(static_cast<int64_t>(bytes.size()));
    std::memcpy(view.buffer->contents(), bytes.data(), bytes.size());
    return view;
  }
  GpuView empty(int64_t bytes) {
    buffers_.push_back(device_.allocate(bytes));
    return {buffers_.back().get(), 0, bytes};
  }
  static Values read(const GpuView& view, DType dtype) {
    const auto* bytes = view.buffer->contents() + view.offset;
    Values values(static_cast<size_t>(view.bytes) / bytesPerWeight(dtype));
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = dtype == DType::bf16 ? bf16ToF32(reinterpret_cast<const uint16_t*>(bytes)[i])
                                       : reinterpret_cast<const float*>(bytes)[i];
    }
    return values;
  }
  static Values readIds(const GpuView& view) {
    const auto* ids = reinterpret_cast<const int32_t*>(view.buffer->contents() + view.offset);
    return {ids, ids + view.bytes / 4};
  }

 private:
  GpuDevice& device_;
  std::vector<std::unique_ptr<GpuBuffer>> buffers_;
};

// What a case's matrices are, and its rows.
struct CaseTypes {
  WeightFormat weights;
  DType activations;

  CaseTypes(DType plain) : weights(plain), activations(activationType(plain)) {}
  CaseTypes(const WeightFormat& packed, DType rows) : weights(packed), activations(rows) {}
};

// Encodes with `encode`, waits, and returns what that named as outputs.
template <typename Encode>
auto onDevice(const CaseTypes& types, ProductKind kind, Encode encode) {
  return [=](GpuDevice& device) {
    const CommandBudget budget(device.properties().rates);
    MetalKernels kernels(device, types.activations, kind, budget);
    kernels.compileFor(types.weights);
    Memory memory(device);
    SizedCommands commands(device, budget, Submission::early);
    const std::function<Values()> read = encode(kernels, memory, commands);
    commands.submit();
    commands.wait();
    return read();
  };
}

inline DType activations(DType dtype) { return activationType(dtype); }
inline int64_t activationBytes(DType dtype) { return static_cast<int64_t>(bytesPerWeight(activations(dtype))); }

// By the storage type of what is compared: a rounding to bf16 may go the other way.
inline double toleranceOf(DType result) { return result == DType::bf16 ? 0.004 : 4e-6; }

inline const char* nameOf(DType dtype) { return dtype == DType::f32 ? "f32" : dtype == DType::f16 ? "f16" : "bf16"; }
inline std::string titled(const char* kernel, DType dtype) { return std::string(kernel) + " " + nameOf(dtype); }

// [outputs, inputs], stored so, as panels.
inline std::vector<std::byte> panels(DType dtype, const Values& matrix, int32_t outputs, int32_t inputs) {
  const std::vector<std::byte> plain = encode(dtype, matrix);
  std::vector<std::byte> packed(static_cast<size_t>(matrixBytes(dtype, outputs, inputs)));
  packPanels({plain.data(), dtype, outputs, inputs, inputs, 1}, packed.data(), 1, 0);
  return packed;
}

// Rows of activations with an even stride; `dtype`: of the activations, or of weights that go with them.
inline std::vector<std::byte> padded(DType dtype, const Values& rows, int32_t count, int32_t width) {
  const int64_t stride = paddedInputs(width);
  Values wide(static_cast<size_t>(count * stride));
  for (int32_t r = 0; r < count; ++r)
    std::copy_n(&rows[static_cast<size_t>(r * width)], width, &wide[static_cast<size_t>(r * stride)]);
  return encode(activations(dtype), wide);
}

inline double dot(const float* a, const float* b, int32_t count) {
  double sum = 0;
  for (int32_t i = 0; i < count; ++i) sum += double{a[i]} * b[i];
  return sum;
}

}  // namespace conclave::test
