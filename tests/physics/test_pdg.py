import pytest

from cloudchamber.physics import pdg


@pytest.mark.parametrize(
    ("pdg_id", "charge3", "baryon", "leptons", "flavours"),
    [
        (11, -3, 0, (1, 0, 0), (0, 0, 0, 0, 0)),
        (-14, 0, 0, (0, -1, 0), (0, 0, 0, 0, 0)),
        (-15, 3, 0, (0, 0, -1), (0, 0, 0, 0, 0)),
        (22, 0, 0, (0, 0, 0), (0, 0, 0, 0, 0)),
        (211, 3, 0, (0, 0, 0), (-1, 1, 0, 0, 0)),
        (321, 3, 0, (0, 0, 0), (0, 1, -1, 0, 0)),
        (311, 0, 0, (0, 0, 0), (1, 0, -1, 0, 0)),
        (310, 0, 0, (0, 0, 0), (0, 0, 0, 0, 0)),
        (421, 0, 0, (0, 0, 0), (0, -1, 0, 1, 0)),
        (-431, -3, 0, (0, 0, 0), (0, 0, 1, -1, 0)),
        (521, 3, 0, (0, 0, 0), (0, 1, 0, 0, -1)),
        (333, 0, 0, (0, 0, 0), (0, 0, 0, 0, 0)),
        (10323, 3, 0, (0, 0, 0), (0, 1, -1, 0, 0)),
        (2112, 0, 1, (0, 0, 0), (2, 1, 0, 0, 0)),
        (3122, 0, 1, (0, 0, 0), (1, 1, 1, 0, 0)),
        (-3334, 3, -1, (0, 0, 0), (0, 0, -3, 0, 0)),
        (4122, 3, 1, (0, 0, 0), (1, 1, 0, 1, 0)),
        (5122, 0, 1, (0, 0, 0), (1, 1, 0, 0, 1)),
        (1000020030, 6, 3, (0, 0, 0), (4, 5, 0, 0, 0)),
    ],
)
def test_quantum_numbers(
    pdg_id: int, charge3: int, baryon: int, leptons: tuple[int, ...], flavours: tuple[int, ...]
) -> None:
    assert pdg.quantum_numbers(pdg_id) == (charge3, baryon, leptons, flavours)
    if pdg_id not in (22, 310, 333):
        table = pdg.quantum_table([pdg_id, -pdg_id])
        assert (table.sum(0) == 0).all()


def test_charge_follows_from_the_quarks() -> None:
    for pdg_id in (211, 321, 411, 431, 521, 2212, 3222, 3312, 4222, 5132, 1000060120):
        numbers = pdg.quantum_numbers(pdg_id)
        d, u, s, c, b = numbers.flavours
        assert numbers.charge3 == 2 * (u + c) - d - s - b
        assert 3 * numbers.baryon == sum(numbers.flavours)


@pytest.mark.parametrize("pdg_id", [2, -5, 9, 21, 90, 97, 2101, 99999, 0])
def test_partons_and_nonsense_are_unknown(pdg_id: int) -> None:
    assert not pdg.is_known(pdg_id)
    with pytest.raises(KeyError):
        pdg.quantum_numbers(pdg_id)


@pytest.mark.parametrize("pdg_id", [12, -13, 22, 23, -24, 25, 111])
def test_leptons_bosons_and_hadrons_are_known(pdg_id: int) -> None:
    assert pdg.is_known(pdg_id)


def test_lifetimes_and_masses() -> None:
    assert pdg.species(2212).mass == pytest.approx(0.938272, abs=1e-6)
    assert pdg.species(12).mass == 0
    lifetimes = {pdg_id: pdg.species(pdg_id).c_tau for pdg_id in (22, 211, 310, 3334, 111, 421, 113)}
    long_lived = {pdg_id for pdg_id, c_tau in lifetimes.items() if c_tau is not None and c_tau > 10}
    assert long_lived == {22, 211, 310, 3334}
    assert pdg.species(5214).mass is None
