// The C++ tests of the Metal backend as a program: on a Mac with Apple silicon with its GPU, elsewhere without one.
import { buildNativeTests, METAL_FOLDERS } from './build-native-tests.ts';
import { FAST_FLAGS, HAS_APPLE_SILICON, HOST_COMPILER, HOST_VARIANTS } from './host-target.ts';

/** Returns the program's path. Rejects with the compiler's output. */
export function buildMetalTests(): Promise<string> {
  return buildNativeTests({
    name: 'metal',
    compiler: HOST_COMPILER,
    // The emulated device checks kernels' memory itself, more sharply than AddressSanitizer could. The rest of UBSan would
    // triple the time that compiling takes.
    flags: [
      '-O1',
      '-fsanitize=bounds,signed-integer-overflow,shift',
      '-fno-sanitize-recover=all',
      // As binding.gyp has it: newer minimums deprecate what older systems need.
      ...(HAS_APPLE_SILICON ? ['-mmacosx-version-min=13.3'] : []),
    ],
    engineFlags: FAST_FLAGS,
    variants: HOST_VARIANTS,
    folders: METAL_FOLDERS,
    ...(HAS_APPLE_SILICON && { appleDevice: true as const }),
  });
}
