from .shape import TIED, FamilyShape

SHAPES = [
    FamilyShape("glm4_moe", "f32-kv2-groups",
                "four KV blocks, half of the head rotated, head_dim 12 of d_model 32, q/k norm, biases on q, k and v, two "
                "dense layers, top 3 from 2 of 4 groups of experts, scaled by 1.7, three shared experts", "f32",
                dict(vocab_size=97, hidden_size=32, intermediate_size=37, moe_intermediate_size=7,
                     num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
                     attention_bias=True, use_qk_norm=True, n_routed_experts=8, num_experts_per_tok=3, n_group=4,
                     topk_group=2, routed_scaling_factor=1.7, n_shared_experts=3, first_k_dense_replace=2,
                     num_mtp_layers=0, max_position_embeddings=512, rms_norm_eps=1e-5,
                     rope_parameters=dict(rope_type="default", rope_theta=1e4, partial_rotary_factor=0.5)),
                tokens=210),
    FamilyShape("glm4_moe", "f32-kv1-sharded",
                "one kv head, no q/k norm, no biases, weights not normalised, one dense layer, tied embeddings, shards, an "
                "older config.json", "f32",
                dict(vocab_size=101, hidden_size=36, intermediate_size=29, moe_intermediate_size=13,
                     num_hidden_layers=3, num_attention_heads=3, num_key_value_heads=1, head_dim=16,
                     n_routed_experts=5, num_experts_per_tok=2, norm_topk_prob=False, routed_scaling_factor=0.6,
                     tie_word_embeddings=True, num_mtp_layers=0, max_position_embeddings=512, rms_norm_eps=0.02,
                     rope_parameters=dict(rope_type="default", rope_theta=1e6, partial_rotary_factor=0.25)),
                tokens=90, older=dict(rope_scaling=None), shard_bytes=60_000, gains=TIED),
    FamilyShape("glm4_moe", "bf16-all-kv",
                "a kv head per head, four KV blocks, biases on q, k and v, f32 router, tensors of a layer that predicts "
                "further tokens, an older config.json", "bf16",
                dict(vocab_size=96, hidden_size=40, intermediate_size=64, moe_intermediate_size=20,
                     num_hidden_layers=3, num_attention_heads=3, num_key_value_heads=3, head_dim=16,
                     attention_bias=True, n_routed_experts=6, num_experts_per_tok=2, num_mtp_layers=0,
                     max_position_embeddings=512, rms_norm_eps=1e-5,
                     rope_parameters=dict(rope_type="default", rope_theta=1e6, partial_rotary_factor=0.5)),
                tokens=200, older=dict(rope_scaling=None, num_nextn_predict_layers=1), stride=6,
                unread={"model.layers.3.eh_proj.weight": (40, 80), "model.layers.3.enorm.weight": (40,),
                        "model.layers.3.hnorm.weight": (40,), "model.layers.3.shared_head.norm.weight": (40,),
                        "model.layers.3.input_layernorm.weight": (40,)}),
]
