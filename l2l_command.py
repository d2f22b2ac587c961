"""The command `l2l`, begun without PyTorch: while that is imported, Ctrl-C ends it without a traceback."""


def main() -> None:
    """Import the command line, and run it."""
    try:
        from l2l_lite.cli import main
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    main()
