#include "model-session-object.h"

#include <limits>
#include <utility>

#include "arguments.h"
#include "create-backend.h"
#include "description-arguments.h"
#include "group-member-object.h"
#include "mapped-file-object.h"

namespace conclave {
namespace {

// Tells our objects from others with the same methods.
constexpr napi_type_tag typeTag = {0x3c5b9e01f7a24d68, 0xb1e08d4c62f93a57};

WeightFormat formatOf(int64_t number) {
  const WeightFormat format = weightFormatOf(static_cast<int32_t>(number));
  require(isFormat(format), "a section's format is unknown");
  return format;
}

// Seven numbers for each section, in the order of WeightSection's fields (weight-sections.ts).
std::vector<WeightSection> sectionsOf(const Napi::Value& value) {
  constexpr size_t fields = 7;
  const auto table = arrayOf<double>(value, napi_float64_array, "sections");
  require(table.ElementLength() % fields == 0, "sections must have seven numbers each");
  std::vector<WeightSection> sections;
  for (size_t i = 0; i < table.ElementLength(); i += fields) {
    const auto whole = [&](size_t field, double least, double most) {
      const double number = table[i + field];
      require(number >= least && number <= most && std::trunc(number) == number, "a section's number is out of range");
      return static_cast<int64_t>(number);
    };
    constexpr double mostInt = std::numeric_limits<int32_t>::max(), mostOffset = 9007199254740991.0;
    sections.push_back({static_cast<WeightRole>(whole(0, 0, weightRoleCount - 1)),
                        static_cast<int32_t>(whole(1, -1, mostInt)), static_cast<int32_t>(whole(2, -1, mostInt)),
                        formatOf(whole(3, 0, mostInt)), static_cast<int32_t>(whole(4, 1, mostInt)),
                        static_cast<int32_t>(whole(5, 1, mostInt)), whole(6, 0, mostOffset)});
  }
  return sections;
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

// What a step's output asks for; nothing where it takes the logits. Reading it, as any object, may run JavaScript: it
// comes before the session is looked at.
std::optional<SamplingRequest> samplingIn(const Napi::Value& output) {
  if (output.IsTypedArray() || output.IsNull()) return std::nullopt;
  return samplingRequestOf(output);
}

}  // namespace

Napi::Function ModelSessionObject::define(Napi::Env env) {
  return DefineClass(
      env, "ModelSession",
      {InstanceMethod<&ModelSessionObject::attach>("attach"),
       InstanceMethod<&ModelSessionObject::detachExperts>("detachExperts"),
       InstanceMethod<&ModelSessionObject::step>("step"), InstanceMethod<&ModelSessionObject::groupStep>("groupStep"),
       InstanceMethod<&ModelSessionObject::serveExperts>("serveExperts"),
       InstanceMethod<&ModelSessionObject::numericsClass>("numericsClass"),
       InstanceMethod<&ModelSessionObject::routingCounts>("routingCounts"),
       InstanceMethod<&ModelSessionObject::close>("close")});
}

ModelSessionObject::ModelSessionObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ModelSessionObject>(info) {
  const Napi::Env env = info.Env();
  guarded(env, [&] {
    const Napi::Object limits = objectOf(info[1], "limits");
    session_ = std::make_unique<ModelSession>(
        descriptionOf(objectOf(info[0], "description")),
        StepLimits{int32Of(limits.Get("kvBlocks"), "kvBlocks"), int32Of(limits.Get("maxRows"), "maxRows")},
        createBackend(stringOf(limits.Get("backend"), "backend"), int32Of(limits.Get("threads"), "threads"),
                      stringOf(limits.Get("variant"), "variant")));
  });
  info.This().As<Napi::Object>().TypeTag(&typeTag);
  toJavaScriptThread_ = Napi::ThreadSafeFunction::New(env, Napi::Function(), "conclave step", 0, 1);
  toJavaScriptThread_.Unref(env);
  // Runs before the thread-safe function's own clean-up, which was registered first: no step calls into a dead one.
  napi_add_env_cleanup_hook(env, shutDown, this);
}

ModelSessionObject::~ModelSessionObject() {
  napi_remove_env_cleanup_hook(Env(), shutDown, this);
  shutDown(this);
}

ModelSessionObject& ModelSessionObject::of(const Napi::Value& value) {
  require(value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&typeTag), "session must be a ModelSession");
  return *Unwrap(value.As<Napi::Object>());
}

// When the object is collected or its environment ends, whichever is first: waits for a running step.
void ModelSessionObject::shutDown(void* object) {
  ModelSessionObject& self = *static_cast<ModelSessionObject*>(object);
  if (const auto waiting = self.waiting_.lock()) waiting->interrupt();
  self.session_.reset();
  if (!std::exchange(self.shutDown_, true)) self.toJavaScriptThread_.Release();
}

ModelSession& ModelSessionObject::open() const {
  if (session_ == nullptr || closing_.has_value()) throw Failure(FailureCode::closed, "the session is closed");
  return *session_;
}

void ModelSessionObject::attach(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const std::vector<WeightSection> sections = sectionsOf(info[1]);
    open().attach(MappedFileObject::fileOf(info[0]), sections);
  });
}

void ModelSessionObject::detachExperts(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { open().detachExperts(int32sOf(info[0], "ids")); });
}

ModelSession& ModelSessionObject::idle() const {
  ModelSession& session = open();
  if (pending_.has_value()) throw Failure(FailureCode::busy, "the session is computing");
  return session;
}

