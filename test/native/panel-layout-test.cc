#include "../../native/core/panel-layout.h"

#include <cstring>

#include "check.h"

using namespace conclave;
using conclave::test::Random;

TEST("packing puts every element of a strided matrix where panelIndex says, and zeros elsewhere") {
  Random random(3);
  for (int trial = 0; trial < 200; ++trial) {
    const DType dtype = random.of<DType>({DType::f32, DType::f16, DType::bf16});
    const int64_t outputs = random.between(1, 100), inputs = random.between(1, 70);
    const bool transposed = random.below(2) == 1;
    const int64_t bytes = static_cast<int64_t>(bytesPerWeight(dtype));
    // Tensors of a checkpoint may start at an odd byte.
    const size_t start = static_cast<size_t>(random.below(2));
    std::vector<std::byte> file(start + static_cast<size_t>(outputs * inputs * bytes));
    for (std::byte& b : file) b = static_cast<std::byte>(random.below(256));
    const std::byte* source = file.data() + start;
    const StridedMatrix matrix{source, dtype, outputs, inputs, transposed ? 1 : inputs, transposed ? outputs : 1};
    const int64_t step = random.between(1, 2), slot = random.below(static_cast<int32_t>(step));
    std::vector<std::byte> packed(static_cast<size_t>(step * matrixBytes(dtype, outputs, inputs)), std::byte{0x5a});
    packPanels(matrix, packed.data(), step, slot);

    for (int64_t o = 0; o < paddedOutputs(outputs); ++o) {
      for (int64_t i = 0; i < paddedInputs(inputs); ++i) {
        const std::byte* panel = packed.data() + (o / 32 * step + slot) * panelBytes(dtype, inputs);
        const std::byte* at = panel + panelIndex(dtype, i, o % 32) * bytes;
        const bool inside = o < outputs && i < inputs;
        const std::byte zeros[4] = {};
        const std::byte* expected =
            inside ? source + (o * matrix.outputStride + i * matrix.inputStride) * bytes : zeros;
        CHECK(std::memcmp(at, expected, static_cast<size_t>(bytes)) == 0,
              "element " + std::to_string(o) + ", " + std::to_string(i));
      }
    }
  }
}
