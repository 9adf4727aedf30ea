#include "model-session-object.h"

#include <utility>

#include "arguments.h"
#include "mapped-file-object.h"

namespace conclave {
namespace {

ModelShape shapeOf(const Napi::Object& object) {
  const auto integer = [&](const char* name) { return int32Of(object.Get(name), name); };
  const auto number = [&](const char* name) { return numberOf(object.Get(name), name); };
  return {static_cast<DType>(integer("dtype")),
          integer("layers"),
          integer("dModel"),
          integer("vocab"),
          integer("maxContext"),
          static_cast<float>(number("normEpsilon")),
          integer("heads"),
          integer("kvHeads"),
          integer("headDim"),
          static_cast<float>(number("clipQkv")),
          number("ropeTheta"),
          integer("experts"),
          integer("topK"),
          static_cast<RouterNormalization>(integer("routerNormalization")),
          integer("ffn")};
}

StepBatch batchOf(const Napi::CallbackInfo& info) {
  StepBatch batch;
  batch.tokens = int32sOf(info[0], "tokens");
  batch.positions = int32sOf(info[1], "positions");
  batch.sequences = int32sOf(info[2], "sequences");
  batch.blockTables = int32sOf(info[3], "blockTables");
  batch.blockTableWidth = int32Of(info[4], "blockTableWidth");
  batch.logitRows = int32sOf(info[5], "logitRows");
  return batch;
}

}  // namespace

Napi::Function ModelSessionObject::define(Napi::Env env) {
  return DefineClass(env, "ModelSession",
                     {InstanceMethod<&ModelSessionObject::attachShared>("attachShared"),
                      InstanceMethod<&ModelSessionObject::attachExpert>("attachExpert"),
                      InstanceMethod<&ModelSessionObject::step>("step"),
                      InstanceMethod<&ModelSessionObject::routingCounts>("routingCounts"),
                      InstanceMethod<&ModelSessionObject::close>("close")});
}

ModelSessionObject::ModelSessionObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ModelSessionObject>(info) {
  const Napi::Env env = info.Env();
  guarded(env, [&] {
    const Napi::Object limits = objectOf(info[1], "limits");
    session_ = std::make_unique<ModelSession>(
        shapeOf(objectOf(info[0], "shape")),
        StepLimits{int32Of(limits.Get("kvBlocks"), "kvBlocks"), int32Of(limits.Get("maxRows"), "maxRows")},
        int32Of(limits.Get("threads"), "threads"), stringOf(limits.Get("variant"), "variant"));
  });
  toJavaScriptThread_ = Napi::ThreadSafeFunction::New(env, Napi::Function(), "conclave step", 0, 1);
  toJavaScriptThread_.Unref(env);
  // Runs before the thread-safe function's own clean-up, which was registered first: no step calls into a dead one.
  napi_add_env_cleanup_hook(env, shutDown, this);
}

ModelSessionObject::~ModelSessionObject() {
  napi_remove_env_cleanup_hook(Env(), shutDown, this);
  shutDown(this);
}

// When the object is collected or its environment ends, whichever is first: waits for a running step.
void ModelSessionObject::shutDown(void* object) {
  ModelSessionObject& self = *static_cast<ModelSessionObject*>(object);
  self.session_.reset();
  if (!std::exchange(self.shutDown_, true)) self.toJavaScriptThread_.Release();
}

ModelSession& ModelSessionObject::open() const {
  if (session_ == nullptr || closing_.has_value()) throw Failure(FailureCode::closed, "the session is closed");
  return *session_;
}

void ModelSessionObject::attachShared(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { open().attachShared(MappedFileObject::fileOf(info[0]), offsetsOf(info[1], "offsets")); });
}

void ModelSessionObject::attachExpert(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    open().attachExpert(int32Of(info[0], "expert"), MappedFileObject::fileOf(info[1]), offsetsOf(info[2], "offsets"));
  });
}

Napi::Value ModelSessionObject::step(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    ModelSession& session = open();
    if (pending_.has_value()) throw Failure(FailureCode::busy, "a step is running");
    StepBatch batch = batchOf(info);
    auto logits = arrayOf<float>(info[6], napi_float32_array, "logits");
    const size_t wanted = batch.logitRows.size() * static_cast<size_t>(session.shape().vocab);
    require(logits.ElementLength() == wanted, "logits must have " + std::to_string(wanted) + " elements but has " +
                                                  std::to_string(logits.ElementLength()));
    session.step(std::move(batch), logits.Data(), [this](const std::string& failure) {
      toJavaScriptThread_.NonBlockingCall(
          [this, failure](Napi::Env settleEnv, Napi::Function) { settleStep(settleEnv, failure); });
    });
    // The object must outlive the step, the event loop must wait for it.
    Ref();
    toJavaScriptThread_.Ref(env);
    pending_.emplace(PendingStep{Napi::Promise::Deferred::New(env), Napi::Persistent<Napi::TypedArray>(logits)});
    return pending_->promise.Promise();
  });
}

void ModelSessionObject::settleStep(Napi::Env env, const std::string& failure) {
  const Napi::HandleScope scope(env);
  const Napi::Promise::Deferred promise = pending_->promise;
  pending_.reset();
  try {
    toJavaScriptThread_.Unref(env);
    if (failure.empty()) {
      promise.Resolve(env.Undefined());
    } else {
      promise.Reject(toJavaScript(env, "internal", failure).Value());
    }
    if (closing_.has_value()) settleClose(env);
    Unref();
  } catch (const Napi::Error&) {
    // The environment is ending (a worker thread was terminated): nobody waits for the promise any more.
  }
}

Napi::Value ModelSessionObject::routingCounts(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::vector<double>& counts = open().routingCounts();
    auto copy = Napi::Float64Array::New(info.Env(), counts.size());
    std::copy(counts.begin(), counts.end(), copy.Data());
    return copy;
  });
}

Napi::Value ModelSessionObject::close(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!closing_.has_value()) {
    closing_ = Napi::Promise::Deferred::New(env);
    if (!pending_.has_value()) settleClose(env);
  }
  return closing_->Promise();
}

void ModelSessionObject::settleClose(Napi::Env env) {
  session_.reset();
  closing_->Resolve(env.Undefined());
}

}  // namespace conclave
