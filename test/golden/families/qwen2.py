from .shape import TIED, FamilyShape

SHAPES = [
    FamilyShape("qwen2", "f32-kv2-window",
                "four KV blocks, biases on q, k and v, sliding window 45 from layer 1 on, an older config.json", "f32",
                dict(vocab_size=97, hidden_size=32, intermediate_size=43, num_hidden_layers=3, num_attention_heads=4,
                     num_key_value_heads=2, use_sliding_window=True, sliding_window=45, max_window_layers=1,
                     max_position_embeddings=512, rms_norm_eps=1e-6,
                     rope_parameters=dict(rope_type="default", rope_theta=1e4)),
                tokens=210, older={}),
    FamilyShape("qwen2", "f32-kv1-dynamic-sharded",
                "one kv head, dynamic rope scaling beyond 64 positions, tied embeddings, shards", "f32",
                dict(vocab_size=101, hidden_size=36, intermediate_size=51, num_hidden_layers=3, num_attention_heads=3,
                     num_key_value_heads=1, tie_word_embeddings=True, max_position_embeddings=64, rms_norm_eps=0.02,
                     rope_parameters=dict(rope_type="dynamic", rope_theta=1e4, factor=3.0)),
                tokens=150, shard_bytes=40_000, stepwise=True, gains=TIED),
    FamilyShape("qwen2", "bf16-all-kv", "a kv head per head, four KV blocks, an older config.json", "bf16",
                dict(vocab_size=96, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4,
                     num_key_value_heads=4, max_position_embeddings=512, rms_norm_eps=1e-6,
                     rope_parameters=dict(rope_type="default", rope_theta=1e6)),
                tokens=200, older={}, stride=6),
]
