#include "constraint-objects.h"

#include <cstring>

#include "arguments.h"

namespace conclave {
namespace {

// Tell our objects from others with the same methods.
constexpr napi_type_tag vocabularyTag = {0x5d0c71f6a94e4b1d, 0x8f7b02c1e6d94a35};
constexpr napi_type_tag masksTag = {0x2e6f9a04c3b84d7a, 0x91d5c80b7f2e4c63};
constexpr napi_type_tag constraintTag = {0x7a81d3e95c0f4268, 0xa4e6b1720d9c4f8b};

bool isTagged(const Napi::Value& value, const napi_type_tag& tag) {
  return value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&tag);
}

template <typename T>
std::span<const T> spanOf(const Napi::Value& value, napi_typedarray_type type, const char* name) {
  const auto array = arrayOf<T>(value, type, name);
  return {array.Data(), array.ElementLength()};
}

}  // namespace

Napi::Function VocabularyObject::define(Napi::Env env) {
  return DefineClass(env, "TokenVocabulary", std::vector<Napi::ClassPropertyDescriptor<VocabularyObject>>());
}

VocabularyObject::VocabularyObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<VocabularyObject>(info) {
  guarded(info.Env(), [&] {
    vocabulary_ = std::make_shared<TokenVocabulary>(
        int32Of(info[0], "vocab"), spanOf<uint8_t>(info[1], napi_uint8_array, "bytes"),
        spanOf<uint32_t>(info[2], napi_uint32_array, "ends"), spanOf<uint8_t>(info[3], napi_uint8_array, "control"));
  });
  info.This().As<Napi::Object>().TypeTag(&vocabularyTag);
}

std::shared_ptr<const TokenVocabulary> VocabularyObject::vocabularyOf(const Napi::Value& value) {
  require(isTagged(value, vocabularyTag), "vocabulary must be a TokenVocabulary");
  return Unwrap(value.As<Napi::Object>())->vocabulary_;
}

Napi::Function TokenMasksObject::define(Napi::Env env) {
  return DefineClass(env, "TokenMasks", std::vector<Napi::ClassPropertyDescriptor<TokenMasksObject>>());
}

TokenMasksObject::TokenMasksObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TokenMasksObject>(info) {
  guarded(info.Env(), [&] {
    std::shared_ptr<const TokenVocabulary> vocabulary = VocabularyObject::vocabularyOf(info[0]);
    const Napi::Object tables = objectOf(info[1], "tables");
    const Napi::Value flags = tables.Get("flags"), rules = tables.Get("rules"), edges = tables.Get("edges"),
                      calls = tables.Get("calls"), tokens = tables.Get("tokens"), named = tables.Get("controlTokens");
    const ConstraintInput input{
        spanOf<int32_t>(flags, napi_int32_array, "flags"),   spanOf<double>(rules, napi_float64_array, "rules"),
        spanOf<int32_t>(edges, napi_int32_array, "edges"),   spanOf<int32_t>(calls, napi_int32_array, "calls"),
        spanOf<int32_t>(tokens, napi_int32_array, "tokens"), spanOf<int32_t>(named, napi_int32_array, "controlTokens")};
    ConstraintTables checked(input, vocabulary->vocab());
    masks_ = std::make_shared<TokenMasks>(std::move(vocabulary), std::move(checked));
  });
  info.This().As<Napi::Object>().TypeTag(&masksTag);
}

std::shared_ptr<const TokenMasks> TokenMasksObject::masksOf(const Napi::Value& value) {
  require(isTagged(value, masksTag), "masks must be TokenMasks");
  return Unwrap(value.As<Napi::Object>())->masks_;
}

Napi::Function ConstraintObject::define(Napi::Env env) {
  return DefineClass(
      env, "Constraint",
      {InstanceMethod<&ConstraintObject::push>("push"), InstanceMethod<&ConstraintObject::forced>("forced"),
       InstanceMethod<&ConstraintObject::isOver>("isOver"), InstanceMethod<&ConstraintObject::mask>("mask")});
}

ConstraintObject::ConstraintObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ConstraintObject>(info) {
  guarded(info.Env(), [&] { state_.emplace(TokenMasksObject::masksOf(info[0]), int32sOf(info[1], "endTokens")); });
  info.This().As<Napi::Object>().TypeTag(&constraintTag);
}

std::vector<ConstraintState> ConstraintObject::statesOf(const Napi::Value& list) {
  require(list.IsArray(), "constraints must be an array");
  const auto objects = list.As<Napi::Array>();
  std::vector<ConstraintState> states;
  for (uint32_t at = 0; at < objects.Length(); ++at) {
    const Napi::Value object = objects.Get(at);
    require(isTagged(object, constraintTag), "constraints must be of Constraint");
    states.push_back(*Unwrap(object.As<Napi::Object>())->state_);
  }
  return states;
}

Napi::Value ConstraintObject::push(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Boolean::New(info.Env(), state_->push(int32Of(info[0], "token"))); });
}

Napi::Value ConstraintObject::forced(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::vector<int32_t> tokens = state_->forced(uint32Of(info[0], "most"));
    auto copy = Napi::Int32Array::New(info.Env(), tokens.size());
    std::copy(tokens.begin(), tokens.end(), copy.Data());
    return copy;
  });
}

Napi::Value ConstraintObject::isOver(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Boolean::New(info.Env(), state_->isOver()); });
}

Napi::Value ConstraintObject::mask(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const size_t words = state_->vocabulary().words();
    uint32_t* target = elementsOf<uint32_t>(info[0], napi_uint32_array, "mask", static_cast<int64_t>(2 * words));
    std::vector<uint64_t> mask(words);
    const bool found = state_->mask(mask);
    std::memcpy(target, mask.data(), words * sizeof(uint64_t));
    return Napi::Boolean::New(info.Env(), found);
  });
}

}  // namespace conclave
