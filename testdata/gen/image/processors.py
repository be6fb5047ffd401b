"""Writes image/testdata/processors.{json,npz}: python testdata/gen/image/processors.py

Runs the Pillow ("Pil") image processors of transformers 5.23.0 with torch
2.15.0 and Pillow 13.0.0 on pictures that pictures.py made. The json file has
each processor's own preprocessor_config.json, the npz file its pixel_values.
"""
import json
import pathlib

import numpy as np
from PIL import Image
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.chinese_clip.image_processing_pil_chinese_clip import ChineseCLIPImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

OUT = pathlib.Path(__file__).parents[3] / "image/testdata"

CASES = {
    "clip": CLIPImageProcessorPil(size={"shortest_edge": 17}, crop_size={"height": 14, "width": 14}),
    "clip_pad": CLIPImageProcessorPil(size={"shortest_edge": 11}, crop_size={"height": 20, "width": 15}),
    "clip_bytes": CLIPImageProcessorPil(size=12, crop_size=9, do_rescale=False, do_normalize=False),
    "clip_as_is": CLIPImageProcessorPil(do_resize=False, crop_size=8),
    "chinese_clip": ChineseCLIPImageProcessorPil(size={"height": 9, "width": 12}, do_center_crop=False),
    "bit": BitImageProcessorPil(size={"shortest_edge": 20}, crop_size={"height": 15, "width": 16}, resample=2),
    "vit": ViTImageProcessorPil(size={"height": 12, "width": 12}),
    "vit_number": ViTImageProcessorPil(size=7),
    "deit": DeiTImageProcessorPil(size={"height": 20, "width": 20}, crop_size={"height": 15, "width": 15}),
    "siglip": SiglipImageProcessorPil(size={"height": 13, "width": 11}),
    "convnext": ConvNextImageProcessorPil(size={"shortest_edge": 15}, resample=3),
}


def main():
    arrays, configs = {}, {}
    for name, processor in CASES.items():
        configs[name] = json.loads(processor.to_json_string())
        configs[name]["image_processor_type"] = type(processor).__name__
        for picture in ["wide", "tall", "small"]:
            image = Image.open(OUT / f"{picture}.png").convert("RGB")
            values = processor(image, return_tensors="np")["pixel_values"]
            arrays[f"{name}.{picture}"] = np.asarray(values, np.float32)
    np.savez_compressed(OUT / "processors.npz", **arrays)
    (OUT / "processors.json").write_text(json.dumps(configs, indent=1, sort_keys=True) + "\n")


main()
