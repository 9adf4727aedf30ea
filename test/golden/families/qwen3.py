from .shape import TIED, FamilyShape

SHAPES = [
    FamilyShape("qwen3", "f32-all-kv-yarn-window",
                "four KV blocks, a kv head per head, head_dim 12 of d_model 32, q/k norm, biases on q, k, v and o, YaRN "
                "with mscale, sliding window 45 from layer 2 on", "f32",
                dict(vocab_size=97, hidden_size=32, intermediate_size=43, num_hidden_layers=3, num_attention_heads=4,
                     num_key_value_heads=4, head_dim=12, attention_bias=True, use_sliding_window=True,
                     sliding_window=45, max_window_layers=2, max_position_embeddings=256, rms_norm_eps=1e-6,
                     rope_parameters=dict(rope_type="yarn", rope_theta=1e4, factor=4.0, mscale=1.5, mscale_all_dim=0.5,
                                          truncate=False, original_max_position_embeddings=64)),
                tokens=210),
    FamilyShape("qwen3", "f32-kv1-sharded",
                "one kv head, tied embeddings, shards, an older config.json", "f32",
                dict(vocab_size=101, hidden_size=36, intermediate_size=51, num_hidden_layers=4, num_attention_heads=3,
                     num_key_value_heads=1, head_dim=10, tie_word_embeddings=True, max_position_embeddings=512,
                     rms_norm_eps=0.02, rope_parameters=dict(rope_type="default", rope_theta=1e6)),
                tokens=120, older=dict(rope_scaling=None), shard_bytes=40_000, gains=TIED),
    FamilyShape("qwen3", "bf16-kv2", "four KV blocks, an older config.json", "bf16",
                dict(vocab_size=96, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4,
                     num_key_value_heads=2, head_dim=16, max_position_embeddings=512, rms_norm_eps=1e-6,
                     rope_parameters=dict(rope_type="default", rope_theta=1e6)),
                tokens=200, older=dict(rope_scaling=None), stride=6),
]
