#include "quantize-rows.h"

#include "../core/panel-layout.h"
#include "../core/quantize-rows.h"
#include "arguments.h"

namespace conclave {
namespace {

constexpr int64_t largestExtent = int64_t{1} << 31;

// Checked to have exactly `bytes`.
uint8_t* bytesOf(const Napi::Value& value, const char* name, int64_t bytes) {
  auto array = arrayOf<uint8_t>(value, napi_uint8_array, name);
  require(static_cast<int64_t>(array.ByteLength()) == bytes,
          std::string(name) + " must have " + std::to_string(bytes) + " bytes");
  return array.Data();
}

}  // namespace

Napi::Value quantizeRowsOf(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const int32_t dtype = int32Of(info[1], "dtype");
    require(dtype >= 0 && dtype <= 2, "unknown dtype");
    const WeightFormat format = weightFormatOf(int32Of(info[3], "format"));
    require(isFormat(format) && format.packed() && (format.affine() || format.scales != ScaleType::f32),
            "format is not one to quantise to");
    PlainRows from{nullptr, static_cast<DType>(dtype), 0, integerOf(info[2], "inputs")};
    require(from.inputs >= 1 && from.inputs < largestExtent && fitsInputs(format, from.inputs),
            "inputs must be a multiple of the group");
    const auto weights = arrayOf<uint8_t>(info[0], napi_uint8_array, "weights");
    const int64_t length = static_cast<int64_t>(weights.ByteLength());
    const int64_t rowBytes = from.inputs * static_cast<int64_t>(bytesPerWeight(from.dtype));
    require(length > 0 && length % rowBytes == 0, "weights must be whole rows");
    from.rows = length / rowBytes;
    from.data = reinterpret_cast<const std::byte*>(weights.Data());
    const int64_t scaleBytes = from.rows * (from.inputs / format.group) * format.scaleBytes();
    QuantizedRows to{format, bytesOf(info[4], "codes", from.rows * from.inputs * format.bits() / 8), nullptr, nullptr};
    to.scales = reinterpret_cast<std::byte*>(bytesOf(info[5], "scales", scaleBytes));
    if (format.affine()) to.biases = reinterpret_cast<std::byte*>(bytesOf(info[6], "biases", scaleBytes));
    const QuantizationError error = quantizeRows(from, to);
    auto result = Napi::Float64Array::New(info.Env(), 3);
    result[0] = error.squares;
    result[1] = error.weights;
    result[2] = error.worst;
    return result;
  });
}

}  // namespace conclave
