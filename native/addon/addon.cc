// The addon's exports: addon-types.ts says what each takes and returns.
#include <napi.h>

#include "../core/file-lock.h"
#include "../core/panel-layout.h"
#include "../core/read-probe.h"
#include "../cpu/kernels.h"
#include "arguments.h"
#include "constraint-objects.h"
#include "create-backend.h"
#include "expert-assigner-object.h"
#include "group-member-object.h"
#include "hop-probe-object.h"
#include "mapped-file-object.h"
#include "model-session-object.h"
#include "pack-matrix.h"
#include "quantize-rows.h"
#include "sampling-arguments.h"

namespace conclave {
namespace {

// Constructors live as long as the environment (main thread or worker thread) that loaded the addon.
struct Constructors {
  Napi::FunctionReference mappedFile, modelSession, expertAssigner, groupMember, hopProbe, vocabulary, tokenMasks,
      constraint;
};

Napi::Value mapFile(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Constructors>()->mappedFile.New({info[0]});
}

Napi::Value createSession(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Constructors>()->modelSession.New({info[0], info[1]});
}

Napi::Value createAssigner(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Constructors>()->expertAssigner.New({info[0], info[1], info[2], info[3], info[4]});
}

Napi::Value createGroupMember(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Constructors>()->groupMember.New({info[0], info[1]});
}

Napi::Value createHopProbe(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Constructors>()->hopProbe.New({info[0]});
}

Napi::Value createVocabulary(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Constructors>()->vocabulary.New({info[0], info[1], info[2], info[3]});
}

Napi::Value createTokenMasks(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Constructors>()->tokenMasks.New({info[0], info[1]});
}

Napi::Value createConstraint(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<Constructors>()->constraint.New({info[0], info[1]});
}

Napi::Value kernelVariants(const Napi::CallbackInfo& info) {
  Napi::Array names = Napi::Array::New(info.Env());
  for (const Kernels* kernels : availableKernels()) {
    names.Set(names.Length(), Napi::String::New(info.Env(), kernels->name));
  }
  return names;
}

Napi::Value gpuProperties(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const GpuProperties gpu = openGpu(stringOf(info[0], "backend"))->properties();
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("name", gpu.name);
    object.Set("className", gpu.className);
    object.Set("residencySets", gpu.residencySets);
    object.Set("memoryBytes", static_cast<double>(gpu.memoryBytes));
    object.Set("workingSetBytes", static_cast<double>(gpu.workingSetBytes));
    object.Set("largestBufferBytes", static_cast<double>(gpu.largestBufferBytes));
    return object;
  });
}

void setEmulatedGpu(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const Napi::Object wanted = objectOf(info[0], "gpu");
    EmulatedOptions options;
    options.appleSilicon = wanted.Get("appleSilicon").ToBoolean();
    options.workingSetBytes = integerOf(wanted.Get("workingSetBytes"), "workingSetBytes");
    options.dispatchesUntilLost = integerOf(wanted.Get("dispatchesUntilLost"), "dispatchesUntilLost");
    options.refusedKernel = stringOf(wanted.Get("refusedKernel"), "refusedKernel");
    options.compilerLog = "this kernel was to be refused";
    conclave::setEmulatedGpu(options);
  });
}

Napi::Value tryLockFile(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&] { return Napi::Boolean::New(info.Env(), conclave::tryLockFile(int32Of(info[0], "descriptor"))); });
}

Napi::Value probeReadSeconds(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    require(info[0].IsArray(), "files must be an array");
    const auto objects = info[0].As<Napi::Array>();
    std::vector<std::shared_ptr<const MappedFile>> files;
    std::vector<std::span<const std::byte>> ranges;
    for (uint32_t i = 0; i < objects.Length(); ++i) {
      files.push_back(MappedFileObject::fileOf(objects.Get(i)));
      ranges.emplace_back(files.back()->range(0, files.back()->size()), static_cast<size_t>(files.back()->size()));
    }
    const int threads = int32Of(info[1], "threads"), passes = int32Of(info[2], "passes");
    return Napi::Number::New(info.Env(), conclave::probeReadSeconds(ranges, threads, passes));
  });
}

void sampleRows(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    SamplingRequest request = samplingRequestOf(info[3]);
    const int32_t vocab = int32Of(info[1], "vocab"), threads = int32Of(info[2], "threads");
    require(vocab >= 1, "vocab must be 1 or more");
    checkThreads(threads);
    checkJob(request.job, request.rows, vocab, request.result.topWidth);
    const float* logits = elementsOf<float>(info[0], napi_float32_array, "logits", int64_t{request.rows} * vocab);
    ThreadPool pool(threads);
    RowSampler(vocab, threads).run(request.job, logits, request.result, pool);
  });
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Constructors{
      Napi::Persistent(MappedFileObject::define(env)), Napi::Persistent(ModelSessionObject::define(env)),
      Napi::Persistent(ExpertAssignerObject::define(env)), Napi::Persistent(GroupMemberObject::define(env)),
      Napi::Persistent(HopProbeObject::define(env)), Napi::Persistent(VocabularyObject::define(env)),
      Napi::Persistent(TokenMasksObject::define(env)), Napi::Persistent(ConstraintObject::define(env))});
  exports.Set("layoutVersion", Napi::Number::New(env, layoutVersion));
  exports.Set("kernelVariants", Napi::Function::New(env, kernelVariants, "kernelVariants"));
  exports.Set("gpuProperties", Napi::Function::New(env, gpuProperties, "gpuProperties"));
  exports.Set("mapFile", Napi::Function::New(env, mapFile, "mapFile"));
  exports.Set("packMatrix", Napi::Function::New(env, packMatrix, "packMatrix"));
  exports.Set("quantizeRows", Napi::Function::New(env, quantizeRowsOf, "quantizeRows"));
  exports.Set("createSession", Napi::Function::New(env, createSession, "createSession"));
  exports.Set("createAssigner", Napi::Function::New(env, createAssigner, "createAssigner"));
  exports.Set("createGroupMember", Napi::Function::New(env, createGroupMember, "createGroupMember"));
  exports.Set("createHopProbe", Napi::Function::New(env, createHopProbe, "createHopProbe"));
  exports.Set("createVocabulary", Napi::Function::New(env, createVocabulary, "createVocabulary"));
  exports.Set("createTokenMasks", Napi::Function::New(env, createTokenMasks, "createTokenMasks"));
  exports.Set("createConstraint", Napi::Function::New(env, createConstraint, "createConstraint"));
  exports.Set("sampleRows", Napi::Function::New(env, sampleRows, "sampleRows"));
  exports.Set("setEmulatedGpu", Napi::Function::New(env, setEmulatedGpu, "setEmulatedGpu"));
  exports.Set("tryLockFile", Napi::Function::New(env, tryLockFile, "tryLockFile"));
  exports.Set("probeReadSeconds", Napi::Function::New(env, probeReadSeconds, "probeReadSeconds"));
  return exports;
}

}  // namespace
}  // namespace conclave

static Napi::Object initializeAddon(Napi::Env env, Napi::Object exports) { return conclave::initialize(env, exports); }
NODE_API_MODULE(conclave, initializeAddon)
