from .shape import TIED, FamilyShape

SHAPES = [
    FamilyShape("mixtral", "f32-kv1-linear-window",
                "four KV blocks, one kv head, head_dim 10 of d_model 36, linear rope scaling, sliding window 70", "f32",
                dict(vocab_size=97, hidden_size=36, intermediate_size=23, num_hidden_layers=2, num_attention_heads=3,
                     num_key_value_heads=1, head_dim=10, num_local_experts=5, num_experts_per_tok=2, sliding_window=70,
                     max_position_embeddings=512, rms_norm_eps=1e-5,
                     rope_parameters=dict(rope_type="linear", rope_theta=1e4, factor=3.0)),
                tokens=210),
    FamilyShape("mixtral", "f32-all-kv-dynamic-sharded",
                "a kv head per head, top 3 of 4, dynamic rope scaling beyond 64 positions, tied embeddings, shards, "
                "an older config.json", "f32",
                dict(vocab_size=101, hidden_size=32, intermediate_size=27, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=4, head_dim=8, num_local_experts=4, num_experts_per_tok=3,
                     tie_word_embeddings=True, max_position_embeddings=64, rms_norm_eps=0.01,
                     rope_parameters=dict(rope_type="dynamic", rope_theta=1e6, factor=3.0)),
                tokens=150, older={}, shard_bytes=60_000, stepwise=True, gains=TIED),
    FamilyShape("mixtral", "bf16-kv2", "four KV blocks, an older config.json", "bf16",
                dict(vocab_size=96, hidden_size=48, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2, max_position_embeddings=512,
                     rms_norm_eps=1e-5, rope_parameters=dict(rope_type="default", rope_theta=1e6)),
                tokens=200, older=dict(head_dim="absent"), stride=6),
    FamilyShape("mixtral", "f16-kv1-top1", "one kv head, top 1, odd widths", "f16",
                dict(vocab_size=95, hidden_size=30, intermediate_size=25, num_hidden_layers=2, num_attention_heads=3,
                     num_key_value_heads=1, num_local_experts=3, num_experts_per_tok=1, max_position_embeddings=512,
                     rms_norm_eps=1e-5, rope_parameters=dict(rope_type="default", rope_theta=1e4)),
                tokens=90),
]
