from .shape import TIED, FamilyShape

SHAPES = [
    FamilyShape("ernie4_5_moe", "f32-kv2-bias",
                "four KV blocks, neighbouring pairs rotated, head_dim 12 of d_model 32, biases on everything, one dense "
                "layer, two shared experts, a norm of the weights that never falls below 0.6", "f32",
                dict(vocab_size=97, hidden_size=32, intermediate_size=37, moe_intermediate_size=9, num_hidden_layers=3,
                     num_attention_heads=4, num_key_value_heads=2, head_dim=12, use_bias=True, moe_num_experts=6,
                     moe_k=2, moe_num_shared_experts=2, moe_norm_min=0.6, tie_word_embeddings=False,
                     max_position_embeddings=512, rms_norm_eps=1e-5,
                     rope_parameters=dict(rope_type="default", rope_theta=1e4)),
                tokens=210),
    FamilyShape("ernie4_5_moe", "f32-kv1-interval-sharded",
                "one kv head, experts in layers 1 and 3 of 5, no shared experts, tied embeddings, shards, an older "
                "config.json", "f32",
                dict(vocab_size=101, hidden_size=30, intermediate_size=27, moe_intermediate_size=13,
                     num_hidden_layers=5, num_attention_heads=3, num_key_value_heads=1, moe_num_experts=5, moe_k=3,
                     moe_num_shared_experts=0, moe_layer_start_index=1, moe_layer_end_index=3, moe_layer_interval=2,
                     max_position_embeddings=512, rms_norm_eps=0.02,
                     rope_parameters=dict(rope_type="default", rope_theta=5e5)),
                tokens=90, older={}, shard_bytes=60_000, gains=TIED),
    FamilyShape("ernie4_5_moe", "bf16-all-kv",
                "a kv head per head, four KV blocks, tied embeddings, f32 router, tensors of a layer that "
                "predicts further tokens, an older config.json", "bf16",
                dict(vocab_size=96, hidden_size=48, intermediate_size=64, moe_intermediate_size=20,
                     num_hidden_layers=3, num_attention_heads=3, num_key_value_heads=3, moe_num_experts=6, moe_k=2,
                     moe_num_shared_experts=2, max_position_embeddings=512, rms_norm_eps=1e-5,
                     rope_parameters=dict(rope_type="default", rope_theta=5e5)),
                tokens=200, stride=6, gains=TIED,
                older=dict(moe_capacity=[6, 6, 6], moe_gate="topk", moe_use_aux_free=True, moe_layer_end_index=-1),
                unread={"model.mtp_linear_proj.0.weight": (48, 96), "model.mtp_emb_norm.0.weight": (48,)}),
]
