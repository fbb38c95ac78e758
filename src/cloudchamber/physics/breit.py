r"""The Breit frame of deep-inelastic scattering: the exchanged boson brings no energy, only momentum.

With q the exchanged boson and P the beam proton, the axes are

    e_z = -q / Q          e_t ~ P + (P.e_z) e_z          e_x along the scattered electron's transverse momentum

so that q = (0, 0, 0, -Q) and the proton comes along +z, as in the HERA experiments: the struck quark enters with +Q/2
and leaves with -Q/2 along z. Particles with p_z < 0 are the current hemisphere, and

    x_p = 2 |p| / Q

of a current particle corresponds to the momentum fraction in one hemisphere of e+ e- annihilation at sqrt(s) = Q.
"""

import numpy as np
from numpy.typing import NDArray

from cloudchamber.events import Beams
from cloudchamber.physics.dis import beam_momenta, complete_tetrad, minkowski, spacelike_axis

__all__ = ["breit_tetrad"]

Array = NDArray[np.float64]


def breit_tetrad(scattered: Array, beams: Beams) -> Array:
    """Axes (e_t, e_x, e_y, e_z) of the Breit frame, as lab four-vectors, for `dis.to_frame` and `dis.from_frame`.

    Args:
        scattered: four-momenta (E, px, py, pz) of the scattered electrons, shape (n, 4), GeV.
        beams: energies in GeV.

    Returns:
        Shape (n, 4 axes, 4 components); e_t is timelike and normalised to +1, the others to -1.
    """
    beam, proton = beam_momenta(beams)
    q = beam - scattered
    e_z = -q / np.sqrt(-minkowski(q, q))[:, None]
    rest = proton + minkowski(np.broadcast_to(proton, q.shape), e_z)[:, None] * e_z
    e_t = rest / np.sqrt(minkowski(rest, rest))[:, None]
    return complete_tetrad(e_t, spacelike_axis(scattered, e_t, [e_z]), e_z)
