"""Headers that are not valid are told of in one sentence."""

from pathlib import Path

import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import RunInfo
from cloudchamber.formats.header import reading


def test_two_wrong_numbers_are_counted() -> None:
    text = '{"seed": "many", "beams": {"electron": -1, "hadron": 1}}'
    with pytest.raises(InputError, match=r"^the metadata of 'a.parquet' is not valid \(2 errors\); make it again\.$"):
        with reading("metadata", Path("a.parquet")):
            RunInfo.model_validate_json(text)


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), reading("geometry", Path("a.parquet")):
        raise KeyError("of its own")
