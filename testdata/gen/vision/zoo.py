"""Models of torchvision, timm, open_clip and transformers, small or at least on small pictures, with random weights.

    models()      name -> a function that makes (module, inputs)
"""

import functools

import torch
import torchvision.models as tv
from torch import nn

SMALL_VIT = dict(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=4)

# Name, side of the picture, arguments.
TIMM = [
    ("vit_tiny_patch16_224", 32, SMALL_VIT),
    ("vit_base_patch16_gap_224", 32, SMALL_VIT),
    ("deit_tiny_distilled_patch16_224", 32, SMALL_VIT),
    ("deit3_small_patch16_224", 32, SMALL_VIT),
    ("vit_small_patch14_reg4_dinov2", 32, SMALL_VIT),
    ("vit_giant_patch14_reg4_dinov2", 32, SMALL_VIT),
    ("vit_base_patch16_siglip_224", 32, SMALL_VIT),
    ("vit_tiny_patch16_224", 32, SMALL_VIT | {"qk_norm": True}),
    ("cait_xxs24_224", 32, dict(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=4)),
    ("beit_base_patch16_224", 32, SMALL_VIT),
    ("beitv2_base_patch16_224", 32, SMALL_VIT),
    ("eva_giant_patch14_224", 32, SMALL_VIT),
    ("eva02_tiny_patch14_224", 32, SMALL_VIT),
    ("vit_small_patch16_dinov3", 32, SMALL_VIT),
    ("resmlp_12_224", 32, dict(img_size=32)),
    ("gmlp_ti16_224", 32, dict(img_size=32)),
    ("poolformer_s12", 64, {}),
    ("caformer_s18", 64, {}),
    ("convformer_s18", 64, {}),
    ("convmixer_768_32", 32, {}),
    ("convnext_atto", 32, dict(dims=(8,16,24,32), depths=(1,1,1,1))),
    ("convnextv2_atto", 32, dict(dims=(8,16,24,32), depths=(1,1,1,1))),
    ("convnext_tiny_hnf", 32, dict(dims=(8,16,24,32), depths=(1,1,1,1))),
    ("resnetv2_50", 32, dict(layers=[1,1], channels=[16,32], stem_chs=8)),
    ("nf_resnet26", 64, {}),
    ("ghostnet_050", 32, {}),
    ("mobilevit_xxs", 64, {}),
    ("mobilevitv2_050", 64, {}),
    ("mobilenetv4_conv_small_035", 32, {}),
    ("mobilenetv4_hybrid_medium", 64, {}),
    ("mobileone_s0", 32, {}),
    ("repvgg_a0", 32, {}),
    ("hrnet_w18_small", 64, {}),
    ("dla46x_c", 64, {}),
    ("res2net50_26w_4s", 32, {}),
    ("resnest14d", 64, {}),
    ("skresnet18", 32, {}),
    ("seresnet18", 32, {}),
    ("ecaresnet26t", 32, {}),
    ("tresnet_m", 32, {}),
    ("ese_vovnet19b_slim_dw", 32, {}),
    ("cspresnet50", 64, {}),
    ("legacy_xception", 75, {}),
    ("lcnet_035", 32, {}),
    ("tinynet_e", 32, {}),
    ("efficientnet_lite0", 32, {}),
    ("tf_efficientnet_b0", 32, {}),
    ("efficientformer_l1", 224, {}),
    ("efficientformerv2_s0", 224, {}),
    ("efficientvit_b0", 64, {}),
    ("efficientvit_m0", 224, {}),
    ("levit_128s", 224, {}),
    ("pvt_v2_b0", 64, {}),
    ("xcit_nano_12_p16_224", 32, dict(depth=2, embed_dim=32, num_heads=4)),
    ("coat_lite_tiny", 32, dict(img_size=32)),
    ("crossvit_tiny_240", 240, {}),
    ("tnt_s_legacy_patch16_224", 32, dict(img_size=32, embed_dim=32, inner_dim=8, depth=2, num_heads_inner=2, num_heads_outer=4)),
    ("davit_tiny", 56, dict(embed_dims=(16,32), depths=(1,1), num_heads=(2,4))),
    ("gcvit_xxtiny", 224, {}),
    ("fastvit_t8", 64, {}),
    ("hiera_tiny_224", 224, {}),
    ("inception_next_atto", 64, {}),
    ("edgenext_xx_small", 64, {}),
    ("coatnet_pico_rw_224", 64, dict(img_size=64)),
    ("maxvit_pico_rw_256", 64, dict(img_size=64)),
    ("swin_tiny_patch4_window7_224", 32, dict(img_size=32, window_size=4, embed_dim=24, depths=(2,2), num_heads=(2,4))),
    ("swinv2_tiny_window8_256", 32, dict(img_size=32, window_size=4, embed_dim=24, depths=(2,2), num_heads=(2,4))),
    ("swinv2_cr_tiny_224", 32, dict(img_size=32, window_size=4, embed_dim=24, depths=(2,2), num_heads=(2,4))),
    ("convit_tiny", 32, dict(img_size=32, patch_size=8, embed_dim=32, depth=3, num_heads=4, local_up_to_layer=2)),
    ("mvitv2_tiny", 224, {}),
    ("halonet26t", 256, {}),
    ("botnet26t_256", 256, {}),
    ("lambda_resnet26t", 256, {}),
    ("bat_resnext26ts", 256, {}),
    ("rdnet_tiny", 64, {}),
    ("starnet_s050", 64, {}),
    ("repvit_m0_9", 64, {}),
    ("vitamin_small_224", 64, dict(img_size=64)),
    ("tiny_vit_5m_224", 224, {}),
    ("inception_v4", 75, {}),
    ("dpn48b", 64, {}),
    ("selecsls42b", 64, {}),
    ("regnetz_005", 64, {}),
    ("gernet_s", 64, {}),
    ("shvit_s1", 224, {}),
    ("csatv2", 512, {}),
    ("test_resnet", 64, {}),
]


