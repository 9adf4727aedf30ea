from .shape import TIED, FamilyShape

SHAPES = [
    FamilyShape("granitemoe", "f32-kv2-bias",
                "four KV blocks, multipliers of embedding, residual, attention and logits, biases on q, k, v and o, top 3 "
                "of 5", "f32",
                dict(vocab_size=97, hidden_size=32, intermediate_size=19, num_hidden_layers=2, num_attention_heads=4,
                     num_key_value_heads=2, num_local_experts=5, num_experts_per_tok=3, attention_bias=True,
                     embedding_multiplier=0.7, residual_multiplier=0.6, attention_multiplier=0.21, logits_scaling=1.6,
                     max_position_embeddings=512, rms_norm_eps=1e-6,
                     rope_parameters=dict(rope_type="default", rope_theta=1e4)),
                tokens=210, gains={"lm_head": 2.0}),
    FamilyShape("granitemoe", "f32-kv1-sharded",
                "one kv head, other multipliers, tied embeddings, linear rope scaling, shards, an older config.json", "f32",
                dict(vocab_size=101, hidden_size=36, intermediate_size=15, num_hidden_layers=3, num_attention_heads=3,
                     num_key_value_heads=1, num_local_experts=4, num_experts_per_tok=2, embedding_multiplier=1.5,
                     residual_multiplier=1.2, attention_multiplier=0.4, logits_scaling=0.4, tie_word_embeddings=True,
                     max_position_embeddings=512, rms_norm_eps=0.02,
                     rope_parameters=dict(rope_type="linear", rope_theta=1e4, factor=2.0)),
                tokens=90, older={}, shard_bytes=60_000, gains=TIED),
    FamilyShape("granitemoe", "bf16-all-kv",
                "a kv head per head, four KV blocks, tied embeddings, an older config.json", "bf16",
                dict(vocab_size=96, hidden_size=48, intermediate_size=24, num_hidden_layers=2, num_attention_heads=3,
                     num_key_value_heads=3, num_local_experts=6, num_experts_per_tok=2, embedding_multiplier=12.0,
                     residual_multiplier=0.5, attention_multiplier=0.125, logits_scaling=0.03, tie_word_embeddings=True,
                     max_position_embeddings=512, rms_norm_eps=1e-6,
                     rope_parameters=dict(rope_type="default", rope_theta=1e4)),
                tokens=200, older=dict(rope_scaling=None), stride=6, gains={"embed_tokens": 0.01}),
]
