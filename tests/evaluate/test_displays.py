"""Event displays: the first events, each beside its like."""

import numpy as np

from cloudchamber.evaluate.displays import GROUPS, choose_displays
from cloudchamber.evaluate.sample import Sample
from cloudchamber.events import Beams, Events

BEAMS = Beams.parse("10x275")


def test_every_event_is_most_like_itself(stable_events: Events) -> None:
    sample = Sample.of(stable_events, BEAMS, "it")
    found = choose_displays(sample, sample, 20)
    assert len(found) == 20
    assert all(display.candidate == display.reference for display in found)


def test_a_display_holds_the_whole_event_turned_to_its_electron(stable_events: Events) -> None:
    sample = Sample.of(stable_events, BEAMS, "it")
    shown = choose_displays(sample, sample, 1)[0].candidate
    assert len(shown.tracks) == stable_events.counts[0]
    electron = [track for track in shown.tracks if track.group == 0]
    assert len(electron) == 1
    assert electron[0].phi == 0
    assert all(-np.pi / 2 - 1e-3 <= track.phi <= 1.5 * np.pi + 1e-3 for track in shown.tracks)
    assert sample.dis.Q2[0] == shown.Q2


def test_likes_are_alike_and_used_once(stable_events: Events) -> None:
    ours, theirs = (Sample.of(part, BEAMS, "it") for part in (stable_events[:30], stable_events[30:]))
    found = choose_displays(ours, theirs, 12)
    assert len({display.reference for display in found}) == 12
    ratios = [display.reference.Q2 / display.candidate.Q2 for display in found]
    assert np.abs(np.log(ratios)).mean() < 0.3


def test_groups_share_no_species() -> None:
    codes = [code for group in GROUPS for code in group.codes]
    assert len(codes) == len(set(codes))
