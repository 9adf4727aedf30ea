#include "description-arguments.h"

#include <span>
#include <utility>

#include "arguments.h"

namespace conclave {
namespace {

// An object whose fields are read by name.
class Fields {
 public:
  explicit Fields(Napi::Object object) : object_(object) {}

  bool isNull(const char* name) const { return object_.Get(name).IsNull(); }
  Fields object(const char* name) const { return Fields(objectOf(object_.Get(name), name)); }
  int32_t integer(const char* name) const { return int32Of(object_.Get(name), name); }
  double number(const char* name) const { return numberOf(object_.Get(name), name); }
  float single(const char* name) const { return static_cast<float>(number(name)); }
  std::string text(const char* name) const { return stringOf(object_.Get(name), name); }

  bool boolean(const char* name) const {
    const Napi::Value value = object_.Get(name);
    require(value.IsBoolean(), std::string(name) + " must be a boolean");
    return value.As<Napi::Boolean>().Value();
  }

  Napi::Array array(const char* name) const {
    const Napi::Value value = object_.Get(name);
    require(value.IsArray(), std::string(name) + " must be an array");
    return value.As<Napi::Array>();
  }

  std::vector<double> numbers(const char* name) const {
    const Napi::Array values = array(name);
    std::vector<double> result;
    for (uint32_t i = 0; i < values.Length(); ++i) result.push_back(numberOf(values.Get(i), name));
    return result;
  }

  template <typename T>
  T oneOf(const char* name, std::initializer_list<std::pair<const char*, T>> kinds) const {
    const std::string given = text(name);
    for (const auto& [kind, value] : kinds) {
      if (given == kind) return value;
    }
    throw Failure(FailureCode::invalidArgument, std::string("unknown ") + name + " '" + given + "'");
  }

