#include "mapped-file-object.h"

#include <cstring>

#include "../core/panel-layout.h"
#include "arguments.h"

namespace conclave {
namespace {

// Tells our objects from others with the same methods.
constexpr napi_type_tag typeTag = {0x8f1c0a5d3b7e4c21, 0x9a64d2e7f05b1c38};

// Larger than any matrix, small enough that products of two of them stay inside int64.
constexpr int64_t largestExtent = int64_t{1} << 31;

int64_t extentOf(const Napi::Value& value, const char* name) {
  const int64_t extent = integerOf(value, name);
  require(extent >= 1 && extent < largestExtent, std::string(name) + " is out of range");
  return extent;
}

DType dtypeOf(const Napi::Value& value) {
  const int64_t number = integerOf(value, "dtype");
  require(number >= 0 && number <= 2, "unknown dtype");
  return static_cast<DType>(number);
}

// Source bytes from the first to the last element, inclusive.
int64_t spannedBytes(const StridedMatrix& m) {
  const int64_t bytes = static_cast<int64_t>(bytesPerWeight(m.dtype));
  const int64_t along = (m.outputs - 1) * m.outputStride, across = (m.inputs - 1) * m.inputStride;
  require(along <= INT64_MAX / 8 - across, "the matrix is too large");
  return (along + across + 1) * bytes;
}

}  // namespace

Napi::Function MappedFileObject::define(Napi::Env env) {
  return DefineClass(
      env, "MappedFile",
      {InstanceAccessor<&MappedFileObject::size>("size"), InstanceMethod<&MappedFileObject::read>("read"),
       InstanceMethod<&MappedFileObject::populate>("populate"), InstanceMethod<&MappedFileObject::release>("release"),
       InstanceMethod<&MappedFileObject::packPanels>("packPanels"), InstanceMethod<&MappedFileObject::close>("close")});
}

MappedFileObject::MappedFileObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MappedFileObject>(info) {
  guarded(info.Env(), [&] { file_ = std::make_shared<const MappedFile>(stringOf(info[0], "path")); });
  info.This().As<Napi::Object>().TypeTag(&typeTag);
}

std::shared_ptr<const MappedFile> MappedFileObject::fileOf(const Napi::Value& value) {
  require(value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&typeTag), "file must be a MappedFile");
  const MappedFileObject* object = Unwrap(value.As<Napi::Object>());
  object->open();
  return object->file_;
}

const MappedFile& MappedFileObject::open() const {
  if (file_ == nullptr) throw Failure(FailureCode::closed, "the file is closed");
  return *file_;
}

Napi::Value MappedFileObject::size(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), static_cast<double>(open().size())); });
}

Napi::Value MappedFileObject::read(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const int64_t offset = integerOf(info[0], "offset"), length = integerOf(info[1], "length");
    const std::byte* bytes = open().range(offset, length);
    auto copy = Napi::Uint8Array::New(info.Env(), static_cast<size_t>(length));
    std::memcpy(copy.Data(), bytes, static_cast<size_t>(length));
    return copy;
  });
}

void MappedFileObject::populate(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { open().populate(integerOf(info[0], "offset"), integerOf(info[1], "length")); });
}

void MappedFileObject::release(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { open().release(integerOf(info[0], "offset"), integerOf(info[1], "length")); });
}

void MappedFileObject::packPanels(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    StridedMatrix matrix{nullptr,
                         dtypeOf(info[1]),
                         extentOf(info[2], "outputs"),
                         extentOf(info[3], "inputs"),
                         extentOf(info[4], "outputStride"),
                         extentOf(info[5], "inputStride")};
    matrix.data = open().range(integerOf(info[0], "offset"), spannedBytes(matrix));
    auto out = arrayOf<uint8_t>(info[6], napi_uint8_array, "out");
    const int64_t step = extentOf(info[7], "slotStep"), slot = integerOf(info[8], "slotOffset");
    require(step <= 64 && slot >= 0 && slot < step, "slotOffset must be below slotStep, which is at most 64");
    const int64_t slots = (panelCount(matrix.outputs) - 1) * step + slot + 1;
    const int64_t available = static_cast<int64_t>(out.ByteLength()) / panelBytes(matrix.dtype, matrix.inputs);
    require(slots <= available,
            "out is too small: it holds " + std::to_string(available) + " panels of " + std::to_string(slots));
    conclave::packPanels(matrix, reinterpret_cast<std::byte*>(out.Data()), step, slot);
  });
}

void MappedFileObject::close(const Napi::CallbackInfo&) { file_.reset(); }

}  // namespace conclave
