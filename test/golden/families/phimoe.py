from .shape import TIED, FamilyShape

SHORT = [1.0, 1.05, 1.1, 1.2]
LONG = [1.0, 1.6, 2.5, 6.0]

SHAPES = [
    FamilyShape("phimoe", "f32-kv2-window",
                "four KV blocks, biases on q, k, v, o, the head and the norms, SparseMixer with a jitter of 0.2, longrope "
                "within its original context, sliding window 50", "f32",
                dict(vocab_size=97, hidden_size=32, intermediate_size=19, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=2, num_local_experts=5, num_experts_per_tok=2, attention_bias=True,
                     lm_head_bias=True, router_jitter_noise=0.2, sliding_window=50, max_position_embeddings=1024,
                     rms_norm_eps=1e-5,
                     rope_parameters=dict(rope_type="longrope", rope_theta=1e4, short_factor=SHORT, long_factor=LONG,
                                          short_mscale=1.2, long_mscale=1.5, original_max_position_embeddings=512)),
                tokens=210),
    FamilyShape("phimoe", "f32-kv1-longrope-sharded",
                "one kv head, no biases but the norms', longrope beyond 64 positions, tied embeddings, shards, an older "
                "config.json", "f32",
                dict(vocab_size=101, hidden_size=24, intermediate_size=15, num_hidden_layers=3, num_attention_heads=3,
                     num_key_value_heads=1, num_local_experts=4, num_experts_per_tok=2, router_jitter_noise=0.1,
                     tie_word_embeddings=True, max_position_embeddings=256, rms_norm_eps=0.02,
                     rope_parameters=dict(rope_type="longrope", rope_theta=1e4, short_factor=SHORT, long_factor=LONG,
                                          short_mscale=1.2, long_mscale=1.5, original_max_position_embeddings=64)),
                tokens=120, older=dict(original_max_position_embeddings=64), shard_bytes=40_000, stepwise=True, gains=TIED),
    FamilyShape("phimoe", "bf16-all-kv",
                "a kv head per head, four KV blocks, biases on q, k, v, o and the head, an older config.json", "bf16",
                dict(vocab_size=96, hidden_size=40, intermediate_size=32, num_hidden_layers=2, num_attention_heads=5,
                     num_key_value_heads=5, num_local_experts=4, num_experts_per_tok=2, attention_bias=True,
                     lm_head_bias=True, router_jitter_noise=0.05, sliding_window=131072, max_position_embeddings=131072,
                     rms_norm_eps=1e-5,
                     rope_parameters=dict(rope_type="longrope", rope_theta=1e4, short_factor=SHORT, long_factor=LONG,
                                          short_mscale=1.243163121016122, long_mscale=1.243163121016122,
                                          original_max_position_embeddings=4096)),
                tokens=200, older=dict(original_max_position_embeddings=4096), stride=6),
]
