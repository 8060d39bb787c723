"""Groups of subcommands: what looks like one of them is suggested."""

from __future__ import annotations

from difflib import get_close_matches

import click

__all__ = ["SuggestingGroup"]


class SuggestingGroup(click.Group):
    """A group that knows what was meant; newer versions of click do, too."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See ``click.Group``."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            known = self.list_commands(ctx)
            near = get_close_matches(args[0].lower(), known, n=1)
            if not near or "Did you mean" in error.message:
                raise
            raise click.UsageError(
                f"{error.message}  Did you mean {near[0]!r}?", ctx
            ) from None
