"""Headers that are not valid are told of in one sentence."""

from pathlib import Path

import pytest

from cloudchamber.errors import InputError
from cloudchamber.events import RunInfo
from cloudchamber.formats.header import reading


def test_two_wrong_numbers_are_counted() -> None:
    text = '{"seed": "many", "process": 3}'
    sentence = r"^the metadata of 'a.parquet' is not valid \(2 errors\); make it again\.$"
    with pytest.raises(InputError, match=sentence), reading("metadata", Path("a.parquet")):
        RunInfo.model_validate_json(text)


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), reading("geometry", Path("a.parquet")):
        raise KeyError("of its own")
