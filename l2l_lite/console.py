"""What every command needs: errors in one sentence, a device, a folder to write to."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import torch
import typer
from typer.core import TyperGroup

from l2l_lite.hardware import device


class OneSentence(TyperGroup):
    """Commands whose errors are one sentence, or with --debug the traceback; Ctrl-C is one too."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):  # RuntimeErrors that are none
            raise
        except KeyboardInterrupt as advice:
            typer.echo(f"\nl2l: {'; '.join(['stopped', *advice.args])}", err=True)
            raise typer.Exit(130) from None
        except (ValueError, OSError, FloatingPointError, RuntimeError, MemoryError) as error:
            if ctx.params["debug"]:
                raise
            typer.echo(f"l2l: {_sentence(error)}", err=True)
            raise typer.Exit(2) from None


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in text:
        return (
            "the memory is not enough; take fewer tasks, shorter windows (unroll_length), "
            "or a sample of the coordinates, such as TruncatedBPTT(one_in=10)"
        )
    return text


def choose_device(name: str) -> torch.device:
    """The device of that name, "auto" for a GPU if there is one. Raises ValueError for what is not there."""
    if name == "auto":
        return device()
    kind, _, number = name.partition(":")
    if name not in ("cpu", "cuda") and not (kind == "cuda" and number.isdecimal()):
        raise ValueError(f"there is no device {name!r}; choose auto, cpu, cuda or cuda:1")
    count = torch.cuda.device_count()
    if kind == "cuda" and int(number or 0) >= count:
        seen = f"cuda:0 to cuda:{count - 1}" if count else "no GPU"
        raise ValueError(f"PyTorch sees {seen} here, but not {name}; use --device cpu")
    return torch.device(name)


def make_folder(path: Path) -> None:
    """Make the folder, or refuse it now and not after hours of training."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise ValueError(
            f"--out {path} cannot be written to ({error.strerror}); name another folder"
        ) from error


def refuse_existing(files: Iterable[Path]) -> None:
    """Raise ValueError if there are checkpoints that training would write over."""
    if old := [str(file) for file in files if file.exists()]:
        raise ValueError(f"{', '.join(old)} exists; add --resume to go on from there, or delete it")
