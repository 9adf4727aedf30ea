from .shape import FamilyShape

SHAPES = [
    FamilyShape("qwen2_moe", "f32-kv2-window",
                "four KV blocks, biases on q, k and v, gated shared expert, sliding window 40 in layers 0 and 2, "
                "normalised router weights", "f32",
                dict(vocab_size=97, hidden_size=32, intermediate_size=37, moe_intermediate_size=13,
                     shared_expert_intermediate_size=21, num_hidden_layers=3, num_attention_heads=4,
                     num_key_value_heads=2, num_experts=5, num_experts_per_tok=2, norm_topk_prob=True,
                     use_sliding_window=True, sliding_window=40, max_window_layers=3, max_position_embeddings=512,
                     rms_norm_eps=1e-6, rope_parameters=dict(rope_type="default", rope_theta=1e4)),
                tokens=210),
    FamilyShape("qwen2_moe", "f32-kv1-dense-sharded",
                "one kv head, no biases, dense layers 0 and 3, YaRN, raw router weights, shards, an older config.json",
                "f32",
                dict(vocab_size=101, hidden_size=30, intermediate_size=35, moe_intermediate_size=11,
                     shared_expert_intermediate_size=17, num_hidden_layers=4, num_attention_heads=3,
                     num_key_value_heads=1, num_experts=6, num_experts_per_tok=3, norm_topk_prob=False, qkv_bias=False,
                     mlp_only_layers=[0, 3], max_position_embeddings=256, rms_norm_eps=0.02,
                     rope_parameters=dict(rope_type="yarn", rope_theta=1e4, factor=4.0,
                                          original_max_position_embeddings=64)),
                tokens=90, older={}, shard_bytes=60_000),
    FamilyShape("qwen2_moe", "bf16-all-kv", "a kv head per head, four KV blocks, an older config.json", "bf16",
                dict(vocab_size=96, hidden_size=48, intermediate_size=64, moe_intermediate_size=20,
                     shared_expert_intermediate_size=40, num_hidden_layers=2, num_attention_heads=3,
                     num_key_value_heads=3, num_experts=6, num_experts_per_tok=2, max_position_embeddings=512,
                     rms_norm_eps=1e-6, rope_parameters=dict(rope_type="default", rope_theta=1e6)),
                tokens=200, older=dict(qkv_bias="absent"), stride=6),
]
