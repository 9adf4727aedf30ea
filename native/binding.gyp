{
  'variables': {
    'core_sources': [
      'core/double-math.cc', 'core/file-lock.cc', 'core/mapped-file.cc', 'core/model-description.cc', 'core/model-session.cc',
      'core/model-weights.cc', 'core/packed-matrix.cc', 'core/panel-layout.cc', 'core/program.cc', 'core/quantize-rows.cc', 'core/read-probe.cc', 'core/required-weights.cc',
      'core/rotary-table.cc', 'core/step-batch.cc', 'core/thread-pool.cc', 'core/zeroed-memory.cc',
      'metal/await-signal.cc', 'metal/buffer-ranges.cc', 'metal/command-budget.cc', 'metal/command-failure.cc', 'metal/gpu-limits.cc',
      'metal/encode-mlps.cc', 'metal/expert-tables.cc', 'metal/metal-backend.cc', 'metal/metal-kernels.cc', 'metal/passage-encoder.cc', 'metal/pending-accesses.cc', 'metal/presumed-experts.cc', 'metal/residency.cc',
      'metal/sized-commands.cc', 'metal/step-memory.cc', 'metal/weight-memory.cc', 'metal/emulated/command-queue.cc', 'metal/emulated/emulated-device.cc', 'metal/emulated/fiber.cc',
      'metal/emulated/kernels.cc', 'metal/emulated/shadow-memory.cc', 'metal/emulated/threadgroup.cc',
      'cpu/attention.cc', 'cpu/choose-experts.cc', 'cpu/cpu-backend.cc', 'cpu/gated-mlps.cc', 'cpu/matmul-reference.cc',
      'cpu/row-operations.cc', 'cpu/select-kernels.cc', 'cpu/step-rows.cc',
      'bench/paper-policies.cc', 'exchange/centralized-leader.cc', 'exchange/decentralized-member.cc', 'exchange/expert-assigner.cc', 'exchange/expert-server.cc',
      'exchange/frame-exchange.cc', 'exchange/group-member.cc', 'exchange/hop-probe.cc', 'exchange/interrupt.cc', 'exchange/layer-frame.cc',
      'exchange/layer-work.cc', 'exchange/redis-connection.cc', 'exchange/resp.cc',
      'constraint/constraint-state.cc', 'constraint/constraint-tables.cc', 'constraint/constraint-walk.cc', 'constraint/plain-text.cc',
      'constraint/token-masks.cc', 'constraint/token-vocabulary.cc',
      'sampler/adjust-logits.cc', 'sampler/cutoff.cc', 'sampler/draw-token.cc', 'sampler/logit-row.cc', 'sampler/philox.cc',
      'sampler/relative-weight.cc', 'sampler/row-sampler.cc', 'sampler/sample-token.cc', 'sampler/select-cutoff.cc',
      'sampler/token-logprobs.cc',
    ],
  },
  'target_defaults': {
    # No contraction and no fast-math: every rounding is where docs/design.md#numerics-v1 puts it. Errno and traps change none.
    'cflags_cc': ['-std=c++20', '-O3', '-Wall', '-Wextra', '-Werror', '-ffp-contract=off', '-fno-math-errno',
                  '-fno-trapping-math', '-fvisibility=hidden'],
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti'],
    'xcode_settings': {
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
      'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
      'GCC_OPTIMIZATION_LEVEL': '3',
      'MACOSX_DEPLOYMENT_TARGET': '13.3',
      'OTHER_CPLUSPLUSFLAGS': ['-Wall', '-Wextra', '-Werror', '-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math'],
    },
  },
  'targets': [
    {
      'target_name': 'conclave',
      'sources': ['addon/addon.cc', 'addon/constraint-objects.cc', 'addon/create-backend.cc', 'addon/description-arguments.cc', 'addon/expert-assigner-object.cc', 'addon/group-member-object.cc', 'addon/hop-probe-object.cc',
                  'addon/mapped-file-object.cc',
                  'addon/model-session-object.cc', 'addon/pack-matrix.cc', 'addon/quantize-rows.cc', 'addon/sampling-arguments.cc', '<@(core_sources)'],
      'include_dirs': ['<!(node -p "require(\'node-addon-api\').include_dir")'],
      # An exception that a worker thread which is being terminated can no longer throw must not end the process.
      'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_CPP_EXCEPTIONS', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
      'conditions': [
        ['target_arch=="x64"', { 'dependencies': ['cpu_avx2', 'cpu_avx512'] }],
        ['target_arch=="arm64"', { 'sources': ['cpu/matmul-neon.cc', 'cpu/matmul-packed-neon.cc'] }],
        ['OS=="mac" and target_arch=="arm64"', {
          'sources': ['metal/apple-device.mm'],
          # Without CoreGraphics a command line process is shown no GPU.
          'libraries': ['-framework CoreGraphics', '-framework Foundation', '-framework Metal'],
          'xcode_settings': { 'CLANG_ENABLE_OBJC_ARC': 'YES' },
        }, { 'sources': ['metal/no-apple-device.cc'] }],
      ],
    },
  ],
  'conditions': [
    # One library per instruction set: only its own file may use those instructions.
    ['target_arch=="x64"', { 'targets': [
      {
        'target_name': 'cpu_avx2',
        'type': 'static_library',
        'sources': ['cpu/matmul-avx2.cc', 'cpu/matmul-packed-avx2.cc'],
        'cflags_cc': ['-mavx2', '-mfma', '-mf16c'],
        # On a Mac, gyp ignores cflags_cc.
        'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['-mavx2', '-mfma', '-mf16c'] },
      },
      {
        'target_name': 'cpu_avx512',
        'type': 'static_library',
        'sources': ['cpu/matmul-avx512-bf16.cc', 'cpu/matmul-packed-avx512-bf16.cc'],
        'cflags_cc': ['-mavx2', '-mfma', '-mf16c', '-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq',
                      '-mavx512bf16', '-mprefer-vector-width=512'],
        'xcode_settings': {
          'OTHER_CPLUSPLUSFLAGS': ['-mavx2', '-mfma', '-mf16c', '-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq',
                                   '-mavx512bf16', '-mprefer-vector-width=512'],
        },
      },
    ] }],
  ],
}
