"""The reference of every setting, as the page docs/settings.md and as a table of what is in force."""

import re
from collections.abc import Iterator

from service.settings import Settings, variable

SECRET = re.compile(r"(://[^:/@]*:|\bpassword=)[^@&]*")  # what follows the name of a user, or is named in the query

PAGE = """\
# Settings

Read from the environment once, when the service starts. `kshot settings` shows what is in force, and
`kshot settings --markdown > docs/settings.md` writes this page. Other variables that begin with
`KSHOT_` are ignored; `kshot serve` and `kshot settings` name them.

| variable | default | meaning |
|---|---|---|
{rows}

The commands that talk to a running service read its address from `KSHOT_URL` (default `http://127.0.0.1:8000`) and
their [API key](keys.md) from `KSHOT_API_KEY`; [public data sets](training.md) for training and tests lie in the
folder of `KSHOT_DATA` (default `~/.cache/kshot`).
"""


def rows(settings: Settings) -> Iterator[tuple[str, str, str, str]]:
    """Variable, value in force, default and meaning of each setting."""
    for name, field in Settings.model_fields.items():
        yield variable(name), _shown(getattr(settings, name)), _shown(field.default), field.description or ""


def page() -> str:
    """The Markdown page."""
    shown = (
        f"| `{name}` | {f'`{default}`' if default else ''} | {meaning} |"
        for name, _, default, meaning in rows(Settings.model_construct())
    )
    return PAGE.format(rows="\n".join(shown))


def _shown(value: object) -> str:
    """As text, without the password of a database URL."""
    return "" if value is None else SECRET.sub(r"\1***", str(value))
