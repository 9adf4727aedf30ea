// AddonMappedFile of addon-types.ts.
#pragma once
#include <napi.h>

#include <memory>

#include "../core/mapped-file.h"

namespace conclave {

class MappedFileObject : public Napi::ObjectWrap<MappedFileObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit MappedFileObject(const Napi::CallbackInfo& info);

  /** The file behind a JavaScript value. Throws Failure when it is none of ours or closed. */
  static std::shared_ptr<const MappedFile> fileOf(const Napi::Value& value);

 private:
  const MappedFile& open() const;

  Napi::Value size(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  void populate(const Napi::CallbackInfo& info);
  void release(const Napi::CallbackInfo& info);
  void packPanels(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  std::shared_ptr<const MappedFile> file_;
};

}  // namespace conclave
