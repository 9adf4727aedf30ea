from .shape import TIED, FamilyShape

ENDS = dict(bos_token_id=1, eos_token_id=2)  # the class's own lie beyond a small vocabulary
# Keys of the published config.json that transformers does not read, but rotary_dim.
PUBLISHED = dict(partial_rotary_factor="absent", qk_norm_type="per_layer", scoring_func="sigmoid",
                 shared_intermediate_size=0, use_qk_norm=True, use_routing_bias=True)

SHAPES = [
    FamilyShape("minimax_m2", "f32-kv2",
                "four KV blocks, q/k norm over the full width, half of the head rotated, head_dim 12 of d_model 32", "f32",
                dict(vocab_size=97, hidden_size=32, intermediate_size=19, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=2, head_dim=12, num_local_experts=6, num_experts_per_tok=3,
                     max_position_embeddings=512, rms_norm_eps=1e-6, **ENDS,
                     rope_parameters=dict(rope_type="default", rope_theta=1e4, partial_rotary_factor=0.5)),
                tokens=210),
    FamilyShape("minimax_m2", "f32-kv1-sharded",
                "one kv head, rotary_dim 4 of 16, linear rope scaling, tied embeddings, shards, an older config.json",
                "f32",
                dict(vocab_size=101, hidden_size=36, intermediate_size=15, num_hidden_layers=3, num_attention_heads=3,
                     num_key_value_heads=1, head_dim=16, num_local_experts=5, num_experts_per_tok=2,
                     tie_word_embeddings=True, max_position_embeddings=512, rms_norm_eps=0.02, **ENDS,
                     rope_parameters=dict(rope_type="linear", rope_theta=1e4, factor=2.0, partial_rotary_factor=0.25)),
                tokens=90, older=dict(rotary_dim=4, **PUBLISHED), shard_bytes=60_000, gains=TIED),
    FamilyShape("minimax_m2", "bf16-all-kv",
                "a kv head per head, four KV blocks, rotary_dim 8 of 16, an older config.json", "bf16",
                dict(vocab_size=96, hidden_size=48, intermediate_size=24, num_hidden_layers=2, num_attention_heads=3,
                     num_key_value_heads=3, head_dim=16, num_local_experts=8, num_experts_per_tok=4,
                     max_position_embeddings=512, rms_norm_eps=1e-6, **ENDS,
                     rope_parameters=dict(rope_type="default", rope_theta=5e6, partial_rotary_factor=0.5)),
                tokens=200, older=dict(rotary_dim=8, **PUBLISHED), stride=6),
]
