"""Griffe extension: our docstrings as markdown, for the API pages.

Docstrings say ``Example:``, worked examples without a heading, and Sphinx's roles; the pages want
``Examples:``, code blocks and plain code.
"""

import re
from typing import Any

from griffe import Extension, Object

ROLE = re.compile(r":[a-z]+:`~?([^`]+)`")
# lines at the left edge, outside any section, from `>>>` to the next blank line
DOCTEST = re.compile(r"^>>> .*(?:\n.+)*", re.M)


def as_markdown(text: str) -> str:
    r"""A docstring, cleaned of its indentation, as Google-style markdown.

    >>> as_markdown("A :class:`~a.B`.\n\nExample:\n    >>> 1\n    1")
    'A `a.B`.\n\nExamples:\n    >>> 1\n    1'
    >>> as_markdown("A.\n\n>>> 1\n1\n\nB.")
    'A.\n\n```pycon\n>>> 1\n1\n```\n\nB.'
    """
    text = ROLE.sub(r"`\1`", text)
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.M)
    return DOCTEST.sub(lambda found: f"```pycon\n{found[0]}\n```", text)


class OwnDocstrings(Extension):
    """Rewrites every docstring that is loaded."""

    def on_instance(self, *, obj: Object, **kwargs: Any) -> None:
        """Called by griffe for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
