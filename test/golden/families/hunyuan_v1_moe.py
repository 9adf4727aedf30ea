from .shape import TIED, FamilyShape


def published(layers: int, top_k: int, width: int, head_dim: int) -> dict:
    """Keys of the published config.json: lists with a value per layer, and some that transformers does not read."""
    return dict(moe_topk=[top_k] * layers, moe_intermediate_size=[width] * layers, num_shared_expert=[1] * layers,
                attention_head_dim=head_dim, moe_layer_num_skipped=0, norm_topk_prob=True, use_cla=False,
                use_mixed_mlp_moe=True, use_qk_norm=True)


SHAPES = [
    FamilyShape("hunyuan_v1_moe", "f32-kv2-bias",
                "four KV blocks, q/k norm after the rotation, head_dim 12 of d_model 32, biases on q, k, v and o, shared "
                "expert", "f32",
                dict(vocab_size=97, hidden_size=32, intermediate_size=17, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=2, head_dim=12, attention_bias=True, num_experts=5, moe_topk=3,
                     max_position_embeddings=512, rms_norm_eps=1e-5,
                     rope_parameters=dict(rope_type="default", rope_theta=1e4)),
                tokens=210),
    FamilyShape("hunyuan_v1_moe", "f32-kv1-alpha-sharded",
                "one kv head, rope base stretched by alpha, tied embeddings, shards, an older config.json", "f32",
                dict(vocab_size=101, hidden_size=36, intermediate_size=15, num_hidden_layers=3, num_attention_heads=3,
                     num_key_value_heads=1, head_dim=10, num_experts=4, moe_topk=2, tie_word_embeddings=True,
                     max_position_embeddings=512, rms_norm_eps=0.02,
                     rope_parameters=dict(rope_type="dynamic", rope_theta=1e4, alpha=50.0, beta_fast=32, beta_slow=1,
                                          factor=1.0, mscale=1.0, mscale_all_dim=1.0)),
                tokens=90, older=published(3, 2, 15, 10), shard_bytes=60_000, gains=TIED),
    FamilyShape("hunyuan_v1_moe", "bf16-all-kv",
                "a kv head per head, four KV blocks, rope base stretched by alpha, an older config.json", "bf16",
                dict(vocab_size=96, hidden_size=48, intermediate_size=24, num_hidden_layers=2, num_attention_heads=3,
                     num_key_value_heads=3, head_dim=16, num_experts=6, moe_topk=2, max_position_embeddings=512,
                     rms_norm_eps=1e-5,
                     rope_parameters=dict(rope_type="dynamic", rope_theta=1e4, alpha=1000.0, beta_fast=32, beta_slow=1,
                                          factor=1.0, mscale=1.0, mscale_all_dim=1.0)),
                tokens=200, older=published(2, 2, 24, 16), stride=6),
]
