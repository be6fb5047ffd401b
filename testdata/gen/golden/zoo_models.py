"""Tiny models of many architectures, by the classes and settings of transformers 5.23.

ALL maps a name to a Model. Sizes are the least that still tell heads, groups,
layers and experts apart.
"""

import dataclasses

import transformers

VOCABULARY, WIDTH = 41, 16


@dataclasses.dataclass
class Model:
    cls: str  # of transformers
    config: str  # likewise; "Auto" for that of cls
    kind: str  # lm, classes, tokens, span, pool or pair
    settings: dict

    def make(self):
        config = getattr(transformers, self.config)(**self.settings)
        return getattr(transformers, self.cls)(config)


IDS = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2)
SIZE = dict(
    vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
    max_position_embeddings=32,
)  # fmt: skip
DECODER = dict(SIZE, use_cache=False, **IDS)
GROUPED = dict(DECODER, num_attention_heads=4, num_key_value_heads=2)
WIDE = dict(GROUPED, head_dim=8)  # heads wider than the stream divided by them
ENCODER = dict(SIZE, pad_token_id=0)
GPT = dict(vocab_size=VOCABULARY, n_embd=WIDTH, n_layer=2, n_head=2, n_positions=32, use_cache=False)
FALCON = {k: v for k, v in DECODER.items() if k != "intermediate_size"}
EXPERTS = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=8)
LATENT = dict(
    DECODER, num_key_value_heads=2, q_lora_rank=8, kv_lora_rank=8, qk_nope_head_dim=8, qk_rope_head_dim=4, v_head_dim=8,
    n_routed_experts=4, num_experts_per_tok=2, n_shared_experts=1, moe_intermediate_size=8, first_k_dense_replace=1,
)  # fmt: skip
T5 = dict(
    vocab_size=VOCABULARY, d_model=WIDTH, d_kv=8, d_ff=24, num_layers=2, num_heads=2, use_cache=False,
    decoder_start_token_id=0, relative_attention_num_buckets=8, relative_attention_max_distance=12,
)  # fmt: skip
BART = dict(
    vocab_size=VOCABULARY, d_model=WIDTH, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
    decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, max_position_embeddings=32, use_cache=False,
    decoder_start_token_id=2, **IDS,
)  # fmt: skip


def rope(kind, **how):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=10000.0, **how))


def lm(name, settings, **more):
    return Model(f"{name}ForCausalLM", f"{name}Config", "lm", {**settings, **more})


def classes(name, settings, **more):
    return Model(f"{name}ForSequenceClassification", f"{name}Config", "classes", {**settings, "num_labels": 3, **more})


def tokens(name, settings, **more):
    return Model(f"{name}ForTokenClassification", f"{name}Config", "tokens", {**settings, "num_labels": 3, **more})


def pair(name, settings, **more):
    return Model(f"{name}ForConditionalGeneration", f"{name}Config", "pair", {**settings, **more})


