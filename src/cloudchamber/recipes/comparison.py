"""`compare` with files: read two documents of metrics."""

import json
from pathlib import Path

from pydantic import ValidationError

from cloudchamber.errors import InputError
from cloudchamber.evaluate.document import MetricsDocument

__all__ = ["read_metrics"]


def read_metrics(path: Path) -> MetricsDocument:
    """The document of an evaluation.

    Args:
        path: `metrics.json`, or the folder of a report that holds it.

    Raises:
        InputError: if there is no such file, or it is no document of metrics of this version.
    """
    file = path / "metrics.json" if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"'{file}' does not exist; make it with 'cloudchamber evaluate'.") from None
    except OSError as error:
        raise InputError(f"'{file}' cannot be read: {error.strerror or error}.") from None
    except ValueError:
        raise InputError(f"'{file}' is not JSON; give a metrics.json of 'cloudchamber evaluate'.") from None
    if isinstance(content, dict) and content.get("kind") == "zjets":
        raise InputError(f"'{file}' is of muons and jets, which compare does not know; set their reports side by side.")
    try:
        return MetricsDocument.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise InputError(
            f"'{file}' is no document of metrics of this version ({where}: {first['msg'].lower()}); make it again "
            "with 'cloudchamber evaluate'."
        ) from None
