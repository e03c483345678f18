"""Nominal as a program would use it: an engine in process, from bytes to score and map."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.imaging.decode import decode_image
from app.inspection.engine import Engine
from app.learning.learn import Hooks, image_files, learn
from app.ops.process import quiet_blas
from bench.peers.worker import serve, words
from bench.stages import Stages
from core.config import DetectorConfig, InputConfig
from core.groups import by_photograph
from models.backbone import Backbone, load_backbone

RATE = 0.1  # of good parts rejected; few images support it


class Nominal:
    """One bank in memory."""

    def __init__(self, backbone: Backbone, size: int, ratio: float) -> None:
        self.backbone = backbone
        self.config = DetectorConfig(
            input=InputConfig(size),
            coreset_ratio=ratio,
            target_false_reject=RATE,
            max_bank_vectors=10**6,
            min_bank_vectors=0,
        )

    def build(self, images: list[Path], seed: int) -> dict[str, float]:
        stages = Stages()
        names = [image.name for image in images]
        named = image_files(images, names, self.config.input)
        config, hooks = replace(self.config, seed=seed), Hooks(stages.advance)
        built = learn(named, self.backbone, config, hooks, groups=by_photograph(len(names)))
        self.engine = Engine(self.backbone, built.bank)
        return {"coreset": stages.seconds["coreset"], "vectors": len(built.bank.vectors)}

    def score(self, files: list[bytes]) -> list[float]:
        answers = self.engine.inspect([decode_image(file) for file in files])
        for found in answers:
            found.draw()  # the peers have computed theirs
        return [found.score for found in answers]


if __name__ == "__main__":
    parser = words(__doc__)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--precision", default="float32")
    options = parser.parse_args()
    quiet_blas()
    backbone = load_backbone(
        options.backbone,
        options.weights,
        allow_fetch=False,
        threads=options.threads,
        precision=options.precision,
    )
    serve(Nominal(backbone, options.size, options.ratio))