ALL = {
    # decoders
    "llama_llama3": lm("Llama", GROUPED, **rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)),
    "llama_linear": lm("Llama", GROUPED, **rope("linear", factor=2.0), tie_word_embeddings=True),
    "llama_dynamic": lm("Llama", GROUPED, **rope("dynamic", factor=2.0)),
    "llama_yarn": lm("Llama", GROUPED, **rope("yarn", factor=4.0, original_max_position_embeddings=16)),
    "llama_bias": lm("Llama", DECODER, num_key_value_heads=1, attention_bias=True, mlp_bias=True),
    "mistral": lm("Mistral", GROUPED, sliding_window=4),
    "mixtral": lm("Mixtral", GROUPED, num_local_experts=4, num_experts_per_tok=2),
    "qwen2": lm("Qwen2", GROUPED, use_sliding_window=True, sliding_window=4, max_window_layers=1),
    "qwen2_moe": lm("Qwen2Moe", GROUPED, num_hidden_layers=1, **EXPERTS, shared_expert_intermediate_size=12, norm_topk_prob=True),
    "qwen3": lm("Qwen3", WIDE),
    "qwen3_moe": lm("Qwen3Moe", WIDE, **EXPERTS, norm_topk_prob=True),
    "gemma": lm("Gemma", WIDE),
    "gemma2": lm("Gemma2", WIDE, sliding_window=4, query_pre_attn_scalar=8, attn_logit_softcapping=5.0, final_logit_softcapping=10.0),
    "gemma3": Model("Gemma3ForCausalLM", "Gemma3TextConfig", "lm", dict(WIDE, sliding_window=4, query_pre_attn_scalar=8)),
    "phi": lm("Phi", GROUPED, partial_rotary_factor=0.5),
    "phi3": lm("Phi3", GROUPED, original_max_position_embeddings=16, **rope("longrope", short_factor=[1.0, 1.1], long_factor=[1.0, 2.0], original_max_position_embeddings=16)),
    "phimoe": lm("Phimoe", GROUPED, num_local_experts=4, num_experts_per_tok=2),
    "gpt_neox": lm("GPTNeoX", DECODER, **rope("default", partial_rotary_factor=0.5)),
    "gpt_neo": lm("GPTNeo", {}, vocab_size=VOCABULARY, hidden_size=WIDTH, num_layers=2, num_heads=2, intermediate_size=24, attention_types=[[["global", "local"], 1]], window_size=4, max_position_embeddings=32, use_cache=False, bos_token_id=1, eos_token_id=2),
    "gpt2_scaled": Model("GPT2LMHeadModel", "GPT2Config", "lm", dict(GPT, n_inner=24, scale_attn_by_inverse_layer_idx=True, bos_token_id=1, eos_token_id=2)),
    "gpt_bigcode": lm("GPTBigCode", GPT, n_inner=24, multi_query=True, bos_token_id=1, eos_token_id=2),
    "gptj": lm("GPTJ", GPT, rotary_dim=4, bos_token_id=1, eos_token_id=2),
    "codegen": lm("CodeGen", GPT, n_head=4, rotary_dim=4, n_ctx=32, bos_token_id=1, eos_token_id=2),
    "openai_gpt": Model("OpenAIGPTLMHeadModel", "OpenAIGPTConfig", "lm", {k: v for k, v in GPT.items() if k != "use_cache"}),
    "ctrl": Model("CTRLLMHeadModel", "CTRLConfig", "lm", dict(GPT, dff=24)),
    "opt": lm("OPT", {}, vocab_size=VOCABULARY, hidden_size=WIDTH, ffn_dim=24, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=32, word_embed_proj_dim=WIDTH, use_cache=False, **IDS),
    "falcon": lm("Falcon", FALCON, multi_query=True, parallel_attn=True, new_decoder_architecture=False, alibi=False),
    "falcon_new": lm("Falcon", FALCON, num_attention_heads=4, num_kv_heads=2, new_decoder_architecture=True, alibi=False),
    "bloom": lm("Bloom", {}, vocab_size=VOCABULARY, hidden_size=WIDTH, n_layer=2, n_head=2, use_cache=False, **IDS),
    "mpt": lm("Mpt", {}, vocab_size=VOCABULARY, d_model=WIDTH, n_layers=2, n_heads=2, max_seq_len=32, expansion_ratio=2, use_cache=False),
    "starcoder2": lm("Starcoder2", GROUPED),
    "olmo": lm("Olmo", GROUPED),
    "olmo2": lm("Olmo2", GROUPED),
    "olmo3": lm("Olmo3", GROUPED, sliding_window=4),
    "olmoe": lm("Olmoe", GROUPED, num_experts=4, num_experts_per_tok=2),
    "cohere": lm("Cohere", GROUPED, use_qk_norm=True),
    "cohere2": lm("Cohere2", GROUPED, sliding_window=4),
    "granite": lm("Granite", GROUPED, embedding_multiplier=2.0, residual_multiplier=0.5, attention_multiplier=0.3, logits_scaling=2.0),
    "granitemoe": lm("GraniteMoe", GROUPED, num_local_experts=4, num_experts_per_tok=2),
    "stablelm": lm("StableLm", WIDE, qk_layernorm=True, use_parallel_residual=True),
    "nemotron": lm("Nemotron", GROUPED),
    "persimmon": lm("Persimmon", DECODER),
    "deepseek_v3": lm("DeepseekV3", LATENT, n_group=2, topk_group=1),
    "gpt_oss": lm("GptOss", WIDE, num_local_experts=4, num_experts_per_tok=2, num_hidden_layers=1, sliding_window=4, layer_types=["sliding_attention"], **rope("default")),
    "smollm3": lm("SmolLM3", GROUPED, no_rope_layer_interval=2),
    "glm": lm("Glm", WIDE, partial_rotary_factor=0.5),
    "glm4": lm("Glm4", WIDE, partial_rotary_factor=0.5),
    "ernie4_5": lm("Ernie4_5", WIDE),
    "helium": lm("Helium", GROUPED, head_dim=4),
    "diffllama": lm("DiffLlama", GROUPED),
    "xglm": lm("XGLM", {}, vocab_size=VOCABULARY, d_model=WIDTH, ffn_dim=24, num_layers=2, attention_heads=2, max_position_embeddings=32, use_cache=False, pad_token_id=0),
    "biogpt": lm("BioGpt", DECODER),
    "lfm2": lm("Lfm2", GROUPED, layer_types=["conv", "full_attention"], conv_L_cache=3, block_multiple_of=8),
    "modernbert_decoder": lm("ModernBertDecoder", DECODER, global_attn_every_n_layers=2, local_attention=4),
    # encoders
    "bert_classes": classes("Bert", ENCODER),
    "bert_span": Model("BertForQuestionAnswering", "BertConfig", "span", ENCODER),
    "bert_pool": Model("BertModel", "BertConfig", "pool", ENCODER),
    "bert_masked": Model("BertForMaskedLM", "BertConfig", "tokens", dict(ENCODER, hidden_act="gelu_new")),
    "roberta": classes("Roberta", ENCODER),
    "roberta_prenorm": classes("RobertaPreLayerNorm", ENCODER),
    "xlm_roberta": tokens("XLMRoberta", ENCODER),
    "distilbert": classes("DistilBert", {}, vocab_size=VOCABULARY, dim=WIDTH, hidden_dim=24, n_layers=2, n_heads=2, max_position_embeddings=32),
    "albert": classes("Albert", ENCODER, embedding_size=8),
    "electra": classes("Electra", ENCODER, embedding_size=8),
    "deberta": classes("Deberta", ENCODER, relative_attention=True, pos_att_type=["c2p", "p2c"], max_relative_positions=8),
    "deberta_v2": classes("DebertaV2", ENCODER, num_hidden_layers=1, relative_attention=True, pos_att_type=["c2p", "p2c"], position_buckets=4, max_relative_positions=8, norm_rel_ebd="layer_norm", share_att_key=True, position_biased_input=False, type_vocab_size=0),
    "modernbert": classes("ModernBert", ENCODER, global_attn_every_n_layers=2, local_attention=4, classifier_pooling="mean"),
    "mpnet": tokens("MPNet", ENCODER),
    "mobilebert": classes("MobileBert", ENCODER, embedding_size=8, intra_bottleneck_size=8, num_feedforward_networks=2),
    "squeezebert": classes("SqueezeBert", ENCODER, embedding_size=WIDTH),
    "funnel": classes("Funnel", {}, vocab_size=VOCABULARY, block_sizes=[1, 1], d_model=WIDTH, n_head=2, d_head=8, d_inner=24),
    "fnet": classes("FNet", {}, vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=24, num_hidden_layers=2, max_position_embeddings=32),
    "roformer": classes("RoFormer", ENCODER, embedding_size=WIDTH, rotary_value=False),
    "esm": tokens("Esm", ENCODER, position_embedding_type="rotary", mask_token_id=3, token_dropout=True),
    "convbert": classes("ConvBert", ENCODER, embedding_size=WIDTH, conv_kernel_size=3, head_ratio=1),
    "xlnet": classes("XLNet", {}, vocab_size=VOCABULARY, d_model=WIDTH, n_layer=2, n_head=2, d_inner=24),
    "llama_classes": classes("Llama", GROUPED),
    # encoder and decoder
    "t5": pair("T5", T5),
    "t5_v11": pair("T5", T5, num_layers=1, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    "mt5": pair("MT5", T5),
    "umt5": pair("UMT5", T5),
    "t5_encoder": Model("T5EncoderModel", "T5Config", "pool", dict(T5, feed_forward_proj="gated-silu")),
    "switch": pair("SwitchTransformers", T5, num_experts=2, num_sparse_encoder_layers=1, num_sparse_decoder_layers=1),
    "bart": pair("Bart", BART),
    "mbart": pair("MBart", BART, scale_embedding=True),
    "marian": Model("MarianMTModel", "MarianConfig", "pair", dict(BART, activation_function="swish")),
    "pegasus": pair("Pegasus", BART),
    "m2m_100": pair("M2M100", dict(BART, pad_token_id=1)),
}  # fmt: skip
