// AddonTokenVocabulary, AddonTokenMasks and AddonConstraint of addon-types.ts.
#pragma once
#include <napi.h>

#include <memory>
#include <optional>
#include <vector>

#include "../constraint/constraint-state.h"

namespace conclave {

class VocabularyObject : public Napi::ObjectWrap<VocabularyObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit VocabularyObject(const Napi::CallbackInfo& info);
  static std::shared_ptr<const TokenVocabulary> vocabularyOf(const Napi::Value& value);

 private:
  std::shared_ptr<const TokenVocabulary> vocabulary_;
};

class TokenMasksObject : public Napi::ObjectWrap<TokenMasksObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit TokenMasksObject(const Napi::CallbackInfo& info);
  static std::shared_ptr<const TokenMasks> masksOf(const Napi::Value& value);

 private:
  std::shared_ptr<const TokenMasks> masks_;
};

class ConstraintObject : public Napi::ObjectWrap<ConstraintObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ConstraintObject(const Napi::CallbackInfo& info);
  /** Copies of the states of a list of constraints; may run JavaScript. */
  static std::vector<ConstraintState> statesOf(const Napi::Value& list);

 private:
  Napi::Value push(const Napi::CallbackInfo& info);
  Napi::Value forced(const Napi::CallbackInfo& info);
  Napi::Value isOver(const Napi::CallbackInfo& info);
  Napi::Value mask(const Napi::CallbackInfo& info);

  std::optional<ConstraintState> state_;
};

}  // namespace conclave
