// Embeddings of rows' tokens, one threadgroup per row.
#include "kernel-args.h"
#include "language.h"
#include "numbers.h"
#include "product.h"

#if !defined(CONCLAVE_PACKED)
// x[row] = scale * embedding[tokens[row]]
KERNEL(embed)(ARGUMENTS(EmbedArguments), BUFFER(1, const int, tokens), BUFFER(2, const Weight, embedding),
              BUFFER(3, float, x), POSITION) {
  const long from = (long)tokens[group.x] * args.width, to = (long)group.x * args.width;
  for (int i = (int)thread_index; i < args.width; i += 256) x[to + i] = args.scale * weight_to_float(embedding[from + i]);
}
#endif

// The same of a table that lies in panels, as the head's does and every one of a packed format.
KERNEL(embed_panels)(ARGUMENTS(EmbedArguments), BUFFER(1, const int, tokens), BUFFER(2, const WeightUnit, panels),
                     BUFFER(3, float, x), POSITION) {
  const int token = tokens[group.x], inputs = args.width + args.width % 2;
  DEVICE(const WeightUnit) panel = panels + (token / 32) * panel_units(args.format, inputs);
  const long to = (long)group.x * args.width;
  for (int i = 2 * (int)thread_index; i < args.width; i += 512) {
    const Pair pair = weights_at(panel, args.format, inputs, i, (uint)(token % 32));
    x[to + i] = args.scale * pair.even;
    if (i + 1 < args.width) x[to + i + 1] = args.scale * pair.odd;
  }
}
