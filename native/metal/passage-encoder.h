// The operations of a passage (core/program.h) as dispatches, in their order. Row operations that follow each other are
// one dispatch where a kernel does several: what happens to heads before attention; adding to the residual stream and
// the norm after it; adding up experts' outputs with the shared expert's and to the stream.
#pragma once
#include <array>
#include <optional>

#include "encode-mlps.h"
#include "encoding-context.h"

namespace conclave {

class PassageEncoder {
 public:
  /** `before`: what Combine takes. */
  PassageEncoder(const EncodingContext& context, GpuCommands& to, const ModelWeights& weights, const Passage& passage,
                 ExpertResults before)
      : context_(context), to_(to), weights_(weights), passage_(passage), before_(before) {}

  void encode();

 private:
  void encode(const EachRow& each);
  void encode(const Multiply& multiply);
  void encode(const Attend& attend);
  void encode(const RunMlp& run);

  void take(const Embed& embed);
  void take(const Normalize& normalize);
  void take(const AddBias& add);
  void take(const NormalizeHeads& normalize);
  void take(const Clip& clip);
  void take(const Rotate& rotate);
  void take(const StoreHeads& store);
  void take(const Choose& choose);
  void take(const Combine& combine);
  void take(const AddShared& add);
  void take(const AddMixed& add);
  void take(const ScaleLogits& scale);
  void take(const CapLogits& cap);

  void addContribution(float scale);
  HeadStep& nextHeadStep(HeadStepKind kind);
  // Parts [first, end) of a product, which have one format.
  void encodeProduct(const Multiply& multiply, size_t first, size_t end, GpuView x);

  const Weight& weight(WeightRole role) const { return weights_.of(passage_.layer, role); }
  GpuView viewOf(WeightRole role) const { return context_.viewOf(weight(role)); }
  GpuView nothing() const { return context_.viewOf({}); }
  const Block& block() const { return context_.description.block(passage_.layer); }
  size_t blockIndex() const {
    return static_cast<size_t>(context_.description.blockOfLayer[static_cast<size_t>(passage_.layer)]);
  }
  int32_t rows() const { return passage_.ofLogitRows ? context_.extent.logitRows : context_.extent.rows; }
  GpuView floats(FloatRows name) const;
  int32_t widthOf(FloatRows name) const;

  const EncodingContext& context_;
  GpuCommands& to_;
  const ModelWeights& weights_;
  const Passage& passage_;
  ExpertResults before_;
  // Row operations that wait for the one that completes a dispatch.
  HeadsArguments heads_{};
  bool combines_ = false;
  SharedPart shared_ = noSharedPart;
  std::optional<float> mixedScale_;
};

}  // namespace conclave
