from .shape import TIED, FamilyShape

ENDS = dict(eos_token_id=2, pad_token_id=1)  # the class's own lie beyond a small vocabulary

SHAPES = [
    FamilyShape("olmoe", "f32-all-kv-clip",
                "four KV blocks, q/k norm over the full width, clip_qkv 0.9, biases on q, k, v and o, raw router weights",
                "f32",
                dict(vocab_size=97, hidden_size=36, intermediate_size=19, num_hidden_layers=2, num_attention_heads=3,
                     num_key_value_heads=3, num_experts=6, num_experts_per_tok=3, norm_topk_prob=False, clip_qkv=0.9,
                     attention_bias=True, max_position_embeddings=512, rms_norm_eps=1e-5,
                     rope_parameters=dict(rope_type="default", rope_theta=1e4), **ENDS),
                tokens=210),
    FamilyShape("olmoe", "f32-kv1-sharded",
                "one kv head, top 4 of 5 with normalised weights, linear rope scaling, tied embeddings, shards, "
                "an older config.json", "f32",
                dict(vocab_size=101, hidden_size=40, intermediate_size=15, num_hidden_layers=3, num_attention_heads=4,
                     num_key_value_heads=1, num_experts=5, num_experts_per_tok=4, norm_topk_prob=True,
                     tie_word_embeddings=True, max_position_embeddings=512, rms_norm_eps=0.02,
                     rope_parameters=dict(rope_type="linear", rope_theta=5e5, factor=2.0), **ENDS),
                tokens=90, older={}, shard_bytes=60_000, gains=TIED),
    FamilyShape("olmoe", "bf16-kv2", "four KV blocks, top 4 of 8, an older config.json", "bf16",
                dict(vocab_size=96, hidden_size=48, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=2, num_experts=8, num_experts_per_tok=4, max_position_embeddings=512,
                     rms_norm_eps=1e-5, rope_parameters=dict(rope_type="default", rope_theta=1e4), **ENDS),
                tokens=200, older=dict(rope_scaling=None), stride=6),
]