ModelSession::Done ModelSessionObject::settling() {
  return [this](const std::optional<Failure>& failure) {
    toJavaScriptThread_.NonBlockingCall([this, failure](Napi::Env env, Napi::Function) { settle(env, failure); });
  };
}

// Starts a call and returns its promise. Whatever can throw comes before the start: a call that runs has its promise.
template <typename Start>
Napi::Value ModelSessionObject::pend(Napi::Env env, const std::vector<Napi::Value>& arrays, const Start& start) {
  PendingCall call{Napi::Promise::Deferred::New(env), {}, nullptr};
  for (const Napi::Value& array : arrays) {
    if (array.IsTypedArray()) call.arrays.push_back(Napi::Persistent(array.As<Napi::TypedArray>()));
  }
  start(settling());
  pending_.emplace(std::move(call));
  // The object must outlive the call, the event loop must wait for it.
  Ref();
  toJavaScriptThread_.Ref(env);
  return pending_->promise.Promise();
}

// What becomes of a batch's logits: an array takes them, or they are sampled as `request` says.
ModelSessionObject::StepOutput ModelSessionObject::outputOf(const ModelSession& session, const StepBatch& batch,
                                                            const Napi::Value& array,
                                                            std::optional<SamplingRequest> request) {
  const int64_t rows = static_cast<int64_t>(batch.logitRows.size());
  const int32_t vocab = session.shape().vocab;
  if (!request.has_value()) return {elementsOf<float>(array, napi_float32_array, "logits", rows * vocab), {array}};
  require(request->rows == rows,
          "sampling must be of " + std::to_string(rows) + " rows but is of " + std::to_string(request->rows));
  checkJob(request->job, request->rows, vocab, request->result.topWidth);
  if (sampler_ == nullptr) sampler_ = std::make_shared<RowSampler>(vocab, session.threads());
  const auto job = std::make_shared<SamplingJob>(std::move(request->job));
  const LogitsOutput::Use sample = [sampler = sampler_, job, result = request->result](const float* logits,
                                                                                       ThreadPool& threads) {
    sampler->run(*job, logits, result, threads);
  };
  return {sample, std::move(request->written)};
}

Napi::Value ModelSessionObject::step(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    std::optional<SamplingRequest> request = samplingIn(info[6]);
    ModelSession& session = idle();
    StepBatch batch = batchOf(info);
    StepOutput output = outputOf(session, batch, info[6], std::move(request));
    return pend(info.Env(), output.arrays, [&](ModelSession::Done done) {
      session.step(std::move(batch), std::move(output.logits), std::move(done));
    });
  });
}

Napi::Value ModelSessionObject::groupStep(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const StepCommand order = stepOrderOf(info[8]);
    std::optional<SamplingRequest> request = samplingIn(info[6]);
    ModelSession& session = idle();
    StepBatch batch = batchOf(info);
    const std::shared_ptr<GroupMember> member = GroupMemberObject::memberOf(info[7], *this);
    std::optional<StepOutput> output;
    if (!info[6].IsNull()) output = outputOf(session, batch, info[6], std::move(request));
    const auto report = std::make_shared<GroupStepReport>();
    const auto compute = [=](Backend& backend, const ModelWeights& weights, const StepBatch& checked, float* logits) {
      *report = member->step(backend, weights, checked, order, logits);
      return report->trouble == GroupStepReport::Trouble::none;
    };
    const auto logits = output.has_value() ? std::optional(std::move(output->logits)) : std::nullopt;
    const auto arrays = output.has_value() ? std::move(output->arrays) : std::vector<Napi::Value>();
    const Napi::Value promise = pend(info.Env(), arrays, [&](ModelSession::Done done) {
      session.stepBy(std::move(batch), logits, compute, std::move(done));
    });
    waiting_ = std::shared_ptr<FrameExchange>(member, &member->exchange());
    pending_->result = [report](Napi::Env env) { return toJavaScript(env, *report); };
    return promise;
  });
}

Napi::Value ModelSessionObject::serveExperts(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    ModelSession& session = idle();
    const std::shared_ptr<ExpertServer> server = GroupMemberObject::serverOf(info[0], *this);
    const auto refused = std::make_shared<std::string>();
    const auto serve = [=](const ModelSession::ComputeExperts& compute) { *refused = server->serve(compute); };
    const Napi::Value promise =
        pend(info.Env(), {}, [&](ModelSession::Done done) { session.serveBy(serve, std::move(done)); });
    waiting_ = std::shared_ptr<FrameExchange>(server, &server->exchange());
    pending_->result = [refused](Napi::Env env) { return Napi::String::New(env, *refused); };
    return promise;
  });
}

void ModelSessionObject::settle(Napi::Env env, const std::optional<Failure>& failure) {
  try {
    const Napi::HandleScope scope(env);
    const PendingCall call = std::move(*pending_);
    pending_.reset();
    toJavaScriptThread_.Unref(env);
    if (failure.has_value()) {
      call.promise.Reject(toJavaScript(env, codeName(failure->code), failure->what()).Value());
    } else {
      call.promise.Resolve(call.result ? call.result(env) : env.Undefined());
    }
    if (closing_.has_value()) settleClose(env);
    Unref();
  } catch (const Napi::Error&) {
    // The environment is ending (a worker thread was terminated): nothing awaits the promise any more.
  }
}

Napi::Value ModelSessionObject::numericsClass(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::String::New(info.Env(), open().numericsClass()); });
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
