"""The family calo-points: from a preset to the point-cloud model of showers of arXiv:2307.04780."""

from collections.abc import Sequence

from cloudchamber.events import Showers
from cloudchamber.models.cascade import Cascade
from cloudchamber.models.diffusion import Diffusion
from cloudchamber.nets.point_cloud import ClusterNet, PointCloudNet
from cloudchamber.process.objective import Divided
from cloudchamber.recipes.config import Preset
from cloudchamber.recipes.process import make_denoiser, make_objective
from cloudchamber.represent.points import PointsRepresentation

__all__ = ["build_points", "fit_points"]


def fit_points(preset: Preset, samples: Sequence[Showers]) -> PointsRepresentation:
    """The representation of a preset.

    Args:
        preset: of the family calo-points.
        samples: of one calorimeter.
    """
    return PointsRepresentation.fit(Showers.concatenate(samples))


def build_points(preset: Preset, representation: PointsRepresentation) -> Cascade:
    """An untrained model: energy and number of hits, then hits.

    Its losses are those of the public code: means over the features, and over the hits and the padding of the longest
    shower, whose errors are zero.

    Args:
        preset: of the family calo-points.
        representation: fitted on showers.
    """
    cluster, hits = preset.points.cluster, preset.points.hits
    size, context = representation.CLUSTER, representation.CLUSTER_CONTEXT
    cluster_net = ClusterNet(
        size, context, width=cluster.width, blocks=cluster.blocks, steps=cluster.process.steps
    )  # fmt: skip
    hits_net = PointCloudNet(
        representation.FEATURES,
        representation.CONTEXT,
        width=hits.width,
        depth=hits.depth,
        heads=hits.heads,
        steps=hits.process.steps,
    )
    objective = Divided(make_objective(hits.process), representation.most)
    return Cascade(
        {
            "cluster": Diffusion(make_denoiser(cluster.process, cluster_net), make_objective(cluster.process)),
            "hits": Diffusion(make_denoiser(hits.process, hits_net), objective),
        }
    )
