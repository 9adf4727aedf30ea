from .shape import TIED, FamilyShape

SHAPES = [
    FamilyShape("mistral", "f32-kv1-window",
                "four KV blocks, one kv head, head_dim 14 of d_model 36, sliding window 60", "f32",
                dict(vocab_size=97, hidden_size=36, intermediate_size=43, num_hidden_layers=2, num_attention_heads=3,
                     num_key_value_heads=1, head_dim=14, sliding_window=60, max_position_embeddings=512,
                     rms_norm_eps=1e-5, rope_parameters=dict(rope_type="default", rope_theta=1e4)),
                tokens=210),
    FamilyShape("mistral", "f32-all-kv-yarn-sharded",
                "a kv head per head, YaRN with its own attention factor, no window, tied embeddings, shards, "
                "an older config.json", "f32",
                dict(vocab_size=101, hidden_size=40, intermediate_size=51, num_hidden_layers=3, num_attention_heads=4,
                     num_key_value_heads=4, sliding_window=None, tie_word_embeddings=True, max_position_embeddings=256,
                     rms_norm_eps=0.02,
                     rope_parameters=dict(rope_type="yarn", rope_theta=1e4, factor=4.0, attention_factor=1.3,
                                          original_max_position_embeddings=64)),
                tokens=120, older={}, shard_bytes=60_000, gains=TIED),
    FamilyShape("mistral", "bf16-kv2-window", "four KV blocks, sliding window 100, an older config.json", "bf16",
                dict(vocab_size=96, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4,
                     num_key_value_heads=2, sliding_window=100, max_position_embeddings=512, rms_norm_eps=1e-5,
                     rope_parameters=dict(rope_type="default", rope_theta=1e4)),
                tokens=200, older=dict(head_dim="absent"), stride=6),
]
