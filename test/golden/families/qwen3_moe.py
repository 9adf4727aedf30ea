from .shape import TIED, FamilyShape

SHAPES = [
    FamilyShape("qwen3_moe", "f32-kv2-yarn-window",
                "four KV blocks, head_dim 12 of d_model 32, q/k norm, YaRN, sliding window 50, a dense second layer, "
                "normalised router weights, experts in fused 3D tensors", "f32",
                dict(vocab_size=97, hidden_size=32, intermediate_size=37, moe_intermediate_size=17,
                     num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
                     num_experts=6, num_experts_per_tok=3, norm_topk_prob=True, mlp_only_layers=[1],
                     use_sliding_window=True, sliding_window=50, max_position_embeddings=2048, rms_norm_eps=1e-6,
                     rope_parameters=dict(rope_type="yarn", rope_theta=1e4, factor=4.0, beta_fast=8.0, beta_slow=0.5,
                                          original_max_position_embeddings=512)),
                tokens=210, fused=True),
    FamilyShape("qwen3_moe", "f32-kv1-bias-sharded",
                "one kv head, biases on q, k, v and o, dense every second layer, raw router weights, tied embeddings, "
                "shards, an older config.json", "f32",
                dict(vocab_size=101, hidden_size=36, intermediate_size=29, moe_intermediate_size=15,
                     num_hidden_layers=4, num_attention_heads=3, num_key_value_heads=1, head_dim=10,
                     num_experts=5, num_experts_per_tok=2, norm_topk_prob=False, decoder_sparse_step=2,
                     attention_bias=True, tie_word_embeddings=True, max_position_embeddings=512, rms_norm_eps=0.02,
                     rope_parameters=dict(rope_type="default", rope_theta=1e6)),
                tokens=90, older=dict(max_window_layers=4, rope_scaling=None), shard_bytes=60_000, gains=TIED),
    FamilyShape("qwen3_moe", "bf16-all-kv",
                "a kv head per head, four KV blocks, an older config.json", "bf16",
                dict(vocab_size=96, hidden_size=40, intermediate_size=64, moe_intermediate_size=24,
                     num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=3, head_dim=16,
                     num_experts=8, num_experts_per_tok=2, norm_topk_prob=True, max_position_embeddings=512,
                     rms_norm_eps=1e-6, rope_parameters=dict(rope_type="default", rope_theta=1e6)),
                tokens=200, older=dict(max_window_layers=2, rope_scaling=None), stride=6),
]