class Out(nn.Module):
    """One output of a model that returns several by name."""

    def __init__(self, model, name, key=None):
        super().__init__()
        self.model, self.name, self.key = model, name, key

    def forward(self, x):
        y = self.model(x) if self.key is None else self.model(**{self.key: x})
        return y[self.name]


class Similarity(nn.Module):
    """Of a picture and texts."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image, text):
        a, b = self.model.encode_image(image, normalize=True), self.model.encode_text(text, normalize=True)
        return a @ b.T * self.model.logit_scale.exp()


def torchvision_models():
    conf = tv.mobilenetv3._mobilenet_v3_conf
    swin = functools.partial(tv.SwinTransformer, [4, 4], 24, [2, 2], [2, 4], num_classes=10)
    v2 = dict(block=tv.swin_transformer.SwinTransformerBlockV2, downsample_layer=tv.swin_transformer.PatchMergingV2)
    regnet = functools.partial(tv.regnet.BlockParams.from_init_params, depth=6, w_0=16, w_a=12.0, w_m=2.3, group_width=8)
    block = tv.convnext.CNBlockConfig

    def mobilenet_v3(arch):
        blocks, last = conf(arch, width_mult=0.25)
        return tv.MobileNetV3(blocks, last // 4, num_classes=10)

    def efficientnet():
        blocks, _ = tv.efficientnet._efficientnet_conf("efficientnet_b0", width_mult=0.25, depth_mult=0.4)
        return tv.EfficientNet(blocks, 0.2, num_classes=10, last_channel=64)

    def segmentation(head):
        blocks, last = conf("mobilenet_v3_large", width_mult=0.25, dilated=True)
        return Out(head(tv.MobileNetV3(blocks, last // 4, num_classes=10)), "out")

    return {
        "vgg11_bn": (32, functools.partial(tv.vgg11_bn, num_classes=10)),
        "resnet18": (32, functools.partial(tv.resnet18, num_classes=10)),
        "resnet50": (32, functools.partial(tv.resnet50, num_classes=10)),
        "resnext50_32x4d": (32, functools.partial(tv.resnext50_32x4d, num_classes=10)),
        "densenet": (32, lambda: tv.DenseNet(8, (2, 2, 2), 16, num_classes=10)),
        "inception_v3": (75, lambda: tv.Inception3(10, aux_logits=False, transform_input=True, init_weights=False)),
        "googlenet": (32, lambda: tv.GoogLeNet(10, aux_logits=False, transform_input=True, init_weights=False)),
        "mobilenet_v2": (32, lambda: tv.MobileNetV2(10, 0.25)),
        "mobilenet_v3_small": (32, lambda: mobilenet_v3("mobilenet_v3_small")),
        "mobilenet_v3_large": (32, lambda: mobilenet_v3("mobilenet_v3_large")),
        "efficientnet_b0": (32, efficientnet),
        "shufflenet_v2": (32, lambda: tv.ShuffleNetV2([2, 2, 1], [8, 16, 32, 64, 64], 10)),
        "mnasnet": (32, lambda: tv.MNASNet(0.25, 10)),
        "regnet_x": (32, lambda: tv.RegNet(regnet(), 10, stem_width=8)),
        "regnet_y": (32, lambda: tv.RegNet(regnet(se_ratio=0.25), 10, stem_width=8)),
        "squeezenet1_1": (48, lambda: tv.SqueezeNet("1_1", 10)),
        "convnext": (32, lambda: tv.ConvNeXt([block(8, 16, 2), block(16, 32, 1), block(32, None, 1)], num_classes=10)),
        "swin": (32, lambda: swin([4, 4])),
        "swin, padded": (48, lambda: swin([7, 7])),
        "swin_v2": (32, lambda: swin([4, 4], **v2)),
        "vit": (32, lambda: tv.VisionTransformer(32, 8, 2, 4, 32, 64, num_classes=10)),
        "maxvit": (64, lambda: tv.MaxVit((64, 64), 16, 2, [16, 32], [1, 1], 8, 0.2, num_classes=10)),
        "lraspp": (48, lambda: segmentation(lambda m: tv.segmentation.lraspp._lraspp_mobilenetv3(m, 5))),
        "deeplabv3": (48, lambda: segmentation(lambda m: tv.segmentation.deeplabv3._deeplabv3_mobilenetv3(m, 5, None))),
    }


def transformers_models():
    import transformers as t

    vit = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8, num_labels=10)
    swin = dict(image_size=32, patch_size=4, embed_dim=24, depths=[2, 2], num_heads=[2, 4], window_size=4, num_labels=10)
    dino = vit | {"mlp_ratio": 2, "layerscale_value": 0.6}

    def make(name, **config):
        model = getattr(t, name)(getattr(t, name.split("For")[0] + "Config")(**config))
        return Out(model, "logits", "pixel_values")

    return {
        "hf vit": (32, lambda: make("ViTForImageClassification", intermediate_size=64, **vit)),
        "hf deit": (32, lambda: make("DeiTForImageClassification", intermediate_size=64, **vit)),
        "hf dinov2": (32, lambda: make("Dinov2ForImageClassification", **dino)),
        "hf swin": (32, lambda: make("SwinForImageClassification", **swin)),
        "hf swinv2": (32, lambda: make("Swinv2ForImageClassification", **swin)),
        "hf resnet": (32, lambda: make("ResNetForImageClassification", embedding_size=8, hidden_sizes=[16, 24], depths=[1, 1])),
    }


def open_clip_models():
    import open_clip

    text = dict(context_length=16, vocab_size=96, width=32, heads=4, layers=2)
    vision = dict(layers=2, width=32, head_width=8, patch_size=8, image_size=32)
    resnet = dict(layers=(1, 1, 1, 1), width=8, head_width=8, image_size=32)
    make = lambda v, **kw: Similarity(open_clip.CLIP(32, v, text, **kw).eval())
    return {
        "open_clip ViT": (32, lambda: make(vision)),
        "open_clip ViT, quick GELU": (32, lambda: make(vision, quick_gelu=True)),
        "open_clip RN50, attention pooling": (32, lambda: make(resnet, quick_gelu=True)),
    }


def models():
    import timm

    made = torchvision_models() | transformers_models() | open_clip_models()
    for name, side, how in TIMM:
        made["timm " + name] = (side, functools.partial(timm.create_model, name, num_classes=10, **how))
    return {name: functools.partial(prepared, name, side, f) for name, (side, f) in made.items()}


def prepared(name, side, make):
    torch.manual_seed(len(name))
    model = make().eval()
    g = torch.Generator().manual_seed(side)
    with torch.no_grad():
        for m in model.modules():
            if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.running_mean is not None:
                m.running_mean.copy_(torch.randn(m.running_mean.shape, generator=g) * 0.2)
                m.running_var.copy_(0.5 + torch.rand(m.running_var.shape, generator=g))
        for p in model.parameters():  # zeros, ones and layer scales of 1e-6 hide what they take part in
            if p.numel() > 1 and (p.std() == 0 or p.abs().max() < 1e-4):
                p.add_(torch.rand(p.shape, generator=g) * 0.5)
    inputs = [torch.randn(1, 3, side, side, generator=g).clamp(-2, 2)]
    if isinstance(model, Similarity):
        text = torch.randint(1, 95, (2, 16), generator=g)
        text[:, -1] = 95  # the end of the text, where it is read
        inputs.append(text)
    return model, inputs
