// AddonModelSession of addon-types.ts.
#pragma once
#include <napi.h>

#include <memory>
#include <optional>

#include "../core/model-session.h"

namespace conclave {

class ModelSessionObject : public Napi::ObjectWrap<ModelSessionObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ModelSessionObject(const Napi::CallbackInfo& info);
  ~ModelSessionObject() override;

 private:
  // A step whose promise has not settled yet; keeps the logits array alive.
  struct PendingStep {
    Napi::Promise::Deferred promise;
    Napi::Reference<Napi::TypedArray> logits;
  };

  void attachShared(const Napi::CallbackInfo& info);
  void attachExpert(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value routingCounts(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  ModelSession& open() const;
  void settleStep(Napi::Env env, const std::string& failure);
  void settleClose(Napi::Env env);
  static void shutDown(void* object);

  std::unique_ptr<ModelSession> session_;
  Napi::ThreadSafeFunction toJavaScriptThread_;
  bool shutDown_ = false;
  std::optional<PendingStep> pending_;
  std::optional<Napi::Promise::Deferred> closing_;
};

}  // namespace conclave
