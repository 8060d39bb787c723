"""Show a public class under the name by which it is imported."""

from __future__ import annotations

from typing import ForwardRef, TypeVar

__all__ = ["public"]

C = TypeVar("C", bound=type)


def public(kind: C) -> C:
    """Have *kind* say that it lives in ``tlskit``; the outermost decorator.

    ``repr()``, ``help()``, tracebacks and pickles then have the public name,
    and stay right when a module moves.  Annotations remember the module that
    they were written in, so that ``typing.get_type_hints()`` finds their
    names.
    """
    home = kind.__module__
    written = vars(kind).get("__annotations__", {})
    for name, value in written.items():
        written[name] = ForwardRef(value, module=home, is_class=True)
    kind.__module__ = "tlskit"
    return kind