 private:
  Napi::Object object_;
};

template <typename Read>
auto optionalOf(const Fields& from, const char* name, const Read& read) {
  using Value = decltype(read(from));
  return from.isNull(name) ? std::optional<Value>() : std::optional<Value>(read(from));
}

Norm normOf(const Fields& norm) {
  return {norm.oneOf<NormKind>("kind", {{"rms", NormKind::rms}, {"layer", NormKind::layer}}), norm.single("epsilon"),
          norm.boolean("bias"), norm.boolean("roundsBeforeWeight")};
}

RotaryFrequencies frequenciesOf(const Fields& table) {
  const std::string kind = table.text("kind");
  const double theta = table.number("theta");
  if (kind == "default") return PlainFrequencies{theta};
  if (kind == "linear") return LinearFrequencies{theta, table.number("factor")};
  const int32_t originalContext = table.integer("originalContext");
  if (kind == "dynamic") return DynamicFrequencies{theta, table.number("factor"), originalContext};
  if (kind == "llama3") {
    return Llama3Frequencies{theta, table.number("factor"), table.number("lowFrequencyFactor"),
                             table.number("highFrequencyFactor"), originalContext};
  }
  if (kind == "yarn") {
    return YarnFrequencies{
        theta,           table.number("factor"),    table.number("betaFast"),       table.number("betaSlow"),
        originalContext, table.boolean("truncate"), table.number("attentionFactor")};
  }
  require(kind == "longrope", "unknown rotary table '" + kind + "'");
  return LongropeFrequencies{theta,
                             originalContext,
                             table.numbers("shortFactors"),
                             table.numbers("longFactors"),
                             table.number("shortAttentionFactor"),
                             table.number("longAttentionFactor")};
}

Rotary rotaryOf(const Fields& rotary) {
  return {frequenciesOf(rotary.object("table")), rotary.integer("dims"),
          rotary.oneOf<RotaryPairing>("pairing",
                                      {{"halves", RotaryPairing::halves}, {"adjacent", RotaryPairing::adjacent}})};
}

QueryKeyNorm queryKeyNormOf(const Fields& norm) {
  return {norm.oneOf<bool>("extent", {{"head", false}, {"projection", true}}),
          norm.oneOf<bool>("place", {{"before_rotation", false}, {"after_rotation", true}}),
          normOf(norm.object("norm"))};
}

AttentionDescription attentionOf(const Fields& attention) {
  require(attention.text("kind") == "gqa", "unknown attention '" + attention.text("kind") + "'");
  return {attention.integer("heads"),
          attention.integer("kvHeads"),
          attention.integer("headDim"),
          attention.single("scale"),
          attention.boolean("queryKeyValueBias"),
          attention.boolean("outputBias"),
          optionalOf(attention, "queryKeyNorm",
                     [](const Fields& from) { return queryKeyNormOf(from.object("queryKeyNorm")); }),
          optionalOf(attention, "clip", [](const Fields& from) { return from.single("clip"); }),
          optionalOf(attention, "rotary", [](const Fields& from) { return rotaryOf(from.object("rotary")); }),
          optionalOf(attention, "window", [](const Fields& from) { return from.integer("window"); }),
          attention.boolean("sinks")};
}

Activation activationOf(const Fields& activation) {
  const ActivationKind kind =
      activation.oneOf<ActivationKind>("kind", {{"silu", ActivationKind::silu},
                                                {"gelu", ActivationKind::gelu},
                                                {"gelu_tanh", ActivationKind::geluTanh},
                                                {"clamped_swiglu", ActivationKind::clampedSwiglu}});
  if (kind != ActivationKind::clampedSwiglu) return {kind, 0, 0};
  return {kind, activation.single("limit"), activation.single("alpha")};
}

GatedMlp gatedMlpOf(const Fields& mlp) {
  return {mlp.integer("width"), activationOf(mlp.object("activation")), mlp.boolean("bias")};
}

Router routerOf(const Fields& router) {
  const Fields scores = router.object("scores");
  const ScoreKind kind = scores.oneOf<ScoreKind>("kind", {{"softmax", ScoreKind::softmax},
                                                          {"softmax_of_chosen", ScoreKind::softmaxOfChosen},
                                                          {"sigmoid", ScoreKind::sigmoid},
                                                          {"sparse_mixer", ScoreKind::sparseMixer}});
  return {router.integer("experts"),
          router.integer("topK"),
          router.boolean("bias"),
          kind,
          kind == ScoreKind::sparseMixer ? scores.single("threshold") : 0,
          router.boolean("choiceBias"),
          optionalOf(router, "groups",
                     [](const Fields& from) {
                       const Fields groups = from.object("groups");
                       return ExpertGroups{groups.integer("count"), groups.integer("chosen")};
                     }),
          optionalOf(router, "normalization",
                     [](const Fields& from) { return from.object("normalization").single("epsilon"); }),
          router.single("scale"),
          optionalOf(router, "normalization", [](const Fields& from) {
            return from.object("normalization").single("minimum");
          }).value_or(0)};
}

std::variant<DenseMlp, MoeMlp> mlpOf(const Fields& mlp) {
  if (mlp.text("kind") == "dense") return DenseMlp{gatedMlpOf(mlp.object("mlp"))};
  require(mlp.text("kind") == "moe", "unknown MLP '" + mlp.text("kind") + "'");
  return MoeMlp{routerOf(mlp.object("router")), gatedMlpOf(mlp.object("expert")),
                optionalOf(mlp, "shared", [](const Fields& from) {
                  const Fields shared = from.object("shared");
                  return SharedExpert{gatedMlpOf(shared.object("mlp")), shared.boolean("gate")};
                })};
}

Block blockOf(const Fields& block) {
  return {normOf(block.object("attentionNorm")), attentionOf(block.object("attention")),
          normOf(block.object("mlpNorm")), mlpOf(block.object("mlp")), block.single("residualScale")};
}

Head headOf(const Fields& head) {
  return {head.boolean("tied"), head.boolean("bias"), head.single("scale"),
          optionalOf(head, "softCap", [](const Fields& from) { return from.single("softCap"); })};
}

}  // namespace

ModelDescription descriptionOf(const Napi::Object& object) {
  const Fields model(object);
  ModelDescription description{model.oneOf<DType>("activations", {{"f32", DType::f32}, {"bf16", DType::bf16}}),
                               model.integer("dModel"),
                               model.integer("vocab"),
                               model.integer("maxContext"),
                               model.single("embeddingScale"),
                               {},
                               {},
                               normOf(model.object("finalNorm")),
                               headOf(model.object("head"))};
  const Napi::Array blocks = model.array("blocks"), layers = model.array("blockOfLayer");
  for (uint32_t i = 0; i < blocks.Length(); ++i) {
    description.blocks.push_back(blockOf(Fields(objectOf(blocks.Get(i), "blocks"))));
  }
  for (uint32_t i = 0; i < layers.Length(); ++i) {
    description.blockOfLayer.push_back(int32Of(layers.Get(i), "blockOfLayer"));
  }
  return description;
}

}  // namespace conclave
