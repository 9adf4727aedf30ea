#include "pack-matrix.h"

#include "../core/packed-matrix.h"
#include "arguments.h"
#include "mapped-file-object.h"

namespace conclave {
namespace {

// Larger than any matrix, small enough that products of two of them stay inside int64.
constexpr int64_t largestExtent = int64_t{1} << 31;

int64_t extentOf(const Napi::Value& value, const char* name) {
  const int64_t extent = integerOf(value, name);
  require(extent >= 1 && extent < largestExtent, std::string(name) + " is out of range");
  return extent;
}

// AddonByteRows. Reading it may run JavaScript, so bytes are looked at after all of them are read.
struct Rows {
  const char* name;
  Napi::Value bytes;
  int64_t offset, stride;
};

Rows rowsOf(const Napi::Value& value, const char* name) {
  const Napi::Object object = objectOf(value, name);
  const Rows rows{name, object.Get("bytes"), integerOf(object.Get("offset"), "offset"),
                  integerOf(object.Get("stride"), "stride")};
  require(rows.offset >= 0 && rows.stride >= 0 && rows.stride < largestExtent,
          std::string(name) + " has an offset or a stride out of range");
  return rows;
}

// Checked: `count` rows of `rowBytes` each. `file` keeps them where they are.
ByteRows bytesOf(const Rows& rows, int64_t count, int64_t rowBytes, std::shared_ptr<const MappedFile>& file) {
  const int64_t length = (count - 1) * rows.stride + rowBytes;
  if (!rows.bytes.IsTypedArray()) {
    file = MappedFileObject::fileOf(rows.bytes);
    return {file->range(rows.offset, length), rows.stride};
  }
  const auto array = arrayOf<uint8_t>(rows.bytes, napi_uint8_array, rows.name);
  const int64_t available = static_cast<int64_t>(array.ByteLength());
  require(rows.offset <= available && length <= available - rows.offset,
          std::string(rows.name) + " end before the last output does");
  return {reinterpret_cast<const std::byte*>(array.Data()) + rows.offset, rows.stride};
}

WeightFormat packedFormatOf(const Napi::Value& value) {
  const WeightFormat format = weightFormatOf(int32Of(value, "format"));
  require(isFormat(format) && format.packed(), "format is not one of a packed matrix");
  return format;
}

std::byte* outOf(const Napi::Value& value, const PackedMatrix& matrix, int64_t step, int64_t slot) {
  auto out = arrayOf<uint8_t>(value, napi_uint8_array, "out");
  require(step <= 64 && slot >= 0 && slot < step, "slotOffset must be below slotStep, which is at most 64");
  const int64_t slots = (panelCount(matrix.outputs) - 1) * step + slot + 1;
  const int64_t available = static_cast<int64_t>(out.ByteLength()) / panelBytes(matrix.format, matrix.inputs);
  require(slots <= available,
          "out is too small: it holds " + std::to_string(available) + " panels of " + std::to_string(slots));
  return reinterpret_cast<std::byte*>(out.Data());
}

}  // namespace

void packMatrix(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    PackedMatrix matrix{
        packedFormatOf(info[0]), extentOf(info[1], "outputs"), extentOf(info[2], "inputs"), {}, {}, {}, 1};
    const WeightFormat& format = matrix.format;
    require(fitsInputs(format, matrix.inputs),
            "inputs must be a multiple of the group of " + std::to_string(format.group));
    require(info[6].IsNumber(), "factor must be a number");
    matrix.factor = info[6].As<Napi::Number>().FloatValue();
    const Rows codes = rowsOf(info[3], "codes"), scales = rowsOf(info[4], "scales");
    const Rows biases = format.affine() ? rowsOf(info[5], "biases") : Rows{};
    const int64_t step = extentOf(info[8], "slotStep"), slot = integerOf(info[9], "slotOffset");

    std::shared_ptr<const MappedFile> files[3];
    const int64_t scaleBytes = matrix.inputs / format.group * format.scaleBytes();
    matrix.codes = bytesOf(codes, matrix.outputs, matrix.inputs * format.bits() / 8, files[0]);
    matrix.scales = bytesOf(scales, matrix.outputs, scaleBytes, files[1]);
    if (format.affine()) matrix.biases = bytesOf(biases, matrix.outputs, scaleBytes, files[2]);
    packPanels(matrix, outOf(info[7], matrix, step, slot), step, slot);
  });
}

}  // namespace conclave
