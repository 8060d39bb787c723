"""Feed strangers' bytes to what has to parse them, for as long as one likes.

::

    python -m fuzz NAME --seconds 600

With ``atheris`` (``python -m pip install atheris``) new inputs are found by
coverage; without it, or with ``--plain``, by blind mutation.  The corpus is
in ``.fuzz/NAME``: seeds, made when they are first needed, and what was found
since.  An input that breaks a promise is written to ``.fuzz`` too, and ends
the run; ``python -m fuzz NAME FILE`` repeats it.
"""
