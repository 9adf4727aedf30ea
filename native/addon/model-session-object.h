// AddonModelSession of addon-types.ts.
#pragma once
#include <napi.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "../core/model-session.h"
#include "../exchange/frame-exchange.h"
#include "../sampler/row-sampler.h"
#include "sampling-arguments.h"

namespace conclave {

class ModelSessionObject : public Napi::ObjectWrap<ModelSessionObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ModelSessionObject(const Napi::CallbackInfo& info);
  ~ModelSessionObject() override;

  /** The object behind a JavaScript value. Throws Failure when it is none of ours. */
  static ModelSessionObject& of(const Napi::Value& value);
  /** Throws Failure when it is closed. */
  ModelSession& open() const;

 private:
  // A call whose promise has not settled yet; keeps alive the arrays that it reads and writes.
  struct PendingCall {
    Napi::Promise::Deferred promise;
    std::vector<Napi::Reference<Napi::TypedArray>> arrays;
    std::function<Napi::Value(Napi::Env env)> result;  // what the promise resolves to; null: undefined
  };

  struct StepOutput {
    LogitsOutput logits;
    std::vector<Napi::Value> arrays;  // that are written
  };

  void attach(const Napi::CallbackInfo& info);
  void detachExperts(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value groupStep(const Napi::CallbackInfo& info);
  Napi::Value serveExperts(const Napi::CallbackInfo& info);
  Napi::Value numericsClass(const Napi::CallbackInfo& info);
  Napi::Value routingCounts(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  ModelSession& idle() const;
  ModelSession::Done settling();
  StepOutput outputOf(const ModelSession& session, const StepBatch& batch, const Napi::Value& array,
                      std::optional<SamplingRequest> request);
  template <typename Start>
  Napi::Value pend(Napi::Env env, const std::vector<Napi::Value>& arrays, const Start& start);
  void settle(Napi::Env env, const std::optional<Failure>& failure);
  void settleClose(Napi::Env env);
  static void shutDown(void* object);

  std::unique_ptr<ModelSession> session_;
  std::shared_ptr<RowSampler> sampler_;  // from the first step that is sampled on
  Napi::ThreadSafeFunction toJavaScriptThread_;
  bool shutDown_ = false;
  std::weak_ptr<FrameExchange> waiting_;  // the latest group call's, which may have to be interrupted
  std::optional<PendingCall> pending_;
  std::optional<Napi::Promise::Deferred> closing_;
};

}  // namespace conclave
